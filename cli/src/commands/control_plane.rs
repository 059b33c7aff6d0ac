//! `meltemi control-plane`: the control plane alone, against a Kubernetes API server or a directory of YAML.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use pilot::{Config, SourceConfig, StatusConfig};

use crate::{args::ControlPlaneArgs, output, serving};

pub async fn run(args: ControlPlaneArgs) -> Result<ExitCode> {
    let ControlPlaneArgs {
        kubeconfig,
        config_dir,
        mesh_config,
        domain,
        cluster_id,
        namespace,
        no_status,
        pod_name,
        grpc_addr,
        secure_grpc_addr,
        http_addr,
        https_addr,
        monitoring_addr,
        keepalive_max_server_connection_age,
        shutdown_duration,
    } = args;
    not_supported("--secureGRPCAddr", secure_grpc_addr.as_deref(), "xDS is served in plain text only");
    not_supported("--httpsAddr", https_addr.as_deref(), "there are no admission webhooks");
    if cluster_id != DEFAULT_CLUSTER {
        not_supported(
            "--clusterID",
            Some(&cluster_id),
            "there is one cluster only, and its name has no effect",
        );
    }
    let source = match config_dir {
        Some(directory) => SourceConfig::Files(directory),
        None => SourceConfig::Cluster { kubeconfig },
    };
    let grpc_address = grpc_addr.socket().context(
        "--grpcAddr is empty: istiod then serves xDS on --httpAddr, which is not supported; name an address",
    )?;
    let config = Config {
        domain,
        root_namespace: namespace,
        mesh_config,
        grpc_address,
        max_connection_age: keepalive_max_server_connection_age.0,
        status: (!no_status).then(|| StatusConfig { identity: identity(pod_name), lease_duration: LEASE }),
        ..Config::new(source)
    };
    let mut serving = serving::start(config, monitoring_addr.socket(), Router::new()).await?;
    if let Some(address) = http_addr.socket() {
        serving.listen(address, Router::new()).await?;
    }
    tracing::info!(xds = %serving.pilot.grpc_address(), monitoring = ?serving.admin, "serving");
    serving.asked_to_end().await;
    serving.end(shutdown_duration).await?;
    Ok(ExitCode::SUCCESS)
}

/// How long the replica that writes statuses may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(15);

/// Who this replica is: no two may have one name, on one machine neither.
fn identity(pod_name: Option<String>) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let name = pod_name.or_else(|| host().ok()).unwrap_or_else(|| "meltemi".to_owned());
    format!("{name}_{}", std::process::id())
}

/// The name that clusters have unless told otherwise.
const DEFAULT_CLUSTER: &str = "Kubernetes";

/// A flag of istiod's that is accepted must not go unheard. Its empty form turns the part off, which it is.
fn not_supported(flag: &str, value: Option<&str>, meaning: &str) {
    if value.is_some_and(|value| !value.is_empty()) {
        output::warn(&format!("{flag} is not supported (NotSupported) and has no effect: {meaning}"));
    }
}
