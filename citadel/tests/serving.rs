//! The control plane's own certificate: each next one is shown from the next connection on, without a restart, whether the authority signs
//! it or somebody else replaces files.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::ensure;
use citadel::{Citadel, Config, Metrics, Place, RootConfig, ServingSigner};
use mesh_pki::{Credential, TrustBundle, tls};
use mesh_runtime::{
    drain,
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::eventually;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const NAME: &str = "istiod.istio-system.svc";
/// Longer than the files take to be looked at, on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(60);

type Root = CertifiedIssuer<'static, KeyPair>;

fn root() -> Root {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "elsewhere");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Root::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(root: &Root) -> Credential {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, root).unwrap().pem();
    Credential::from_pem(&certificate, &key.serialize_pem()).unwrap()
}

fn write(directory: &Path, credential: &Credential) {
    fs::write(directory.join("tls.key"), credential.key_pem()).unwrap();
    fs::write(directory.join("tls.crt"), credential.chain_pem()).unwrap();
}

async fn serve(citadel: &Citadel) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (routes, security) = (citadel.routes(), Security::Tls(citadel.tls()));
    let end = CancellationToken::new();
    tokio::spawn(serve_connections(TransportConfig::default(), security, routes, listener, end));
    address
}

/// What is shown to who trusts `trusted`.
async fn connect(address: SocketAddr, trusted: &TrustBundle) -> std::io::Result<CertificateDer<'static>> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client(trusted, None).unwrap()));
    let socket = TcpStream::connect(address).await?;
    let stream = connector.connect(ServerName::try_from(NAME).unwrap(), socket).await?;
    let (_, session) = stream.get_ref();
    Ok(session.peer_certificates().unwrap().first().unwrap().clone().into_owned())
}

/// What an agent that trusts what it is told to is shown.
async fn shown(address: SocketAddr, citadel: &Citadel) -> CertificateDer<'static> {
    connect(address, &citadel.bundle()).await.unwrap()
}

async fn until_shown(address: SocketAddr, citadel: &Citadel, expected: &Credential) {
    let expected = expected.certified().cert.first().unwrap();
    eventually(WITHIN, async || {
        ensure!(shown(address, citadel).await == *expected, "another certificate is shown");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_certificate_in_files_is_served_as_it_is_replaced() {
    let (directory, root) = (tempfile::tempdir().unwrap(), root());
    let roots = TrustBundle::from_pem(&root.pem()).unwrap();
    let mut config = Config::new(Place::Memory, "cluster.local");
    config.server_names = vec![NAME.to_owned()];
    config.serving = ServingSigner::Files {
        certificate: directory.path().join("tls.crt"),
        key: directory.path().join("tls.key"),
        roots: Some(roots.clone()),
    };
    let (_trigger, drain) = drain::channel();
    let citadel = citadel::start(config, Metrics::unregistered(), &drain).await.unwrap();
    assert!(citadel.bundle().contains(&roots), "workloads are told to trust it");
    let address = serve(&citadel).await;
    // Whoever writes the files may be late.
    let own = shown(address, &citadel).await;
    let [first, second, third] = [issue(&root), issue(&root), issue(&root)];
    assert_ne!(own, *first.certified().cert.first().unwrap());
    write(directory.path(), &first);
    until_shown(address, &citadel, &first).await;
    write(directory.path(), &second);
    until_shown(address, &citadel, &second).await;
    // What nobody would take is not shown: half of a pair, and what strangers have signed.
    fs::write(directory.path().join("tls.crt"), third.chain_pem()).unwrap();
    write(directory.path(), &issue(&self::root()));
    until_shown(address, &citadel, &second).await;
    write(directory.path(), &third);
    until_shown(address, &citadel, &third).await;
}

#[tokio::test]
async fn its_own_certificate_is_signed_anew_in_time_and_by_each_next_root() {
    let mut config = Config::new(Place::Memory, "cluster.local");
    config.server_names = vec![NAME.to_owned()];
    config.lifetimes.usual = Duration::from_secs(6);
    config.root = RootConfig {
        settle: Duration::from_millis(200),
        tick: Duration::from_millis(50),
        ..RootConfig::default()
    };
    let (_trigger, drain) = drain::channel();
    let citadel = citadel::start(config, Metrics::unregistered(), &drain).await.unwrap();
    let address = serve(&citadel).await;
    let first = shown(address, &citadel).await;
    let old = citadel.bundle();
    let next = async || {
        ensure!(shown(address, &citadel).await != first, "the first certificate is shown still");
        Ok(())
    };
    eventually(WITHIN, next).await.unwrap();
    assert_eq!(citadel.bundle().digest(), old.digest(), "the root was not changed for that");

    assert!(citadel.rotate());
    let mut stored = citadel.stored();
    let changed = stored.wait_for(|stored| {
        stored.kept.rotation.name() == "steady" && stored.kept.material.roots != old.pem()
    });
    tokio::time::timeout(WITHIN, changed).await.unwrap().unwrap();
    // Who knows the new root alone is shown what comes from it.
    eventually(WITHIN, async || Ok(connect(address, &citadel.bundle()).await?)).await.unwrap();
    assert!(!citadel.bundle().contains(&old));
    assert!(connect(address, &old).await.is_err(), "the old root signs no more");
}
