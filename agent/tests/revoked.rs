//! A control plane whose certificate has been revoked gets neither a token nor an answer.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use meltemi_agent::{Authority, EnrolError, Revoked, authority::Proof};
use mesh_pki::{Credential, Facts, TrustBundle, credential::read_certificates, keys::KeyKind, tls};
use mesh_runtime::transport::{Security, TransportConfig, serve_connections};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, service::Routes};

type Root = CertifiedIssuer<'static, KeyPair>;

fn root() -> Root {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Root::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn server(root: &Root) -> Credential {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, root).unwrap().pem();
    Credential::from_pem(&certificate, &key.serialize_pem()).unwrap()
}

/// A list that has `revoked`, and nobody else.
fn list(root: &Root, revoked: &[&Credential]) -> String {
    let serial = |credential: &&Credential| {
        let leaf = read_certificates(credential.chain_pem()).unwrap().remove(0);
        let text = Facts::read(&leaf).unwrap().serial;
        let pairs = (0..text.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect::<Vec<u8>>()
    };
    let revoked_certs = revoked.iter().map(|credential| RevokedCertParams {
        serial_number: SerialNumber::from(serial(credential)),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2126, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked_certs.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(root).unwrap().pem().unwrap()
}

/// Answers every call that it does not know it.
async fn serve(shown: &Credential, trusted: &TrustBundle) -> (SocketAddr, DropGuard) {
    let settings = Arc::new(tls::server(shown, trusted, None).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, end) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ending = end.clone();
    tokio::spawn(async move {
        let (_sender, settings) = watch::channel(settings);
        let (transport, security) = (TransportConfig::default(), Security::Tls(settings));
        serve_connections(transport, security, Routes::default(), listener, ending).await
    });
    (address, end.drop_guard())
}

#[tokio::test]
async fn a_revoked_control_plane_is_told_nothing() {
    let root = root();
    let (shown, other) = (server(&root), server(&root));
    let trusted = TrustBundle::from_pem(&root.pem()).unwrap();
    let (address, _serving) = serve(&shown, &trusted).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca-crl.pem");
    let authority = Authority {
        address: address.to_string(),
        server_name: "localhost".to_owned(),
        cluster: "Kubernetes".to_owned(),
        revoked: Revoked::at(path.clone()),
        key: KeyKind::P256,
    };
    let is_spoken_to = async || match authority.enrol(Proof::Token("token"), &trusted, Duration::ZERO).await {
        Err(EnrolError::Refused(status)) if status.code() == Code::Unimplemented => true,
        Err(EnrolError::Unreachable { error, .. }) if error.contains("evoked") => false,
        other => panic!("{other:?}"),
    };
    assert!(is_spoken_to().await, "there is no list");
    fs::write(&path, "-----BEGIN X509 CRL-----\n").unwrap();
    let broken = authority.enrol(Proof::Token("token"), &trusted, Duration::ZERO).await;
    assert!(matches!(broken, Err(EnrolError::Contents { .. })), "{broken:?}");
    fs::write(&path, list(&root, &[&other])).unwrap();
    assert!(is_spoken_to().await, "somebody else is revoked");
    fs::write(&path, list(&root, &[&other, &shown])).unwrap();
    assert!(!is_spoken_to().await, "it is revoked");
    fs::write(&path, "nonsense").unwrap();
    assert!(!is_spoken_to().await, "what was said before holds");
    fs::write(&path, "").unwrap();
    assert!(is_spoken_to().await, "nobody is revoked any more");
}
