//! Accesses and metrics: who is told of them, what they say, and what they are called.

use super::{SOON, collector::Collector, mesh_settings};
use anyhow::{Context, Result, ensure};
use meltemi_local::ADMIN_PORT;
use mesh_runtime::admin_client::get;
use mesh_testkit::eventually;
use mesh_tests::traffic::{Request, Traffic};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

const ALS: &str = "POST /envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
const OTLP: &str = "POST /opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A provider of the mesh that is told of accesses.
fn provided(provider: &str) -> String {
    format!(
        "extensionProviders: [{{name: log, {provider}}}]\n\
         defaultProviders: {{accessLogging: [log]}}"
    )
}

/// A request that a call can tell from all others.
fn request(path: &str) -> Result<Request> {
    Request::get(&format!("http://app.set{path}"))?.header("x-team", "shop-front")
}

/// By each protocol, with what is asked for.
pub(super) async fn told_of_accesses(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let bootstrap = format!(
        "enableEnvoyAccessLogService: true\n\
         defaultConfig: {{envoyAccessLogService: {{address: '{}:4317'}}}}",
        collector.ip()
    );
    let als = "service: collector.example.com, port: 4317";
    let http = provided(&format!(
        "envoyHttpAls: {{{als}, logName: shop-log, additionalRequestHeadersToLog: [x-team], \
         additionalResponseHeadersToLog: [x-envoy-upstream-service-time]}}"
    ));
    let tcp = provided(&format!("envoyTcpAls: {{{als}, logName: shop-tcp}}"));
    let otlp = provided(&format!(
        "envoyOtelAls: {{{als}, logFormat: \
         {{text: 'body %REQ(:PATH)%', labels: {{team: 'label %REQ(X-TEAM)%'}}}}}}"
    ));
    let usual = provided(&format!("envoyOtelAls: {{{als}}}"));
    for (settings, path, wanted) in [
        (bootstrap, "/bootstrap", vec![ALS, "/bootstrap", "http_envoy_accesslog"]),
        (http, "/http", vec![ALS, "/http", "shop-log", "shop-front", "x-envoy-upstream-service-time"]),
        // Nothing of the request is told, but where it went.
        (tcp, "/tcp", vec![ALS, "shop-tcp", "outbound|80||app.set.svc.cluster.local"]),
        // Records say what the mesh says, and so not what the log is called.
        (otlp, "/otlp", vec![OTLP, "body /otlp", "label shop-front"]),
        (usual, "/usual", vec![OTLP, "\"GET /usual HTTP/"]),
    ] {
        traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
        eventually(SOON, async || {
            request(path)?.send(traffic.proxy("client-0")?).await?;
            let told = collector.told();
            let all = told.iter().any(|post| wanted.iter().all(|text| post.contains(text)));
            ensure!(all, "{path}: {wanted:?} are not all in one of {told:?}");
            Ok(())
        })
        .await?;
        collector.forget();
    }
    Ok(())
}

/// To a service, and to a statsd; with tags that stand in the names of clusters.
pub(super) async fn told_of_metrics(traffic: &Traffic, collector: &Collector) -> Result<()> {
    let statsd = UdpSocket::bind((collector.ip(), 8125)).await?;
    let at = collector.ip();
    let settings = format!(
        "outboundClusterStatName: 'te|am.=.%SERVICE%;.%SERVICE_PORT%'\n\
         defaultConfig: {{envoyMetricsService: {{address: '{at}:4317'}}, statsdUdpAddress: '{at}:8125', \
         extraStatTags: ['te|am'], fileFlushInterval: 7s, \
         tracingServiceName: CANONICAL_NAME_ONLY}}"
    );
    traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
    let admin = SocketAddr::new(traffic.proxy("client-0")?.ip(), ADMIN_PORT);
    eventually(SOON, async || {
        let info: Value = serde_json::from_slice(&get(admin, "/server_info").await?)?;
        let options = &info["command_line_options"];
        let told = (&options["file_flush_interval"], &info["node"]["cluster"]);
        ensure!(told == (&json!("7s"), &json!("client")), "{told:?}");
        Request::get("http://app.set/")?.send(traffic.proxy("client-0")?).await?;
        let metrics = String::from_utf8_lossy(&get(admin, "/stats/prometheus").await?).into_owned();
        let tagged = metrics.lines().find(|line| line.contains("te_am=\"app.set\""));
        let tagged = tagged.with_context(|| format!("nothing has the tag:\n{metrics}"))?;
        ensure!(!tagged.contains("=."), "the tag is in the name, too: {tagged}");
        let told = collector.told().concat();
        for text in ["POST /envoy.service.metrics.v3.MetricsService/StreamMetrics", "server.live"] {
            ensure!(told.contains(text), "{text} is missing in {told}");
        }
        let mut datagram = vec![0; 65_536];
        let (length, _) = statsd.try_recv_from(&mut datagram)?;
        let sent = String::from_utf8_lossy(&datagram[..length]).into_owned();
        ensure!(sent.starts_with("envoy."), "{sent}");
        Ok(())
    })
    .await?;
    collector.forget();
    // The older name.
    let older = format!(
        "defaultConfig: {{envoyMetricsServiceAddress: '{at}:4317', tracingServiceName: APP_LABEL_AND_NAMESPACE}}"
    );
    traffic.apply("mesh.yaml", &mesh_settings(&older)).await?;
    eventually(SOON, async || {
        let info: Value = serde_json::from_slice(&get(admin, "/server_info").await?)?;
        ensure!(info["node"]["cluster"] == "client.set", "{info}");
        ensure!(collector.told().concat().contains("StreamMetrics"), "nothing is told");
        Ok(())
    })
    .await?;
    collector.forget();
    Ok(())
}
