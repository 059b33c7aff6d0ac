//! Workloads that want certificates: service accounts of a real API server, with keys and tokens made before the clock runs.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use mesh_pki::keys::KeyKind;
use mesh_pki::{Credential, TrustBundle, keys, request, tls};
use mesh_proto::istio::v1::auth::IstioCertificateRequest;
use mesh_proto::istio::v1::auth::istio_certificate_service_client::IstioCertificateServiceClient;
use mesh_testkit::ApiServer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// All callers.
pub struct Callers {
    pub all: Vec<Caller>,
}

/// One workload.
#[derive(Clone)]
pub struct Caller {
    address: SocketAddr,
    roots: TrustBundle,
    tls: Arc<rustls::ClientConfig>,
    token: Option<String>,
    key: Arc<str>,
    csr: Arc<str>,
}

/// A workload with a connection.
pub struct Connected {
    client: IstioCertificateServiceClient<Channel>,
    token: Option<String>,
    csr: Arc<str>,
}

impl Callers {
    /// Makes service accounts in `namespace`, each with a token.
    pub async fn make(api: &ApiServer, namespace: &str, address: SocketAddr, count: usize) -> Result<Self> {
        let file = kube::config::Kubeconfig::read_from(api.kubeconfig_path())?;
        let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await?;
        let client = Client::try_from(config)?;
        let secret = Api::<Secret>::namespaced(client.clone(), namespace).get("istio-ca-secret").await?;
        let roots = secret.data.unwrap_or_default().remove("root-cert.pem").context("no roots")?;
        let roots = TrustBundle::from_pem(&String::from_utf8(roots.0)?)?;
        let tls = Arc::new(tls::client(&roots, None)?);
        let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
        let all = stream::iter(0..count).map(|index| {
            let (accounts, roots, tls) = (&accounts, &roots, &tls);
            async move {
                let name = format!("caller-{index}");
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                let account = ServiceAccount { metadata, ..ServiceAccount::default() };
                accounts.create(&PostParams::default(), &account).await?;
                let spec = TokenRequestSpec {
                    audiences: Some(vec!["istio-ca".to_owned()]),
                    ..TokenRequestSpec::default()
                };
                let wanted = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
                let made = accounts.create_token_request(&name, &PostParams::default(), &wanted).await?;
                let token = made.status.and_then(|status| status.token);
                anyhow::ensure!(token.is_some(), "no token for {name}");
                let key = keys::generate(KeyKind::P256)?;
                anyhow::Ok(Caller {
                    address,
                    roots: roots.clone(),
                    tls: tls.clone(),
                    token,
                    csr: request::make(&key, None)?.into(),
                    key: key.serialize_pem().into(),
                })
            }
        });
        Ok(Self { all: all.buffer_unordered(32).try_collect().await? })
    }
}

impl Caller {
    /// Opens a connection of its own.
    pub async fn connect(&self) -> Result<Connected> {
        let connector = TlsConnector::from(self.tls.clone());
        let address = self.address;
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                let name = "localhost".try_into().map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, socket).await?))
            }
        });
        let channel = Endpoint::from_static("http://ca").connect_with_connector(connect).await?;
        let client = IstioCertificateServiceClient::new(channel);
        Ok(Connected { client, token: self.token.clone(), csr: self.csr.clone() })
    }

    /// The same caller with a certificate instead of its token.
    pub async fn enrol(&self) -> Result<Self> {
        let chain = self.connect().await?.ask().await?;
        let (_, chain) = chain.split_last().context("an empty chain")?;
        let credential = Credential::from_pem(&chain.concat(), &self.key)?;
        let tls = Arc::new(tls::client(&self.roots, Some(&credential))?);
        Ok(Self { tls, token: None, ..self.clone() })
    }
}

impl Connected {
    /// Asks for a certificate.
    pub async fn ask(&mut self) -> Result<Vec<String>> {
        let message = IstioCertificateRequest { csr: self.csr.to_string(), ..Default::default() };
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        Ok(self.client.create_certificate(request).await?.into_inner().cert_chain)
    }
}
