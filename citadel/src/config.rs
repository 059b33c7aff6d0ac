//! Settings of the certificate authority.

use std::time::Duration;

use kube::Client;
use mesh_pki::keys::KeyKind;

use crate::{
    authenticate::{Clusters, OidcRule, TrustDomain},
    impersonate::NodeAccount,
    limits::Limits,
    service::Lifetimes,
};

/// All settings.
#[derive(Clone)]
pub struct Config {
    /// Where the authority is kept.
    pub place: Place,
    /// The mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// API servers that judge tokens of service accounts, and the audiences that these must be for; `None`: such tokens are not taken.
    pub tokens: Option<(Clusters, Vec<String>)>,
    /// Issuers of other tokens.
    pub oidc: Vec<OidcRule>,
    /// Service accounts of node agents, which may get certificates for the workloads of their node.
    pub node_accounts: Vec<NodeAccount>,
    /// How long certificates are valid.
    pub lifetimes: Lifetimes,
    /// How much callers may ask for.
    pub limits: Limits,
    /// A root of one's own.
    pub root: RootConfig,
    /// DNS names and addresses of the control plane, for its own certificate.
    pub server_names: Vec<String>,
}

/// Where the authority is kept.
#[derive(Clone)]
pub enum Place {
    /// In this process, with which the mesh ends.
    Memory,
    /// In Secrets of a cluster, shared by all replicas.
    Cluster {
        /// Its API server.
        client: Client,
        /// The control plane's namespace.
        namespace: String,
        /// Who this replica is.
        identity: String,
        /// How long a leader may be silent before another takes over.
        lease: Duration,
    },
}

/// A root of one's own.
#[derive(Debug, Clone)]
pub struct RootConfig {
    /// The kind of its key.
    pub key: KeyKind,
    /// How long it lives.
    pub lifetime: Duration,
    /// It is changed when less than this part of its life is left.
    pub renew_at: f64,
    /// Time for what was handed out to get into effect everywhere.
    pub settle: Duration,
    /// How often it is looked whether it is time for the next step.
    pub tick: Duration,
}

impl Default for RootConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            key: KeyKind::P256,
            lifetime: DAY * 3650,
            renew_at: 0.2,
            // A kubelet takes up to two minutes to show a changed ConfigMap to its pods.
            settle: Duration::from_secs(5 * 60),
            tick: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Defaults for an authority kept in `place` for `trust_domain`: tokens of nobody are taken yet.
    pub fn new(place: Place, trust_domain: &str) -> Self {
        Self {
            place,
            trust_domain: TrustDomain { name: trust_domain.to_owned(), aliases: Vec::new() },
            tokens: None,
            oidc: Vec::new(),
            node_accounts: Vec::new(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            root: RootConfig::default(),
            server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
        }
    }
}

/// The names under which proxies know a control plane in `namespace`: Istio's and ours.
pub fn server_names(namespace: &str) -> Vec<String> {
    let services = ["istiod", "istiod-remote", "istio-pilot", "meltemi"];
    let in_cluster = services.iter().flat_map(|service| {
        [format!("{service}.{namespace}.svc"), format!("{service}.{namespace}.svc.cluster.local")]
    });
    in_cluster.chain(["localhost", "127.0.0.1", "::1"].map(str::to_owned)).collect()
}
