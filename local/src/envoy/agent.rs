//! The agent of a sidecar: the same that runs in a pod, as a task of this process.
//!
//! In: a sidecar's spec, and where the control plane is. Out: a running agent, with the token that a kubelet would have mounted.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use meltemi_agent::renewal::GRACE;
use meltemi_agent::{
    Agent, AgentSettings, Authority, KeyKind, Parts, Revoked, Settings,
    agent::Discovery,
    envoy::{Inclusion, Sockets},
};
use tokio::sync::watch;

use super::{EnvoyError, EnvoySettings, SidecarSpec, bootstrap, telemetry};

/// The name in the control plane's certificate.
const SERVER_NAME: &str = "localhost";

/// What the agents of all sidecars share.
#[derive(Clone)]
pub struct Agents {
    /// The control plane's port with TLS.
    pub control_plane: SocketAddr,
    /// A file with the mesh's roots.
    pub roots: PathBuf,
    /// Where the mesh's revocation lists are, if there are any.
    pub revocations: PathBuf,
    /// Makes a token for a namespace and a service account.
    pub tokens: MakeToken,
    /// How long certificates should be valid; zero leaves it to the authority.
    pub lifetime: Duration,
    /// The part of a certificate's life that is left when it is renewed; usually [`GRACE`].
    pub grace: f64,
    /// Changes when certificates of before are not what the mesh wants any more.
    pub renew: watch::Receiver<()>,
}

/// Makes a token for a namespace and a service account, or says why it can't.
pub type MakeToken = Arc<dyn Fn(&str, &str) -> Result<String, String> + Send + Sync>;

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").field("control_plane", &self.control_plane).finish_non_exhaustive()
    }
}

/// Starts the agent of one sidecar, with its files in `directory`.
pub(super) async fn start(
    agents: &Agents,
    spec: &SidecarSpec,
    settings: &EnvoySettings,
    directory: &Path,
) -> Result<Agent, EnvoyError> {
    let Agents { control_plane, roots, revocations, tokens, lifetime, grace, renew } = agents;
    let namespace = &spec.identity.namespace;
    let token = directory.join("token");
    let made = tokens(namespace, &spec.service_account).map_err(EnvoyError::Token)?;
    write_secret(&token, &made).map_err(EnvoyError::write(&token))?;
    // The authority of an earlier run is gone.
    let state = directory.join("state");
    if state.exists() {
        fs::remove_dir_all(&state).map_err(EnvoyError::write(&state))?;
    }
    let (address, server_name) = (control_plane.to_string(), SERVER_NAME.to_owned());
    let cluster = settings.cluster_id.clone();
    let revoked = Revoked::at(revocations.clone());
    let settings = AgentSettings {
        node: bootstrap::node(spec, settings),
        listen: bootstrap::listen(spec),
        sockets: Sockets { configuration: directory.join("xds"), secrets: directory.join("sds") },
        stats: Inclusion::default(),
        runtime: BTreeMap::new(),
        telemetry: telemetry::telemetry(&spec.start),
        roots: telemetry::roots(&spec.start),
        workload: Settings {
            authority: Authority {
                address: address.clone(),
                server_name: server_name.clone(),
                cluster: cluster.clone(),
                revoked: revoked.clone(),
                key: KeyKind::P256,
            },
            token: token.clone(),
            roots: roots.clone(),
            lifetime: *lifetime,
            grace: *grace,
            renew: Some(renew.clone()),
        },
        revocations: revocations.clone(),
        discovery: Discovery { address, server_name, cluster, token, roots: roots.clone(), revoked },
        directory: directory.to_path_buf(),
    };
    Ok(Agent::start(settings, Parts::default()).await?)
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
