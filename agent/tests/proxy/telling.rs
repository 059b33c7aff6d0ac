//! Whom a proxy tells of itself and of what passes, as `PROXY_CONFIG` says: by TLS with the mesh's certificate and with others, compressed, and with
//! roots besides those of the mesh.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use citadel::{Citadel, Metrics};
use mesh_runtime::{
    admin_client::get,
    drain::{self, Trigger},
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::{Envoy, eventually};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    WITHIN,
    world::{ControlPlane, Place, Proxy, World},
};

/// Every request is traced and logged, where bootstraps say.
const MESH: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    enableTracing: true
    enableEnvoyAccessLogService: true
";

/// Somebody of another mesh, whose certificates come from roots of its own.
struct Stranger {
    address: SocketAddr,
    roots: String,
    _citadel: Citadel,
    _end: DropGuard,
    _trigger: Trigger,
}

impl Stranger {
    async fn start() -> Result<Self> {
        let config = citadel::Config::new(citadel::Place::Memory, "other.local");
        let (trigger, drain) = drain::channel();
        let citadel = citadel::start(config, Metrics::unregistered(), &drain).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let transport = TransportConfig { drain: Duration::from_millis(100), ..TransportConfig::default() };
        let security = Security::Tls(citadel.tls());
        tokio::spawn(serve_connections(transport, security, citadel.routes(), listener, end.clone()));
        let roots = citadel.bundle().pem().to_owned();
        Ok(Self { address, roots, _citadel: citadel, _end: end.drop_guard(), _trigger: trigger })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_tells_whom_its_settings_say() {
    let Some(envoy) = Envoy::binary() else { return };
    told(&envoy).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn told(envoy: &Path) -> Result<()> {
    let world = World::new("agent-telling", &[("mesh.yaml", MESH)]).await?;
    let plane = ControlPlane::start(&world).await?;
    let _echo = plane.start_echo().await?;
    let workload = plane.workload("hello-0").await?;
    let stranger = Stranger::start().await?;
    let root = world.root();
    let authorities = root.join("stranger.pem");
    std::fs::write(&authorities, &stranger.roots)?;
    std::fs::create_dir_all(root.join("etc/istio/pod"))?;
    std::fs::write(
        root.join("etc/istio/pod/annotations"),
        "sidecar.istio.io/extraStatTags=\"floor,team\"\n",
    )?;
    let given = json!({ "mode": "SIMPLE", "caCertificates": authorities, "subjectAltNames": ["localhost"] });
    let settings = json!({
        "fileFlushInterval": "5s",
        "fileFlushMinSizeKb": 32,
        "extraStatTags": ["team", "a.b"],
        "tracingServiceName": "CANONICAL_NAME_AND_NAMESPACE",
        "caCertificatesPem": [stranger.roots],
        "proxyStatsMatcher": { "inclusionRegexps": [r"^cluster\.(zipkin|envoy_.*_service)\.ssl\..*"] },
        "tracing": {
            "sampling": 100,
            "zipkin": { "address": stranger.address.to_string() },
            "tlsSettings": given,
        },
        "envoyAccessLogService": {
            "address": plane.address.to_string(),
            "tlsSettings": { "mode": "ISTIO_MUTUAL", "sni": "localhost", "subjectAltNames": ["localhost"] },
            "tcpKeepalive": { "probes": 3, "time": "10s", "interval": "1.5s" },
        },
        // Its certificate is of none of the mesh's roots, but of the one that is trusted besides.
        "envoyMetricsService": {
            "address": stranger.address.to_string(),
            "tlsSettings": { "mode": "ISTIO_MUTUAL" },
        },
    })
    .to_string();
    // Other settings come before these.
    let settings = settings.strip_prefix('{').and_then(|text| text.strip_suffix('}')).context("an object")?;
    let place = Place {
        name: "hello-0",
        role: "sidecar",
        root,
        address: *workload.addresses.first().context("an address")?,
        application: workload.local.as_ref().context("it is run here")?.application,
        settings,
    };
    let proxy = Proxy::start_at(&place, &[("ISTIO_META_WORKLOAD_NAME", "hello")], &world, &plane, envoy)?;
    eventually(WITHIN, async || proxy.ready().await).await.with_context(|| proxy.log())?;
    let listen = proxy.listen();

    let info: Value = serde_json::from_slice(&get(listen.admin, "/server_info").await?)?;
    let options = &info["command_line_options"];
    let started = (&options["file_flush_interval"], &info["node"]["cluster"]);
    ensure!(started == (&json!("5s"), &json!("hello.agent-telling")), "{started:?}");
    // Envoy does not tell of all its flags.
    let line = command_line(root).context("no Envoy runs")?;
    ensure!(line.contains("--file-flush-min-size-kb\u{0}32\u{0}"), "{line:?}");
    for encoding in ["br", "gzip", "zstd"] {
        ensure!(encoding_of(listen.prometheus, encoding).await?.as_deref() == Some(encoding), "{encoding}");
    }
    let dump = String::from_utf8_lossy(&get(listen.admin, "/config_dump").await?).into_owned();
    let dump: String = dump.split_whitespace().collect();
    for part in [
        r#""tag_name":"team","regex":"(team\\.=\\.(.*?);\\.)""#,
        r#""tag_name":"a.b","regex":"(a\\.b\\.=\\.(.*?);\\.)""#,
        r#""tag_name":"floor""#,
        r#""tcp_keepalive":{"keepalive_probes":3,"keepalive_time":10,"keepalive_interval":2}"#,
    ] {
        ensure!(dump.contains(part), "{part} is not in the bootstrap: {dump}");
    }

    eventually(WITHIN, async || {
        proxy.request("/").await?;
        let stats = String::from_utf8_lossy(&get(listen.admin, "/stats").await?).into_owned();
        let count = |name: &str| -> Result<u64> {
            let counted = stats.lines().find_map(|line| line.strip_prefix(&format!("cluster.{name}: ")));
            Ok(counted.with_context(|| format!("there is no {name}:\n{stats}"))?.parse()?)
        };
        // The stranger hangs up on who speaks HTTP/1.1 and on whom it does not know, after the proxy has looked at its certificate.
        for (to, outcome) in [
            ("zipkin", "ssl.connection_error"),
            ("envoy_accesslog_service", "ssl.handshake"),
            ("envoy_metrics_service", "ssl.connection_error"),
        ] {
            ensure!(count(&format!("{to}.{outcome}"))? > 0, "{to} has not been called:\n{stats}");
            ensure!(count(&format!("{to}.ssl.fail_verify_error"))? == 0, "{to} is not trusted:\n{stats}");
            ensure!(count(&format!("{to}.ssl.fail_verify_san"))? == 0, "{to} has another name:\n{stats}");
        }
        Ok(())
    })
    .await
    .with_context(|| proxy.log())
}

/// That of the Envoy whose bootstrap is below this root.
fn command_line(root: &Path) -> Option<String> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut lines =
        processes.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    let bootstrap = root.join("etc/istio/proxy/envoy-rev.json");
    lines.find(|line| line.contains(&*bootstrap.to_string_lossy()))
}

/// How metrics are encoded for whoever takes this.
async fn encoding_of(at: SocketAddr, takes: &str) -> Result<Option<String>> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!(
        "GET /stats/prometheus HTTP/1.1\r\nhost: metrics\r\naccept-encoding: {takes}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    Ok(head.lines().find_map(|line| line.strip_prefix("content-encoding: ")).map(str::to_owned))
}
