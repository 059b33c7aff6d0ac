//! What proxies are started with: the tracer that they tell of requests, beside providers of the mesh; their threads and environment. In
//! a process and a mesh of its own: proxies are started anew.

#![allow(clippy::expect_used)]

mod accesses;
mod collector;
mod spans;

use anyhow::{Result, ensure};
use collector::Collector;
use meltemi_local::ADMIN_PORT;
use mesh_runtime::admin_client::get;
use mesh_testkit::{SweptDir, eventually};
use mesh_tests::traffic::{Traffic, on_shared_mesh};
use serde_json::json;
use std::{fs, net::SocketAddr, sync::LazyLock, time::Duration};

/// Proxies send what they have every five seconds, and may have to be started anew before.
const SOON: Duration = Duration::from_secs(40);

/// What a file of Dynatrace says of where a proxy runs.
const FROM_FILE: (&str, &str) = ("rack", "seventh");
/// An agent of Dynatrace makes processes see a file of this name where they run, in which there is the name of another.
const FILE_OF_A_NAME: &str = "dt_metadata_e617c525669e072eebe3d0f08212e8f2.properties";

/// Proxies run where this process does: in a directory with what they may look for there.
fn run(test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    static DIRECTORY: LazyLock<SweptDir> = LazyLock::new(|| {
        let directory = SweptDir::new("meltemi-started-").expect("a directory");
        let (key, value) = FROM_FILE;
        let named = directory.path().join("host.properties");
        fs::write(&named, format!("{key}={value}\n")).expect("a file");
        fs::write(directory.path().join(FILE_OF_A_NAME), named.display().to_string()).expect("a file");
        directory
    });
    std::env::set_current_dir(DIRECTORY.path()).expect("the directory is there");
    on_shared_mesh(include_str!("../settings/base.yaml"), test);
}

fn mesh_settings(settings: &str) -> String {
    let settings = settings.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data:\n  mesh: |\n    {settings}\n"
    )
}

/// Both ends of a request tell of it, with the tags that the mesh asks for; and how many connections proxies take, their threads and
/// environment.
#[test]
fn settings_of_the_mesh_start_proxies() {
    run(async |traffic| {
        let collector = Collector::start().await?;
        traffic.apply("collector.yaml", &collector.service_entry()).await?;
        spans::told_by_every_protocol(traffic, &collector).await?;
        // In this test, because the settings are everybody's.
        spans::told_as_asked_for(traffic, &collector).await?;
        spans::told_in_time(traffic, &collector).await?;
        spans::told_no_more_than(traffic, &collector).await?;
        spans::told_of_what_is_not_there(traffic, &collector).await?;
        accesses::told_of_accesses(traffic, &collector).await?;
        accesses::told_of_metrics(traffic, &collector).await?;
        let admin = SocketAddr::new(traffic.proxy("client-0")?.ip(), ADMIN_PORT);
        let start = "defaultConfig: {concurrency: 3, proxyMetadata: {ISTIO_META_TEAM: mesh}, \
                     connectionSettings: {globalDownstreamConnectionLimit: 7001}}";
        traffic.apply("mesh.yaml", &mesh_settings(start)).await?;
        eventually(SOON, async || {
            let body = get(admin, "/config_dump").await?;
            let dump = String::from_utf8_lossy(&body);
            ensure!(dump.contains("\"max_active_downstream_connections\": \"7001\""), "another limit");
            let info: serde_json::Value = serde_json::from_slice(&get(admin, "/server_info").await?)?;
            let told = (&info["command_line_options"]["concurrency"], &info["node"]["metadata"]["TEAM"]);
            ensure!(told == (&json!(3), &json!("mesh")), "{told:?}");
            Ok(())
        })
        .await?;
        traffic.remove("mesh.yaml").await?;
        traffic.remove("collector.yaml").await
    });
}

/// A ProxyConfig of the namespace, under one of the workload.
const STARTED: &str = "\
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all, namespace: set}
spec: {concurrency: 3, environmentVariables: {ISTIO_META_TEAM: all, ISTIO_META_FLOOR: '1'}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: client, namespace: set}
spec:
  selector: {matchLabels: {app: client}}
  concurrency: 2
  environmentVariables: {ISTIO_META_TEAM: shop}
";

#[test]
fn proxies_are_started_as_proxy_configs_say() {
    run(async |traffic| {
        traffic.apply("started.yaml", STARTED).await?;
        let admin = SocketAddr::new(traffic.proxy("client-0")?.ip(), ADMIN_PORT);
        eventually(SOON, async || {
            let body = get(admin, "/server_info").await?;
            let info: serde_json::Value = serde_json::from_slice(&body)?;
            let metadata = &info["node"]["metadata"];
            let told = (
                &info["command_line_options"]["concurrency"],
                &metadata["TEAM"],
                &metadata["FLOOR"],
                &metadata["NAMESPACE"],
            );
            let wanted = (&json!(2), &json!("shop"), &json!("1"), &json!("set"));
            ensure!(told == wanted, "{told:?}");
            Ok(())
        })
        .await?;
        traffic.remove("started.yaml").await
    });
}
