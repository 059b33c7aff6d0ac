//! `meltemi control-plane`: the control plane alone, against a Kubernetes API server or a directory of YAML.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use mesh_runtime::transport::TransportConfig;
use pilot::{Config, SourceConfig, StatusConfig};

use crate::{
    args::{ControlPlaneArgs, identity::Component},
    output,
    secure::{self, Alone, Cluster, DebugGate, SecurePort, ServeSecurely, Started},
    serving::{self, Parts},
};

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
        components,
        identity,
    } = args;
    not_supported("--httpsAddr", https_addr.as_deref(), "there are no admission webhooks");
    let replica = replica(pod_name);
    let with_pilot = components.contains(&Component::Pilot);
    // Without a cluster, only an issuer of tokens makes that anybody can prove who they are.
    let with_citadel =
        components.contains(&Component::Citadel) && (config_dir.is_none() || identity.jwt_rule.is_some());
    let secure_address = secure_grpc_addr.socket().filter(|_| with_citadel);
    // As in certificates.
    let trust_domain = identity.trust_domain.replace('@', ".");
    let authority = match secure_address {
        None => None,
        Some(address) => {
            let cluster = config_dir.is_none().then(|| Cluster {
                kubeconfig: kubeconfig.clone(),
                name: cluster_id.clone(),
                namespace: namespace.clone(),
                identity: replica.clone(),
                lease: LEASE,
            });
            let port = SecurePort::bind(address).await?;
            Some((port, secure::config(identity, cluster, mesh_config.clone()).await?))
        }
    };
    let max_connection_age = keepalive_max_server_connection_age.0;
    let transport = TransportConfig { max_connection_age, ..TransportConfig::default() };
    if !with_pilot {
        let (port, config) = authority.context(
            "there is nothing to run: --components has no pilot, and citadel needs --secure-grpc-addr and a cluster or --jwt-rule",
        )?;
        let admin = [http_addr, monitoring_addr].into_iter().filter_map(|address| address.socket()).collect();
        let shutdown = shutdown_duration;
        Alone { port, config, transport, admin, shutdown }.run().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let from_files = config_dir.is_some();
    let source = match config_dir {
        Some(directory) => SourceConfig::Files(directory),
        None => SourceConfig::Cluster { kubeconfig },
    };
    let grpc_address = grpc_addr.socket().context(
        "--grpcAddr is empty: istiod then serves xDS on --httpAddr, which is not supported; name an address",
    )?;
    let config = Config {
        domain,
        root_namespace: namespace.clone(),
        trust_domain,
        cluster: cluster_id,
        mesh_config,
        grpc_address,
        max_connection_age,
        status: (!no_status).then_some(StatusConfig { identity: replica, lease_duration: LEASE }),
        ..Config::new(source)
    };
    let started = Started::default();
    let mut parts = Parts { open: started.routes(), ..Parts::default() };
    if authority.is_some() {
        parts.gate = Some(Arc::new(DebugGate { started: started.clone(), namespace: namespace.clone() }));
    }
    let authority = authority.map(|(port, config)| {
        let ready = parts.readiness.handle("the certificate authority");
        (port, config, ready, citadel::Metrics::register(parts.metrics.registry()))
    });
    let mut serving = serving::start(config, monitoring_addr.socket(), parts).await?;
    let mut secure_address = None;
    if let Some((port, mut config, ready, metrics)) = authority {
        if from_files {
            config.settings = Some(secure::said_by(&serving.pilot));
        }
        secure_address = Some(port.address());
        port.serve(ServeSecurely {
            config,
            metrics,
            pilot: Some(serving.pilot.clone()),
            transport,
            started,
            ready,
            drain: serving.drain.clone(),
        });
    }
    if let Some(address) = http_addr.socket() {
        serving.listen(address, Router::new(), Router::new(), None).await?;
    }
    let (xds, monitoring) = (serving.pilot.grpc_address(), serving.admin);
    tracing::info!(%xds, secure = ?secure_address, ?monitoring, "serving");
    serving.asked_to_end().await;
    serving.end(shutdown_duration).await?;
    Ok(ExitCode::SUCCESS)
}

/// How long the replica that writes statuses may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(15);

/// Who this replica is: no two may have one name, on one machine neither.
fn replica(pod_name: Option<String>) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let name = pod_name.or_else(|| host().ok()).unwrap_or_else(|| "meltemi".to_owned());
    format!("{name}_{}", std::process::id())
}

/// A flag of istiod's that is accepted must not go unheard. Its empty form turns the part off, which it is.
fn not_supported(flag: &str, value: Option<&str>, meaning: &str) {
    if value.is_some_and(|value| !value.is_empty()) {
        output::warn(&format!("{flag} is not supported (NotSupported) and has no effect: {meaning}"));
    }
}
