//! The port that needs proof: certificates for workloads, and configuration for proxies that have shown who they are.
//!
//! In: the settings of the authority, and the configuration that is served, if it is. Out: a port with TLS. It is bound at once and served as soon
//! as there is an authority, which may have to wait for the API server.

mod alone;
mod gate;
mod mesh;
mod signer;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use axum::{Json, Router, extract::Query, http::StatusCode, response::IntoResponse, routing::get};
use citadel::{Caller, Citadel, Clusters, Config, MeshIdentity, Place, TrustDomain};
use mesh_runtime::{
    drain::Drain,
    ready::InitHandle,
    transport::{Security, Services, TransportConfig, serve_connections},
};
use pilot::Pilot;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tower::Layer;

use crate::args::identity::IdentityArgs;

pub use alone::Alone;
pub use gate::DebugGate;
pub use mesh::{Pending, said_by};

/// How much is to be told.
#[derive(serde::Deserialize)]
struct Detail {
    #[serde(default)]
    workloads: bool,
}

/// The authority, once there is one.
#[derive(Clone)]
pub struct Started(Arc<watch::Sender<Option<Citadel>>>);

impl Default for Started {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Started {
    /// The authority, once there is one.
    pub fn subscribe(&self) -> watch::Receiver<Option<Citadel>> {
        self.0.subscribe()
    }

    /// The authority, if there is one.
    pub fn get(&self) -> Option<Citadel> {
        self.0.borrow().clone()
    }

    /// There is one now.
    fn set(&self, citadel: Citadel) {
        self.0.send_replace(Some(citadel));
    }

    /// `/healthz/certificates`: how long everything still lives; with `?workloads=true` also every workload's certificate.
    pub fn routes(&self) -> Router {
        let started = self.clone();
        let answer = move |Query(asked): Query<Detail>| std::future::ready(started.answer(asked.workloads));
        Router::new().route("/healthz/certificates", get(answer))
    }

    fn answer(&self, workloads: bool) -> axum::response::Response {
        let Some(citadel) = self.get() else {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "there is no certificate authority yet: the log says why\n",
            )
                .into_response();
        };
        let report = if workloads { citadel.full_report() } else { citadel.report() };
        Json(report).into_response()
    }
}

/// A cluster whose workloads get certificates.
pub struct Cluster {
    /// Where its API server is.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Its name.
    pub name: String,
    /// The namespace of the control plane.
    pub namespace: String,
    /// Who this replica is.
    pub identity: String,
    /// How long a leader may be silent.
    pub lease: std::time::Duration,
}

/// The authority's settings; in `cluster`, or else for this process alone. `mesh_config` is a file that stands in for the cluster's mesh
/// settings.
pub async fn config(
    args: IdentityArgs,
    cluster: Option<Cluster>,
    mesh_config: Option<std::path::PathBuf>,
) -> Result<Pending> {
    let IdentityArgs {
        trust_domain,
        trust_domain_alias,
        token_audience,
        jwt_rule,
        trusted_node_account,
        workload_cert_ttl,
        max_workload_cert_ttl,
        root_ttl,
        root_key,
        signer: signer_args,
    } = args;
    let trust_domain = TrustDomain { name: trust_domain, aliases: trust_domain_alias };
    let mesh = MeshIdentity { trust_domain, roots: Vec::new() };
    let domain = mesh.trust_domain.name.clone();
    let mut settings = mesh_config.map(pilot_ingest::follow_file);
    let mut config = match cluster {
        None => Config::new(Place::Memory, &domain),
        Some(Cluster { kubeconfig, name, namespace, identity, lease }) => {
            let client = pilot_ingest::connect(kubeconfig.as_deref()).await?;
            let clusters = Clusters::new(&name, client.clone());
            let server_names = citadel::server_names(&namespace);
            // Istio's name for it.
            let follow = || pilot_ingest::follow_config_map(client.clone(), &namespace, "istio");
            settings = settings.or_else(|| Some(follow()));
            let place = Place::Cluster { client, namespace, identity, lease };
            let tokens = Some((clusters, token_audience));
            Config { tokens, server_names, ..Config::new(place, &domain) }
        }
    };
    config.mesh = mesh.fixed();
    config.serving = signer::serving(&signer_args)?;
    config.signer = signer::signer(signer_args)?;
    config.oidc = jwt_rule.into_iter().collect();
    config.node_accounts = trusted_node_account;
    config.lifetimes.usual = workload_cert_ttl;
    config.lifetimes.longest = max_workload_cert_ttl.max(workload_cert_ttl);
    config.root.lifetime = root_ttl;
    config.root.key = root_key;
    Ok(Pending { config, settings })
}

/// A port that waits for its authority.
pub struct SecurePort {
    listener: TcpListener,
    address: SocketAddr,
}

impl SecurePort {
    /// Takes the port.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("can't listen on {address} (--secure-grpc-addr)"))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the authority, and configuration by `pilot`, until the drain; what is served before there is an authority: nothing.
    pub fn serve(self, serving: ServeSecurely) {
        let ServeSecurely { config, metrics, pilot, transport, started, ready, drain } = serving;
        let hold = drain.hold("connections with TLS");
        tokio::spawn(async move {
            let signaled = hold.signaled();
            let started_up = async {
                let config = config.complete().await?;
                anyhow::Ok(citadel::start(config, metrics, &drain).await?)
            };
            let citadel = tokio::select! {
                citadel = started_up => citadel,
                () = hold.signaled() => return,
            };
            let citadel = match citadel {
                Ok(citadel) => citadel,
                Err(error) => {
                    // Not ready, ever: the handle is dropped. Going on would mean workloads without identity.
                    tracing::error!(error = format!("{error:#}"), "there is no certificate authority");
                    return;
                }
            };
            let mut services = Services::from(citadel.routes());
            if let Some(pilot) = pilot {
                services = services.with_streams(citadel.require_caller(admit).layer(pilot.ads()));
            }
            let end = CancellationToken::new();
            let cancel = end.clone();
            tokio::spawn(async move {
                signaled.await;
                cancel.cancel();
            });
            let tls = Security::Tls(citadel.tls());
            started.set(citadel);
            ready.ready();
            if let Err(error) = serve_connections(transport, tls, services, self.listener, end).await {
                tracing::error!(%error, "the port with TLS is no longer served");
            }
            drop(hold);
        });
    }
}

/// What is served on a port with TLS.
pub struct ServeSecurely {
    /// The authority.
    pub config: Pending,
    /// What it counts.
    pub metrics: citadel::Metrics,
    /// Whose configuration is served, if any is.
    pub pilot: Option<Pilot>,
    /// Connections.
    pub transport: TransportConfig,
    /// Set when there is an authority.
    pub started: Started,
    /// Marked when there is an authority.
    pub ready: InitHandle,
    /// Ends it.
    pub drain: Drain,
}

/// A proxy may say that it is of its own namespace and service account, and of no other.
fn admit(caller: &Caller, extensions: &mut axum::http::Extensions) {
    let identity = &caller.identity;
    extensions.insert(pilot::admission(identity.namespace(), identity.service_account()));
}
