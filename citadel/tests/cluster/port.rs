//! An authority on a port, and those who call it.
//!
//! In: settings. Out: answers as a caller sees them. The client side is tonic over TLS, as an agent has it.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use citadel::{Citadel, Clusters, Config, Metrics, Place};
use hyper_util::rt::TokioIo;
use mesh_pki::{Credential, TrustBundle, keys, keys::KeyKind, request, tls};
use mesh_proto::{
    google::protobuf::Struct,
    istio::v1::auth::{
        IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
    },
};
use mesh_runtime::{
    drain::{self, Trigger},
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::ApiServer;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};

/// An authority that is served.
pub struct Served {
    pub citadel: Citadel,
    pub metrics: Metrics,
    pub address: SocketAddr,
    end: CancellationToken,
    _trigger: Trigger,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// A client for the API server, as the control plane has it.
pub async fn client(server: &ApiServer) -> Result<kube::Client> {
    let file = kube::config::Kubeconfig::read_from(server.kubeconfig_path())?;
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

/// Settings for an authority in `namespace`.
pub async fn config(server: &ApiServer, namespace: &str, identity: &str) -> Result<Config> {
    let client = client(server).await?;
    let place = Place::Cluster {
        client: client.clone(),
        namespace: namespace.to_owned(),
        identity: identity.to_owned(),
        lease: Duration::from_secs(3),
    };
    let clusters = Clusters::new("Kubernetes", client);
    Ok(Config {
        tokens: Some((clusters, vec!["istio-ca".to_owned()])),
        server_names: citadel::server_names("istio-system"),
        ..Config::new(place, "cluster.local")
    })
}

/// Starts and serves an authority.
pub async fn serve(config: Config) -> Result<Served> {
    let (trigger, drain) = drain::channel();
    let metrics = Metrics::unregistered();
    let citadel = citadel::start(config, metrics.clone(), &drain).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let end = CancellationToken::new();
    let transport = TransportConfig { patience: Duration::from_secs(2), ..TransportConfig::default() };
    let serving =
        serve_connections(transport, Security::Tls(citadel.tls()), citadel.routes(), listener, end.clone());
    tokio::spawn(serving);
    Ok(Served { citadel, metrics, address, end, _trigger: trigger })
}

/// How a caller proves who it is.
#[derive(Default, Clone)]
pub struct Proof<'a> {
    pub token: Option<&'a str>,
    pub cluster: Option<&'a str>,
    pub credential: Option<&'a Credential>,
}

impl<'a> Proof<'a> {
    pub fn token(token: &'a str) -> Self {
        Self { token: Some(token), ..Self::default() }
    }

    pub fn credential(credential: &'a Credential) -> Self {
        Self { credential: Some(credential), ..Self::default() }
    }
}

impl Served {
    /// Connects; a caller trusts what the authority's bundle says.
    pub async fn connect(&self, credential: Option<&Credential>) -> Result<Channel> {
        connect(self.address, &self.citadel.bundle(), credential).await
    }

    /// Sends a request for a certificate.
    pub async fn ask(
        &self,
        proof: Proof<'_>,
        message: IstioCertificateRequest,
    ) -> Result<Vec<String>, Status> {
        let channel =
            self.connect(proof.credential).await.map_err(|error| Status::unknown(format!("{error:#}")))?;
        let mut client = IstioCertificateServiceClient::new(channel);
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(token) = proof.token {
            metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        if let Some(cluster) = proof.cluster {
            metadata.insert("clusterid", cluster.parse().unwrap());
        }
        Ok(client.create_certificate(request).await?.into_inner().cert_chain)
    }

    /// Gets a certificate, as an agent does.
    pub async fn enrol(&self, proof: Proof<'_>) -> Result<Credential> {
        let key = keys::generate(KeyKind::P256)?;
        let chain = self.ask(proof, order(&request::make(&key, None)?)).await?;
        let (_, chain) = chain.split_last().context("an empty chain")?;
        Ok(Credential::from_pem(&chain.concat(), &key.serialize_pem())?)
    }
}

/// A TLS connection that speaks gRPC.
pub async fn connect(
    address: SocketAddr,
    trusted: &TrustBundle,
    credential: Option<&Credential>,
) -> Result<Channel> {
    let config = Arc::new(tls::client(trusted, credential)?);
    let connector = tokio_rustls::TlsConnector::from(config);
    let connect = tower::service_fn(move |_| {
        let connector = connector.clone();
        async move {
            let socket = TcpStream::connect(address).await?;
            let name = "istiod.istio-system.svc".try_into().map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, socket).await?))
        }
    });
    Ok(Endpoint::from_static("http://ca").connect_with_connector(connect).await?)
}

/// A message with this request.
pub fn order(csr: &str) -> IstioCertificateRequest {
    IstioCertificateRequest { csr: csr.to_owned(), ..IstioCertificateRequest::default() }
}

/// The same on behalf of another.
pub fn order_for(csr: &str, identity: &str) -> IstioCertificateRequest {
    let metadata: Struct = mesh_proto::string_struct([("ImpersonatedIdentity", identity)]);
    IstioCertificateRequest { metadata: Some(metadata), ..order(csr) }
}

/// Makes a service account, and a token of it.
pub async fn token(server: &ApiServer, namespace: &str, account: &str, audience: &str) -> Result<String> {
    // It may be there already.
    let _ = server.kubectl(&["create", "serviceaccount", account, "-n", namespace]).await;
    let audience = format!("--audience={audience}");
    let token = server.kubectl(&["create", "token", account, "-n", namespace, &audience]).await?;
    Ok(token.trim().to_owned())
}

/// What openssl says of a certificate.
pub fn openssl_text(pem: &str) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("leaf.pem");
    std::fs::write(&path, pem)?;
    run(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(path))
}

/// Whether openssl follows a chain, leaf first, roots last, to its root.
pub fn openssl_verify(chain: &[String]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> Result<std::path::PathBuf> {
        let path = directory.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let [leaf, between @ .., roots] = chain else { anyhow::bail!("a chain has a leaf and roots") };
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile"])
        .arg(write("roots.pem", roots)?);
    if !between.is_empty() {
        command.arg("-untrusted").arg(write("between.pem", &between.concat())?);
    }
    let said = run(command.arg(write("leaf.pem", leaf)?))?;
    ensure!(said.contains(": OK"), "{said}");
    Ok(())
}

/// Runs a command.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said)
}
