//! An authority elsewhere, on a port of its own with TLS: what it makes is taken only if it is what was asked for.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use citadel::{AuthorityElsewhere, Signer};
use mesh_pki::{Credential, TrustBundle, keys, keys::KeyKind, request, tls};
use mesh_proto::istio::v1::auth::{
    IstioCertificateRequest, IstioCertificateResponse,
    istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
};
use mesh_runtime::transport::{Security, TransportConfig, serve_connections};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, service::Routes};

use crate::{
    HOUR,
    port::{Proof, openssl_text, openssl_verify, order},
    serve_with,
};

/// What it does.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Honest,
    NamesAnother,
    OtherKey,
    Endless,
    Hangs,
    Refuses(Code),
}

struct Elsewhere {
    issuer: CertifiedIssuer<'static, KeyPair>,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<(String, i64)>>>,
}

#[tonic::async_trait]
impl IstioCertificateService for Elsewhere {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.unwrap_or_default().to_owned();
        let IstioCertificateRequest { csr, validity_duration, .. } = request.into_inner();
        self.asked.lock().unwrap().push((bearer, validity_duration));
        let mut csr = CertificateSigningRequestParams::from_pem(&csr).unwrap();
        csr.params.is_ca = IsCa::ExplicitNoCa;
        csr.params.use_authority_key_identifier_extension = true;
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let manner = *self.manner.lock().unwrap();
        let leaf = match manner {
            Manner::Honest | Manner::Endless => csr.signed_by(&self.issuer),
            Manner::NamesAnother => {
                let admin = "spiffe://cluster.local/ns/kube-system/sa/admin".try_into().unwrap();
                csr.params.subject_alt_names = vec![SanType::URI(admin)];
                csr.signed_by(&self.issuer)
            }
            Manner::OtherKey => csr.params.signed_by(&KeyPair::generate().unwrap(), &self.issuer),
            Manner::Hangs => std::future::pending().await,
            Manner::Refuses(code) => return Err(Status::new(code, "for a reason")),
        };
        let mut cert_chain = vec![leaf.unwrap().pem(), self.issuer.pem()];
        if matches!(manner, Manner::Endless) {
            cert_chain.extend(std::iter::repeat_n("x".repeat(1000), 1000));
        }
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

struct Running {
    address: SocketAddr,
    roots: TrustBundle,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<(String, i64)>>>,
    end: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn run() -> Result<Running> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let roots = TrustBundle::from_pem(&issuer.pem())?;
    let key = keys::generate(KeyKind::P256)?;
    let mut serving = CertificateParams::new(["localhost".to_owned()])?;
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let serving = Credential::from_pem(&serving.signed_by(&key, &issuer)?.pem(), &key.serialize_pem())?;
    let (_, settings) = watch::channel(Arc::new(tls::server(&serving, &roots, None)?));
    let (manner, asked) = (Arc::new(Mutex::new(Manner::Honest)), Arc::default());
    let service = Elsewhere { issuer, manner: manner.clone(), asked: Arc::clone(&asked) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, end) = (listener.local_addr()?, CancellationToken::new());
    let routes = Routes::new(IstioCertificateServiceServer::new(service));
    let transport = TransportConfig::default();
    tokio::spawn(serve_connections(transport, Security::Tls(settings), routes, listener, end.clone()));
    Ok(Running { address, roots, manner, asked, end })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authority_elsewhere_makes_is_taken_if_it_is_what_was_asked_for() {
    let outcome = async {
        let elsewhere = run().await?;
        let directory = tempfile::tempdir()?;
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, "first\n")?;
        let signer = Signer::Elsewhere(Box::new(AuthorityElsewhere {
            address: format!("localhost:{}", elsewhere.address.port()),
            roots: elsewhere.roots.clone(),
            credential: None,
            token: Some(token_file.clone()),
        }));
        let (served, tokens) = serve_with(|config| citadel::Config { signer, ..config }).await;
        let token = &tokens.token("shop", "web", HOUR)?;
        let key = keys::generate(KeyKind::P256)?;
        let csr = request::make(&key, Some(&"spiffe://cluster.local/ns/shop/sa/web".parse()?))?;

        let message = IstioCertificateRequest { validity_duration: 600, ..order(&csr) };
        let chain = served.ask(Proof::token(token), message).await?;
        openssl_verify(&chain)?;
        ensure!(openssl_text(&chain[0])?.contains("URI:spiffe://cluster.local/ns/shop/sa/web"));
        let trusted = TrustBundle::from_pem(chain.last().context("no roots")?)?;
        ensure!(trusted.contains(&elsewhere.roots), "its roots are not handed out");
        let credential = Credential::from_pem(&chain[0], &key.serialize_pem())?;
        std::fs::write(&token_file, "second")?;
        served.ask(Proof::credential(&credential), order(&csr)).await?;
        let day = 24 * 3600;
        let asked = std::mem::take(&mut *elsewhere.asked.lock().unwrap());
        ensure!(asked == [("Bearer first".to_owned(), 600), ("Bearer second".to_owned(), day)], "{asked:?}");

        let ask = async |message| {
            served.ask(Proof::token(token), message).await.map_or_else(|status| status.code(), |_| Code::Ok)
        };
        let admin = request::make(&key, Some(&"spiffe://cluster.local/ns/kube-system/sa/admin".parse()?))?;
        ensure!(ask(order(&admin)).await == Code::InvalidArgument, "a request in another's name");
        ensure!(elsewhere.asked.lock().unwrap().is_empty(), "it was handed on");
        for (manner, code) in [
            (Manner::NamesAnother, Code::Internal),
            (Manner::OtherKey, Code::Internal),
            (Manner::Endless, Code::Internal),
            // Our own proof was refused there: the caller's was good.
            (Manner::Refuses(Code::Unauthenticated), Code::Internal),
            (Manner::Refuses(Code::InvalidArgument), Code::InvalidArgument),
            (Manner::Refuses(Code::ResourceExhausted), Code::Unavailable),
            (Manner::Hangs, Code::Unavailable),
            (Manner::Honest, Code::Ok),
        ] {
            *elsewhere.manner.lock().unwrap() = manner;
            let got = ask(order(&csr)).await;
            ensure!(got == code, "{manner:?}: {got:?}");
        }
        let leaf = &mesh_pki::credential::read_certificates(&chain[0])?[0];
        ensure!(mesh_pki::Facts::read(leaf)?.remaining(SystemTime::now()) > Duration::ZERO);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
