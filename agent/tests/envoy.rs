//! A workload's certificate from the authority's port to a handshake with a real Envoy, and its renewal.
//!
//! The authority is the mesh's own, in this process, on a port with TLS. No cluster is needed: the token is one that the test makes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use citadel::{Citadel, Config, LocalTokens, Metrics, Place};
use meltemi_agent::{Authority, Identity, Revoked, Settings, Workload, renewal::GRACE, sds};
use mesh_pki::{
    Facts,
    credential::read_certificates,
    keys::{self, KeyKind},
};
use mesh_runtime::{
    drain::{self, Trigger},
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::{Envoy, eventually};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

const WITHIN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

struct Served {
    citadel: Citadel,
    metrics: Metrics,
    address: SocketAddr,
    tokens: LocalTokens,
    _end: DropGuard,
    _trigger: Trigger,
}

async fn serve() -> Served {
    let tokens = LocalTokens::new("istio-ca").unwrap();
    let config = Config { oidc: vec![tokens.rule()], ..Config::new(Place::Memory, "cluster.local") };
    let (trigger, drain) = drain::channel();
    let metrics = Metrics::unregistered();
    let citadel = citadel::start(config, metrics.clone(), &drain).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = CancellationToken::new();
    let security = Security::Tls(citadel.tls());
    let transport = TransportConfig::default();
    tokio::spawn(serve_connections(transport, security, citadel.routes(), listener, end.clone()));
    Served { citadel, metrics, address, tokens, _end: end.drop_guard(), _trigger: trigger }
}

/// Settings with a token and the roots in `directory`.
fn settings(served: &Served, directory: &Path, lifetime: Duration) -> Settings {
    let (token, roots) = (directory.join("token"), directory.join("root-cert.pem"));
    std::fs::write(&token, served.tokens.token("shop", "web", HOUR).unwrap()).unwrap();
    std::fs::write(&roots, served.citadel.bundle().pem()).unwrap();
    let authority = Authority {
        address: served.address.to_string(),
        server_name: "localhost".to_owned(),
        cluster: "Kubernetes".to_owned(),
        revoked: Revoked::default(),
        key: KeyKind::P256,
    };
    Settings { authority, token, roots, lifetime, grace: GRACE, renew: None }
}

async fn next(current: &mut watch::Receiver<Option<Identity>>) -> Identity {
    let changed = tokio::time::timeout(WITHIN, async {
        loop {
            current.changed().await.unwrap();
            if let Some(identity) = current.borrow_and_update().clone() {
                return identity;
            }
        }
    });
    changed.await.expect("a certificate within a minute")
}

/// Two listeners whose certificate comes from the socket, one by each form of the protocol.
fn bootstrap(socket: &Path) -> String {
    let source = |name: &str, form: &str| {
        format!(
            "{{name: {name}, sds_config: {{resource_api_version: V3, api_config_source: {{api_type: {form}, \
             transport_api_version: V3, grpc_services: [{{envoy_grpc: {{cluster_name: sds}}}}]}}}}}}"
        )
    };
    let listener = |form: &str| {
        let (certificate, roots) = (source("default", form), source("ROOTCA", form));
        format!(
            "
  - name: {form}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificate_sds_secret_configs: [{certificate}]
            validation_context_sds_secret_config: {roots}
      filters:
      - name: echo
        typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}"
        )
    };
    format!(
        "
node: {{id: test, cluster: test}}
static_resources:
  clusters:
  - name: sds
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: sds
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: '{}'}}}}}}}}]}}]
  listeners:{}{}",
        socket.display(),
        listener("GRPC"),
        listener("DELTA_GRPC")
    )
}

/// Where a listener is.
async fn port(envoy: &Envoy, name: &str) -> Result<String> {
    let text = envoy.admin_get("/listeners").await?;
    let address = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("::"));
    Ok(address.with_context(|| format!("no listener {name} in {text}"))?.to_owned())
}

/// What a server shows in a handshake, which fails unless that comes from `roots`.
async fn handshake(address: &str, roots: &Path) -> Result<Facts> {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-connect", address, "-verify_return_error", "-CAfile"]).arg(roots);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let shown = read_certificates(&said)?;
    Ok(Facts::read(shown.first().context("no certificate")?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_shows_the_certificate_and_the_next_one_without_a_restart() {
    let served = serve().await;
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&served, directory.path(), Duration::from_secs(15));
    let (token, roots) = (settings.token.clone(), settings.roots.clone());
    let workload = Workload::start(settings);
    let mut current = workload.current();

    let socket = directory.path().join("socket");
    let listener = sds::bind(&socket).await.unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let end = CancellationToken::new();
    let serving = tokio::spawn(sds::serve(listener, workload.current(), end.clone()));

    let first = next(&mut current).await;
    let identity = first.credential.facts().workload().unwrap().to_string();
    assert_eq!(identity, "spiffe://cluster.local/ns/shop/sa/web");
    // From here on the certificate is the only proof that there is.
    std::fs::remove_file(token).unwrap();

    let Some(envoy) = Envoy::start(&bootstrap(&socket)).await else { return };
    let shows_current = async |name: &str| {
        let address = port(&envoy, name).await?;
        let shown = handshake(&address, &roots).await?;
        let held = current.borrow().as_ref().map(|held| held.credential.facts().serial.clone());
        ensure!(Some(&shown.serial) == held.as_ref(), "{name} shows {}, not {held:?}", shown.serial);
        Ok(shown.serial)
    };
    let before = eventually(WITHIN, async || shows_current("GRPC").await).await.unwrap();
    eventually(WITHIN, async || shows_current("DELTA_GRPC").await).await.unwrap();

    // A renewal that begins after these handshakes.
    let mut renewed = workload.current();
    renewed.mark_unchanged();
    let second = next(&mut renewed).await;
    assert_ne!(second.credential.facts().serial, before);
    assert_ne!(
        second.credential.key_pem(),
        first.credential.key_pem(),
        "each certificate has a key of its own"
    );
    for name in ["GRPC", "DELTA_GRPC"] {
        let after = eventually(WITHIN, async || shows_current(name).await).await.unwrap();
        assert_ne!(after, before, "{name}");
    }
    assert_eq!(envoy.stat("listener_manager.listener_create_failure").await.unwrap(), 0);

    end.cancel();
    tokio::time::timeout(WITHIN, serving).await.expect("open streams do not hold it up").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_foreign_authority_or_an_unknown_token_gives_nothing() {
    let (served, other) = (serve().await, serve().await);
    let directory = tempfile::tempdir().unwrap();
    let ours = settings(&served, directory.path(), HOUR);
    let proof = std::fs::read_to_string(&ours.token).unwrap();
    let foreign = other.citadel.bundle();
    let by_token = meltemi_agent::authority::Proof::Token(&proof);
    // The authority is not the one that the workload trusts: the token must not get to it.
    let error = ours.authority.enrol(by_token, &foreign, HOUR).await.unwrap_err();
    assert!(matches!(error, meltemi_agent::EnrolError::Unreachable { .. }), "{error}");
    let stranger = other.tokens.token("shop", "web", HOUR).unwrap();
    let stranger = meltemi_agent::authority::Proof::Token(&stranger);
    let error = ours.authority.enrol(stranger, &served.citadel.bundle(), HOUR).await.unwrap_err();
    assert!(matches!(error, meltemi_agent::EnrolError::Refused(_)), "{error}");
    ours.authority.enrol(by_token, &served.citadel.bundle(), HOUR).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_got_for_a_key_of_each_kind() {
    let served = serve().await;
    let directory = tempfile::tempdir().unwrap();
    let Settings { mut authority, token, .. } = settings(&served, directory.path(), HOUR);
    let token = std::fs::read_to_string(token).unwrap();
    for (kind, algorithm) in [
        (KeyKind::P256, &rcgen::PKCS_ECDSA_P256_SHA256),
        (KeyKind::P384, &rcgen::PKCS_ECDSA_P384_SHA384),
        (KeyKind::Rsa2048, &rcgen::PKCS_RSA_SHA256),
    ] {
        authority.key = kind;
        let proof = meltemi_agent::authority::Proof::Token(&token);
        let identity = authority.enrol(proof, &served.citadel.bundle(), HOUR).await.unwrap();
        let key = keys::read(identity.credential.key_pem()).unwrap();
        assert!(key.is_compatible(algorithm), "{kind:?}");
        // With it, it is renewed.
        let proof = meltemi_agent::authority::Proof::Certificate(&identity.credential);
        authority.enrol(proof, &served.citadel.bundle(), HOUR).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_after_a_refusal_is_taken() {
    let (served, other) = (serve().await, serve().await);
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&served, directory.path(), HOUR);
    let good = std::fs::read_to_string(&settings.token).unwrap();
    std::fs::write(&settings.token, other.tokens.token("shop", "web", HOUR).unwrap()).unwrap();
    let workload = Workload::start(settings.clone());
    let refused = eventually(WITHIN, async || {
        ensure!(served.metrics.unauthenticated.get() > 0);
        Ok(())
    });
    refused.await.unwrap();
    assert!(workload.current().borrow().is_none());
    std::fs::write(&settings.token, good).unwrap();
    next(&mut workload.current()).await;
}

#[tokio::test]
async fn only_a_socket_that_nobody_serves_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = sds::bind(&path).await.unwrap();
    assert_eq!(sds::bind(&path).await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    sds::bind(&path).await.unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(sds::bind(&file).await.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}
