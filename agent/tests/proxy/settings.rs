//! What `PROXY_CONFIG` says of a proxy, and annotations of its pod: each setting, in what the running Envoy and its agent tell of themselves.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result, ensure};
use mesh_runtime::admin_client::get;
use mesh_testkit::{Envoy, eventually};
use serde_json::{Value, json};

use super::{
    WITHIN, teapot,
    world::{ControlPlane, Place, Proxy, World},
};

const ADMIN: u16 = 15900;
const STATUS: u16 = 15920;
const SETTINGS: &str = r#"
    "concurrency": 2,
    "binaryPath": "./bin/envoy",
    "configPath": "./run/proxy",
    "serviceCluster": "storefront",
    "drainDuration": "7s",
    "proxyAdminPort": 15900,
    "statusPort": 15920,
    "runtimeValues": {"meltemi.flag": "up"},
    "proxyMetadata": {"ISTIO_META_TEAM": "shop"},
    "proxyStatsMatcher": {
        "inclusionPrefixes": ["filesystem."],
        "inclusionSuffixes": [".load_success"],
        "inclusionRegexps": ["^main_thread[.].*"]
    },
    "statNameLength": 100
"#;
/// As the downward API writes them.
const ANNOTATIONS: &str = "sidecar.istio.io/statsInclusionPrefixes=\"thread_local_cluster_manager.,overload.\"\n\
                           sidecar.istio.io/statsInclusionSuffixes=\"admin.downstream_cx_total\"\n\
                           sidecar.istio.io/statsInclusionRegexps=\"^workers[.].*\"\n";
/// Metrics that are not kept without these, in order: one for each setting, one for each annotation.
const KEPT: [&str; 6] = [
    "filesystem.write_completed",
    "runtime.load_success",
    "main_thread.watchdog_miss",
    "thread_local_cluster_manager.worker_0.clusters_inflated",
    "listener.admin.downstream_cx_total",
    "workers.watchdog_miss",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_runs_as_its_settings_say() {
    let Some(envoy) = Envoy::binary() else { return };
    told(&envoy).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn told(envoy: &Path) -> Result<()> {
    let world = World::new("agent-settings", &[("hello.yaml", &teapot(418))]).await?;
    let plane = ControlPlane::start(&world).await?;
    let _echo = plane.start_echo().await?;
    let workload = plane.workload("hello-0").await?;
    let root = world.root();
    for directory in ["bin", "etc/istio/pod"] {
        std::fs::create_dir_all(root.join(directory))?;
    }
    std::os::unix::fs::symlink(envoy, root.join("bin/envoy"))?;
    std::fs::write(root.join("etc/istio/pod/annotations"), ANNOTATIONS)?;
    let place = Place {
        name: "hello-0",
        role: "sidecar",
        root,
        address: *workload.addresses.first().context("an address")?,
        application: workload.local.as_ref().context("it is run here")?.application,
        settings: SETTINGS,
    };
    let mut proxy = Proxy::start_at(&place, &[], &world, &plane, envoy)?;
    let at = |port: u16| SocketAddr::new(place.address, port);
    eventually(WITHIN, async || Ok(get(at(STATUS), "/healthz/ready").await?))
        .await
        .with_context(|| proxy.log())?;

    let info: Value = serde_json::from_slice(&get(at(ADMIN), "/server_info").await?)?;
    let options = &info["command_line_options"];
    for (what, got, wanted) in [
        ("concurrency", &options["concurrency"], json!(2)),
        ("drainDuration", &options["drain_time"], json!("7s")),
        ("serviceCluster", &info["node"]["cluster"], json!("storefront")),
        ("proxyMetadata", &info["node"]["metadata"]["TEAM"], json!("shop")),
    ] {
        ensure!(*got == wanted, "{what}: {got}");
    }
    let runtime: Value = serde_json::from_slice(&get(at(ADMIN), "/runtime").await?)?;
    ensure!(runtime["entries"]["meltemi.flag"]["final_value"] == "up", "runtimeValues: {runtime}");
    let stats = String::from_utf8_lossy(&get(at(ADMIN), "/stats").await?).into_owned();
    for kept in KEPT {
        ensure!(
            stats.lines().any(|line| line.starts_with(kept)),
            "{kept} is not among the metrics:\n{stats}"
        );
    }
    ensure!(!stats.contains("runtime.load_error"), "all metrics are kept");
    ensure!(root.join("run/proxy/state/identity.json").exists(), "configPath: what is kept is elsewhere");
    ensure!(!root.join("etc/istio/proxy").exists(), "configPath: something is in the usual place");
    ensure!(
        proxy.log().contains("statNameLength is not supported"),
        "what has no effect is told:\n{}",
        proxy.log()
    );

    proxy.signal("TERM");
    ensure!(proxy.wait().await?.success(), "{}", proxy.log());
    // `terminationDrainDuration`, which every proxy here has.
    let log = proxy.log();
    ensure!(log.contains("draining") && log.contains("200ms"), "{log}");
    Ok(())
}
