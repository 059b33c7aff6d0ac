//! Certificates are renewed every two seconds and the root is changed while requests go from one Envoy to another by mutual TLS: none fails.
//!
//! Both Envoys have their secrets from agents. What else they are configured with is written here, so that only secrets change.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use citadel::{Citadel, LocalTokens, Metrics, Place, RootConfig, root::rotation::Rotation};
use meltemi_agent::{Authority, Settings, Workload, sds};
use meltemi_local::{
    Identity,
    echo::{self, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_runtime::{
    drain,
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::{Envoy, ports::Loopback};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);
/// Certificates live long enough that a busy machine does not let one expire, and are renewed after a tenth of that.
const LIFETIME: Duration = Duration::from_secs(20);
const GRACE: f64 = 0.9;
const CLIENTS: usize = 4;
const REQUESTS: u64 = 10_000;

struct Agents {
    tokens: LocalTokens,
    address: SocketAddr,
    end: CancellationToken,
    workloads: Vec<Workload>,
}

impl Agents {
    /// The agent of one workload, with its socket in `directory`.
    async fn start(&mut self, citadel: &Citadel, directory: &Path, account: &str) -> Result<()> {
        let (token, roots) = (directory.join(format!("{account}.token")), directory.join("roots.pem"));
        std::fs::write(&token, self.tokens.token("shop", account, HOUR)?)?;
        std::fs::write(&roots, citadel.bundle().pem())?;
        let authority = Authority {
            address: self.address.to_string(),
            server_name: "localhost".to_owned(),
            cluster: "Kubernetes".to_owned(),
        };
        let workload =
            Workload::start(Settings { authority, token, roots, lifetime: LIFETIME, grace: GRACE });
        let listener = sds::bind(&directory.join(account)).await?;
        tokio::spawn(sds::serve(listener, workload.current(), self.end.clone()));
        workload.current().wait_for(Option::is_some).await?;
        self.workloads.push(workload);
        Ok(())
    }
}

/// One listener and one cluster, of which one has TLS with the secrets of `socket`.
fn bootstrap(socket: &Path, listen: SocketAddr, to: SocketAddr, server: bool) -> String {
    let source = |name: &str| {
        format!(
            "{{name: {name}, sds_config: {{resource_api_version: V3, api_config_source: {{api_type: GRPC, \
             transport_api_version: V3, grpc_services: [{{envoy_grpc: {{cluster_name: sds-grpc}}}}]}}}}}}"
        )
    };
    let common = |peer: &str| {
        format!(
            "common_tls_context: {{tls_certificate_sds_secret_configs: [{}], combined_validation_context: \
             {{default_validation_context: {{match_typed_subject_alt_names: [{{san_type: URI, matcher: {{exact: \
             'spiffe://cluster.local/ns/shop/sa/{peer}'}}}}]}}, validation_context_sds_secret_config: {}}}}}",
            source("default"),
            source("ROOTCA")
        )
    };
    let context = |kind: &str, more: &str| {
        format!(
            "transport_socket: {{name: tls, typed_config: {{'@type': \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}, {more}}}}}"
        )
    };
    let (down, up) = match server {
        true => (
            context(
                "DownstreamTlsContext",
                &format!("require_client_certificate: true, {}", common("client")),
            ),
            String::new(),
        ),
        false => (String::new(), context("UpstreamTlsContext", &common("server"))),
    };
    let socket = socket.display();
    let address =
        |at: SocketAddr| format!("{{socket_address: {{address: {}, port_value: {}}}}}", at.ip(), at.port());
    let options = "'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    format!(
        "
node: {{id: test, cluster: test}}
static_resources:
  clusters:
  - name: sds-grpc
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        {options}
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: sds-grpc
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: '{socket}'}}}}}}}}]}}]
  - name: next
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        {options}
        # Handshakes all the time: on an old connection no certificate matters.
        common_http_protocol_options: {{max_requests_per_connection: 10}}
        explicit_http_config: {{http_protocol_options: {{}}}}
    load_assignment:
      cluster_name: next
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]
    {up}
  listeners:
  - name: in
    stat_prefix: in
    address: {}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config: {{virtual_hosts: [{{name: all, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: next}}}}]}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
      {down}
",
        address(to),
        address(listen)
    )
}

/// Asks over one connection until it is told to stop.
async fn ask(at: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(at).await?);
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await?;
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            ensure!(stream.read_line(&mut line).await? > 0, "the connection was closed");
            let line = line.trim_end().to_ascii_lowercase();
            if status.is_empty() {
                status.clone_from(&line);
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        ensure!(status.starts_with("http/1.1 200"), "{status}: {}", String::from_utf8_lossy(&body));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_and_a_change_of_the_root_cost_no_request() {
    let outcome = async {
        let tokens = LocalTokens::new("istio-ca")?;
        let mut config = citadel::Config::new(Place::Memory, "cluster.local");
        config.oidc = vec![tokens.rule()];
        config.lifetimes.usual = LIFETIME;
        config.root =
            RootConfig { settle: Duration::from_secs(1), tick: Duration::from_millis(200), ..config.root };
        let (_trigger, drain) = drain::channel();
        let metrics = Metrics::unregistered();
        let citadel = citadel::start(config, metrics.clone(), &drain).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let (security, transport) = (Security::Tls(citadel.tls()), TransportConfig::default());
        tokio::spawn(serve_connections(transport, security, citadel.routes(), listener, end.clone()));

        let directory = tempfile::tempdir()?;
        let mut agents = Agents { tokens, address, end: end.clone(), workloads: Vec::new() };
        agents.start(&citadel, directory.path(), "server").await?;
        agents.start(&citadel, directory.path(), "client").await?;

        let loopback = Loopback::claim()?;
        let spec = EchoSpec {
            identity: Identity {
                pod: "server-0".into(),
                namespace: "shop".into(),
                workload: "server".into(),
                app: "server".into(),
                version: "".into(),
            },
            pod_address: loopback.ip(),
            application: IpAddr::from([127, 0, 0, 1]),
            ports: vec![LocalPort { number: 0, protocol: Protocol::Http }],
        };
        let echo = echo::start(spec).await?;
        let (inner, outer) = (loopback.port()?.release(), loopback.port()?.release());
        let server = bootstrap(&directory.path().join("server"), inner, echo.addresses()[0], true);
        let Some(server) = Envoy::start(&server).await else { return Ok(()) };
        let client = bootstrap(&directory.path().join("client"), outer, inner, false);
        let Some(client) = Envoy::start(&client).await else { return Ok(()) };

        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| tokio::spawn(ask(outer, stop.clone(), answered.clone()))).collect();
        let old = citadel.bundle();
        ensure!(citadel.rotate(), "an authority in memory can be asked for a new root");
        let mut stored = citadel.stored();
        let steps: [fn(&Rotation) -> bool; 3] = [
            |rotation| matches!(rotation, Rotation::Distributing { .. }),
            |rotation| matches!(rotation, Rotation::Retiring { .. }),
            |rotation| matches!(rotation, Rotation::Steady),
        ];
        for step in steps {
            stored.wait_for(|stored| step(&stored.kept.rotation)).await?;
        }
        let new = citadel.bundle();
        ensure!(new.roots().iter().all(|root| !old.roots().contains(root)), "the old root is gone");
        // Certificates under the new root alone.
        for workload in &agents.workloads {
            workload.current().wait_for(|held| held.as_ref().is_some_and(|held| held.trusted == new)).await?;
        }
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < REQUESTS.max(before + 200) {
            ensure!(clients.iter().all(|client| !client.is_finished()), "a client has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await?.context("a request failed")?;
        }
        let handshakes = client.stat("cluster.next.ssl.handshake").await?;
        let failed = client.stat("cluster.next.ssl.connection_error").await?
            + server.stat("listener.in.ssl.connection_error").await?;
        let (requests, issued) = (answered.load(Ordering::Relaxed), metrics.issued.get());
        println!("{requests} requests, {handshakes} handshakes, {issued} certificates, none failed");
        ensure!(
            requests >= REQUESTS && failed == 0 && handshakes > 100,
            "{failed} of {handshakes} handshakes failed"
        );
        ensure!(issued > 10, "{issued} certificates");
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
