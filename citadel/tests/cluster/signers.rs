//! Signers of the Kubernetes API, on a real one: the test is the signer, as cert-manager would be.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use citadel::{ServingSigner, Signer, SignerName};
use futures::StreamExt;
use k8s_openapi::{ByteString, api::certificates::v1::CertificateSigningRequest};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use mesh_pki::{SpiffeId, TrustBundle, keys, keys::KeyKind, request};
use mesh_proto::istio::v1::auth::IstioCertificateRequest;
use mesh_testkit::{ApiServer, eventually};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::json;
use tonic::Code;

use crate::port::{self, Proof, Served, openssl_text, openssl_verify, order, token};

const WITHIN: Duration = Duration::from_secs(60);
const DOMAIN: &str = "clusterissuers.example.com";

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Result<Ca> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// What a signer does with a request, by its name.
fn answer(
    signer: &str,
    asked: &CertificateSigningRequest,
    roots: &[Ca; 2],
) -> Result<Option<serde_json::Value>> {
    let ByteString(pem) = &asked.spec.request;
    let mut csr = CertificateSigningRequestParams::from_pem(std::str::from_utf8(pem)?)?;
    csr.params.is_ca = IsCa::ExplicitNoCa;
    csr.params.use_authority_key_identifier_extension = true;
    csr.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    csr.params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let seconds = asked.spec.expiration_seconds.context("no lifetime is asked for")?;
    let now = std::time::SystemTime::now();
    csr.params.not_before = (now - Duration::from_secs(60)).into();
    csr.params.not_after = (now + Duration::from_secs(u64::try_from(seconds)?)).into();
    let [root, stranger] = roots;
    let mut issuer = root;
    match signer {
        "mesh" => {}
        "stranger" => issuer = stranger,
        "confused" => {
            let other = "spiffe://cluster.local/ns/kube-system/sa/admin".try_into()?;
            csr.params.subject_alt_names = vec![SanType::URI(other)];
        }
        "generous" => csr.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        "denies" => {
            let condition =
                json!({ "type": "Failed", "status": "True", "reason": "Policy", "message": "not today" });
            let mut conditions =
                serde_json::to_value(&asked.status)?["conditions"].as_array().cloned().unwrap_or_default();
            conditions.push(condition);
            return Ok(Some(json!({ "status": { "conditions": conditions } })));
        }
        _ => return Ok(None),
    }
    let pem = csr.signed_by(issuer)?.pem();
    Ok(Some(json!({ "status": { "certificate": ByteString(pem.into_bytes()) } })))
}

/// Answers requests that were approved, until it is dropped.
async fn sign(client: kube::Client, roots: [Ca; 2]) -> Result<()> {
    let api: Api<CertificateSigningRequest> = Api::all(client);
    let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
    let mut events = events.applied_objects().boxed();
    while let Some(event) = events.next().await {
        let Ok(asked) = event else { continue };
        let Some(signer) = asked.spec.signer_name.strip_prefix(&format!("{DOMAIN}/")) else { continue };
        let status = asked.status.clone().unwrap_or_default();
        let approved = status.conditions.iter().flatten().any(|condition| condition.type_ == "Approved");
        let answered = status.certificate.is_some() || status.conditions.iter().flatten().count() > 1;
        if !approved || answered {
            continue;
        }
        if let Some(patch) = answer(signer, &asked, &roots)? {
            // It may be gone, for lack of patience.
            let _ = api.patch_status(&asked.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
        }
    }
    Ok(())
}

fn order_by(signer: &str, csr: &str) -> IstioCertificateRequest {
    let metadata = mesh_proto::string_struct([("CertSigner", signer)]);
    IstioCertificateRequest { metadata: Some(metadata), ..order(csr) }
}

async fn left(server: &ApiServer) -> Result<String> {
    let label = "app.kubernetes.io/managed-by=meltemi-citadel";
    server.kubectl(&["get", "certificatesigningrequests", "-l", label, "-o", "name"]).await
}

async fn serve(server: &ApiServer, namespace: &str, root: &Ca) -> Result<Served> {
    let mut config = port::config(server, namespace, "one").await?;
    (config.limits.rate, config.limits.burst) = (1e6, 1e6);
    config.signer = Signer::Kubernetes {
        name: SignerName { usual: Some(format!("{DOMAIN}/mesh")), domain: Some(DOMAIN.to_owned()) },
        roots: Some(TrustBundle::from_pem(&root.pem())?),
    };
    port::serve(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_of_the_kubernetes_api_signs_for_workloads() {
    // Of its own: it looks at all requests.
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let server = &server;
        let namespace = &server.fresh_namespace("signer").await?;
        let roots = [ca("corporate")?, ca("stranger")?];
        let corporate = roots[0].pem();
        let served = serve(server, namespace, &roots[0]).await?;
        let signing = tokio::spawn(sign(port::client(server).await?, roots));
        let id: SpiffeId = format!("spiffe://cluster.local/ns/{namespace}/sa/web").parse()?;
        let token = &token(server, namespace, "web", "istio-ca").await?;
        let key = keys::generate(KeyKind::P256)?;
        let csr = request::make(&key, Some(&id))?;

        for message in [order(&csr), order_by("mesh", &csr)] {
            let chain = served.ask(Proof::token(token), message).await?;
            let trusted = TrustBundle::from_pem(chain.last().context("no roots")?)?;
            ensure!(
                trusted.contains(&TrustBundle::from_pem(&corporate)?),
                "the signer's root is not handed out"
            );
            openssl_verify(&chain)?;
            let text = openssl_text(&chain[0])?;
            ensure!(text.contains("Issuer: CN = corporate") && text.contains(&id.to_string()), "{text}");
            // What it has signed is proof, and renewed by it.
            let credential = mesh_pki::Credential::from_pem(&chain[0], &key.serialize_pem())?;
            let renewed = served.ask(Proof::credential(&credential), order(&csr)).await?;
            ensure!(openssl_text(&renewed[0])?.contains("Issuer: CN = corporate"));
        }
        ensure!(served.citadel.report().workloads > 0);

        let admin = request::make(&key, Some(&"spiffe://cluster.local/ns/kube-system/sa/admin".parse()?))?;
        let nameless = request::make(&key, None)?;
        for (message, code, what) in [
            (order(&admin), Code::InvalidArgument, "a request in another's name"),
            (order(&nameless), Code::InvalidArgument, "a request in no name"),
            (order_by("x/y", &csr), Code::InvalidArgument, "a signer of another domain"),
            (order_by("denies", &csr), Code::Internal, "a signer that refuses"),
            (order_by("stranger", &csr), Code::Internal, "a signer with other roots"),
            (order_by("confused", &csr), Code::Internal, "a signer that names another"),
            (order_by("generous", &csr), Code::Internal, "a signer that lets workloads sign"),
            (order_by("silent", &csr), Code::Unavailable, "a signer that says nothing"),
        ] {
            let status = served.ask(Proof::token(token), message).await.expect_err(what);
            ensure!(status.code() == code, "{what}: {status:?}");
        }
        // Somebody who does not wait for the answer leaves nothing behind either.
        let impatient = served.ask(Proof::token(token), order_by("silent", &csr));
        let made = eventually(WITHIN, async || {
            ensure!(!left(server).await?.is_empty(), "no request yet");
            Ok(())
        });
        tokio::select! {
            answer = impatient => anyhow::bail!("{answer:?}"),
            made = made => made?,
        }
        eventually(WITHIN, async || {
            let left = left(server).await?;
            ensure!(left.is_empty(), "{left}");
            Ok(())
        })
        .await?;
        ensure!(!signing.is_finished(), "{:?}", signing.await?);
        signing.abort();
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_signs_for_the_control_plane_and_while_it_does_not_its_own_authority_does() {
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let server = &server;
        let namespace = &server.fresh_namespace("serving").await?;
        let roots = [ca("corporate")?, ca("stranger")?];
        let corporate = TrustBundle::from_pem(&roots[0].pem())?;
        let signing = tokio::spawn(sign(port::client(server).await?, roots));
        let serve = async |signer: &str, identity: &str| {
            let mut config = port::config(server, namespace, identity).await?;
            config.serving = ServingSigner::Kubernetes {
                name: format!("{DOMAIN}/{signer}"),
                roots: Some(corporate.clone()),
            };
            port::serve(config).await
        };
        let token = &token(server, namespace, "web", "istio-ca").await?;
        let served = serve("mesh", "one").await?;
        // Whoever trusts that signer alone may connect, and what workloads get is signed as before.
        let issuer = shown(served.address, &corporate).await?;
        ensure!(issuer.contains("corporate"), "{issuer}");
        let chain = served.enrol(Proof::token(token)).await?;
        ensure!(!chain.facts().issuer.contains("corporate"), "{chain:?}");
        ensure!(served.citadel.bundle().contains(&corporate), "workloads trust both");

        let served = serve("stranger", "two").await?;
        ensure!(shown(served.address, &corporate).await.is_err(), "what another has signed is not shown");
        let issuer = shown(served.address, &served.citadel.bundle()).await?;
        ensure!(!issuer.contains("stranger"), "{issuer}");
        ensure!(!signing.is_finished(), "{:?}", signing.await?);
        signing.abort();
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

/// Who has signed the certificate that is shown to a client that trusts `roots`.
async fn shown(address: std::net::SocketAddr, roots: &TrustBundle) -> Result<String> {
    let connector =
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(mesh_pki::tls::client(roots, None)?));
    let socket = tokio::net::TcpStream::connect(address).await?;
    let session = connector.connect("istiod.istio-system.svc".try_into()?, socket).await?;
    let shown = session.get_ref().1.peer_certificates().context("no certificate")?;
    Ok(mesh_pki::Facts::read(shown.first().context("no certificate")?)?.issuer)
}
