//! What strangers may try: each case ends in an error for them, and nobody else notices.
//!
//! No API server is needed: callers prove who they are by tokens that the test makes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::time::Duration;

use citadel::{Config, Limits, LocalTokens, Place};
use mesh_pki::{Credential, SpiffeId, keys, keys::KeyKind, request};
use mesh_proto::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, SanType};
use tonic::Code;

mod elsewhere;
mod ends;
mod interop;
mod issuers;
mod kinds;
#[path = "../cluster/port.rs"]
#[allow(dead_code, reason = "shared with the tests against an API server")]
mod port;
mod slow;

use port::{Proof, Served, openssl_text, openssl_verify, order};

const HOUR: Duration = Duration::from_secs(3600);

async fn serve_with(adjust: impl FnOnce(Config) -> Config) -> (Served, LocalTokens) {
    let tokens = LocalTokens::new("istio-ca").unwrap();
    let config = Config {
        oidc: vec![tokens.rule()],
        server_names: citadel::server_names("istio-system"),
        ..Config::new(Place::Memory, "cluster.local")
    };
    (port::serve(adjust(config)).await.unwrap(), tokens)
}

async fn serve() -> (Served, LocalTokens) {
    serve_with(|config| config).await
}

fn csr() -> String {
    request::make(&keys::generate(KeyKind::P256).unwrap(), None).unwrap()
}

async fn code(served: &Served, proof: Proof<'_>, message: IstioCertificateRequest) -> Code {
    served.ask(proof, message).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_extensions_and_the_ca_flag_of_a_request_are_ignored() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let mut params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::URI("spiffe://cluster.local/ns/a/sa/admin".try_into().unwrap()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let key = keys::generate(KeyKind::P384).unwrap();
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let chain = served.ask(Proof::token(&token), order(&request)).await.unwrap();
    openssl_verify(&chain).unwrap();
    let text = openssl_text(&chain[0]).unwrap();
    assert!(
        text.contains("URI:spiffe://cluster.local/ns/shop/sa/web") && text.contains("CA:FALSE"),
        "{text}"
    );
    assert!(
        !text.contains("evil") && !text.contains("admin") && !text.contains("Certificate Sign"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_sound_are_invalid() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let proof = Proof::token(&token);
    let weak = include_str!("../../../mesh/pki/src/request/testdata/rsa1024.pem");
    assert_eq!(code(&served, proof.clone(), order(weak)).await, Code::InvalidArgument, "RSA 1024");
    let mut forged = csr().into_bytes();
    // A letter in the last full line of the base64: within the signature.
    let at = forged.len() - 50;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(code(&served, proof.clone(), order(&forged)).await, Code::InvalidArgument, "signature");
    assert_eq!(code(&served, proof.clone(), order("")).await, Code::InvalidArgument, "nothing");
    assert_eq!(
        code(&served, proof.clone(), order(&"x".repeat(20_000))).await,
        Code::InvalidArgument,
        "20 kB"
    );
    let huge = order(&"x".repeat(10 << 20));
    assert_eq!(code(&served, proof.clone(), huge).await, Code::ResourceExhausted, "10 MB");
    let lasting = |seconds| IstioCertificateRequest { validity_duration: seconds, ..order(&csr()) };
    assert_eq!(
        code(&served, proof.clone(), lasting(91 * 24 * 3600)).await,
        Code::InvalidArgument,
        "too long"
    );
    assert_eq!(code(&served, proof.clone(), lasting(i64::MAX)).await, Code::InvalidArgument, "for ever");
    assert_eq!(code(&served, proof.clone(), lasting(i64::MIN)).await, Code::Ok, "no wish");
    assert_eq!(code(&served, proof, lasting(60)).await, Code::Ok, "a minute");
    assert_eq!(served.metrics.unreadable.get(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lives_as_long_as_it_was_asked_to() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let message = IstioCertificateRequest { validity_duration: 600, ..order(&csr()) };
    let chain = served.ask(Proof::token(&token), message).await.unwrap();
    let leaf = &mesh_pki::credential::read_certificates(&chain[0]).unwrap()[0];
    let remaining = mesh_pki::Facts::read(leaf).unwrap().remaining(std::time::SystemTime::now());
    assert!(remaining <= Duration::from_secs(600) && remaining > Duration::from_secs(500), "{remaining:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_others_are_nothing() {
    let (served, tokens) = serve().await;
    let ask = async |token: &str| code(&served, Proof::token(token), order(&csr())).await;
    assert_eq!(ask(&tokens.token("shop", "web", HOUR).unwrap()).await, Code::Ok);
    let stranger = LocalTokens::new("istio-ca").unwrap().token("shop", "web", HOUR).unwrap();
    assert_eq!(ask(&stranger).await, Code::Unauthenticated, "another key");
    let evil = tokens.token("shop", "web:admin", HOUR).unwrap();
    assert_eq!(ask(&evil).await, Code::Unauthenticated, "a subject with too many parts");
    let slash = tokens.token("shop/sa/x", "web", HOUR).unwrap();
    assert_eq!(ask(&slash).await, Code::Unauthenticated, "a path in a name");
    let head = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let good = tokens.token("shop", "web", HOUR).unwrap();
    let claims = good.split('.').nth(1).unwrap();
    assert_eq!(ask(&format!("{head}.{claims}.")).await, Code::Unauthenticated, "no algorithm");
    assert_eq!(ask(&"a".repeat(12_000)).await, Code::Unauthenticated, "a long one");
    for odd in ["..", ".", "a.b.c", "e30.e30.e30", "%00", "eyJ.eyJ.eyJ"] {
        assert_eq!(ask(odd).await, Code::Unauthenticated, "{odd}");
    }
    assert_eq!(ask(&good).await, Code::Ok, "and the authority goes on");
    let expired = tokens.token("shop", "web", Duration::ZERO).unwrap();
    let refused = mesh_testkit::eventually(Duration::from_secs(30), async || {
        anyhow::ensure!(ask(&expired).await == Code::Unauthenticated);
        Ok(())
    });
    refused.await.unwrap();
}

/// An authority of one's own, that looks like another in every respect but its key.
fn impostor(identity: &SpiffeId) -> Credential {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(root, keys::generate(KeyKind::P256).unwrap());
    let key = keys::generate(KeyKind::P256).unwrap();
    let mut leaf = CertificateParams::default();
    leaf.subject_alt_names = vec![SanType::URI(identity.to_string().try_into().unwrap())];
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    Credential::from_pem(&certificate.pem(), &key.serialize_pem()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_other_authorities_do_not_even_connect() {
    let (served, tokens) = serve().await;
    let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
    let refused = code(&served, Proof::credential(&impostor(&id)), order(&csr())).await;
    assert!(matches!(refused, Code::Unknown | Code::Cancelled | Code::Unavailable), "{refused:?}");
    assert_eq!(served.metrics.requests.get(), 0);
    // Nor does a certificate of this authority that is not a workload's: it names no one.
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let credential = served.enrol(Proof::token(&token)).await.unwrap();
    assert_eq!(code(&served, Proof::credential(&credential), order(&csr())).await, Code::Ok);
    let key = keys::generate(KeyKind::P256).unwrap();
    let state = served.citadel.authority().current();
    let server = state.sign_server(&key, &["web".to_owned()], HOUR, std::time::SystemTime::now()).unwrap();
    let server = Credential::from_pem(&server.pem, &key.serialize_pem()).unwrap();
    assert_eq!(code(&served, Proof::credential(&server), order(&csr())).await, Code::Unauthenticated);
    let other: SpiffeId = "spiffe://other.domain/ns/shop/sa/web".parse().unwrap();
    let leaf = state.sign_workload(&key, &other, HOUR, std::time::SystemTime::now()).unwrap();
    let foreign = Credential::from_pem(&leaf.pem, &key.serialize_pem()).unwrap();
    assert_eq!(code(&served, Proof::credential(&foreign), order(&csr())).await, Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_on_an_open_connection_is_no_longer_proof() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let key = keys::generate(KeyKind::P256).unwrap();
    let message =
        IstioCertificateRequest { validity_duration: 2, ..order(&request::make(&key, None).unwrap()) };
    let chain = served.ask(Proof::token(&token), message).await.unwrap();
    let credential = Credential::from_pem(&chain[0], &key.serialize_pem()).unwrap();
    let channel = served.connect(Some(&credential)).await.unwrap();
    let client = IstioCertificateServiceClient::new(channel);
    client.clone().create_certificate(order(&csr())).await.unwrap();
    let refused = mesh_testkit::eventually(Duration::from_secs(30), || async {
        match client.clone().create_certificate(order(&csr())).await {
            Ok(_) => anyhow::bail!("it is still taken"),
            Err(status) => Ok(status.code()),
        }
    });
    assert_eq!(refused.await.unwrap(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_loops_is_refused_and_others_are_served() {
    let limits = Limits { rate: 0.001, burst: 3.0, ..Limits::default() };
    let (served, tokens) = serve_with(|config| Config { limits, ..config }).await;
    let token = tokens.token("shop", "loop", HOUR).unwrap();
    for _ in 0..3 {
        assert_eq!(code(&served, Proof::token(&token), order(&csr())).await, Code::Ok);
    }
    assert_eq!(code(&served, Proof::token(&token), order(&csr())).await, Code::ResourceExhausted);
    let other = tokens.token("shop", "web", HOUR).unwrap();
    assert_eq!(code(&served, Proof::token(&other), order(&csr())).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_written_from_the_proto_alone_gets_a_certificate() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let (public, chain) = interop::ask(served.address, served.citadel.bundle().pem(), &token).await.unwrap();
    openssl_verify(&chain).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let leaf = directory.path().join("leaf.pem");
    std::fs::write(&leaf, &chain[0]).unwrap();
    let said =
        port::run(std::process::Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(leaf));
    assert_eq!(said.unwrap(), public);
    assert_eq!(served.citadel.report().workloads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_certificates_are_no_proof() {
    use citadel::authority::{Material, State};
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let (good, bad) = (
        served.enrol(Proof::token(&token)).await.unwrap(),
        served.enrol(Proof::token(&token)).await.unwrap(),
    );
    // What the authority signs with, plus a list that revokes one of the two.
    let kept = served.citadel.stored().borrow().kept.clone();
    let key = keys::read(&kept.material.key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&kept.material.certificate, key).unwrap();
    let now = std::time::SystemTime::now();
    let serial: Vec<u8> = (0..bad.facts().serial.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&bad.facts().serial[at..at + 2], 16).unwrap())
        .collect();
    let list = rcgen::CertificateRevocationListParams {
        this_update: (now - HOUR).into(),
        next_update: (now + HOUR).into(),
        crl_number: rcgen::SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
        revoked_certs: vec![rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from(serial),
            revocation_time: (now - HOUR).into(),
            reason_code: None,
            invalidity_date: None,
        }],
    };
    let list = list.signed_by(&issuer).unwrap().pem().unwrap();
    let material = Material { revocations: Some(list), ..kept.material };
    let mut tls = served.citadel.tls();
    tls.mark_unchanged();
    served.citadel.authority().replace(State::new(&material, now).unwrap());
    tls.changed().await.unwrap();
    assert_eq!(code(&served, Proof::credential(&good), order(&csr())).await, Code::Ok);
    assert_ne!(code(&served, Proof::credential(&bad), order(&csr())).await, Code::Ok);
}
