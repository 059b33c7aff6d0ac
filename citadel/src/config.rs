//! Settings of the certificate authority.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use mesh_pki::{TrustBundle, keys::KeyKind};
use tokio::sync::watch;

use crate::{
    authenticate::{Clusters, OidcRule, TrustDomain},
    impersonate::NodeAccount,
    issue::Signer,
    limits::Limits,
    service::Lifetimes,
};

/// All settings.
#[derive(Clone)]
pub struct Config {
    /// Where the authority is kept.
    pub place: Place,
    /// What mesh settings say of identity, now and from now on.
    pub mesh: watch::Receiver<Arc<MeshIdentity>>,
    /// Who signs for workloads.
    pub signer: Signer,
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
    /// Who signs that.
    pub serving: ServingSigner,
}

/// Who signs the control plane's own certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServingSigner {
    /// This authority.
    #[default]
    Own,
    /// A signer of the Kubernetes API. Until it answers, this authority does: workloads trust both.
    Kubernetes {
        /// Which.
        name: String,
        /// What it signs chains to; mesh settings may name more.
        roots: Option<TrustBundle>,
    },
    /// Whoever replaces these files in time. While they can't be used, this authority signs.
    Files {
        /// The certificate, and what is between it and a root.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// What it chains to; mesh settings may name more.
        roots: Option<TrustBundle>,
    },
}

/// What mesh settings say of identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshIdentity {
    /// The mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// Roots that workloads trust besides the authority's own (`caCertificates`).
    pub roots: Vec<MoreTrust>,
}

/// An entry of `caCertificates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoreTrust {
    /// The roots.
    pub roots: TrustBundle,
    /// Signers of the Kubernetes API whose roots they are.
    pub cert_signers: Vec<String>,
}

impl MeshIdentity {
    /// The trust domain `name`, and nothing else.
    pub fn of(name: &str) -> Self {
        let trust_domain = TrustDomain { name: name.to_owned(), aliases: Vec::new() };
        Self { trust_domain, roots: Vec::new() }
    }

    /// As settings that never change.
    pub fn fixed(self) -> watch::Receiver<Arc<Self>> {
        watch::channel(Arc::new(self)).1
    }
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
            mesh: MeshIdentity::of(trust_domain).fixed(),
            signer: Signer::default(),
            tokens: None,
            oidc: Vec::new(),
            node_accounts: Vec::new(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            root: RootConfig::default(),
            server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            serving: ServingSigner::Own,
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
