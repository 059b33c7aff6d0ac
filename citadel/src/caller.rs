//! Who asks: proven, never claimed.

use std::sync::Arc;

use mesh_pki::SpiffeId;

/// A caller whose identity was proven. Also a request extension, for services that share the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub identity: SpiffeId,
    /// How that was proven.
    pub proof: Proof,
}

/// What proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A certificate of this mesh: its serial number, in hexadecimal.
    Certificate {
        /// The serial number.
        serial: String,
    },
    /// A token of a Kubernetes service account.
    ServiceAccount {
        /// The cluster that it is of.
        cluster: Arc<str>,
        /// The pod that the token is bound to, if it is bound to one.
        pod: Option<Pod>,
    },
    /// A token of another issuer.
    Oidc,
}

/// A pod that a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// Where it runs, if the API server tells.
    pub node: Option<String>,
}

impl Caller {
    /// The pod that it is, if that is proven.
    pub fn pod(&self) -> Option<&Pod> {
        match &self.proof {
            Proof::ServiceAccount { cluster: _, pod } => pod.as_ref(),
            Proof::Certificate { .. } | Proof::Oidc => None,
        }
    }

    /// The cluster whose API server has proven it, if one has.
    pub fn cluster(&self) -> Option<&str> {
        match &self.proof {
            Proof::ServiceAccount { cluster, pod: _ } => Some(cluster),
            Proof::Certificate { .. } | Proof::Oidc => None,
        }
    }
}
