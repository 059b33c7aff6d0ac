//! Who may get certificates for others: the agent of a node, for the workloads on it.
//!
//! In: a caller and the identity that it wants. Out: that identity, when the caller's service account is trusted with it and a pod of that
//! identity runs on the caller's own node. Nobody is trusted unless named in the settings.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};
use mesh_pki::SpiffeId;

use crate::{
    authenticate::{Clusters, Reviewer},
    caller::Caller,
};

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It may not.
    #[error("{0}")]
    No(String),
    /// It can't be found out now.
    #[error("{0}")]
    Unknown(String),
}

/// A service account that node agents run under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::str::FromStr for NodeAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("`{text}` is not of the form namespace/name")),
        }
    }
}

/// Decides about impersonation.
#[derive(Clone, Default)]
pub struct NodeAgents {
    trusted: Vec<NodeAccount>,
    clusters: Option<Clusters>,
}

impl NodeAgents {
    /// Trusts these; which pods run where, the API server of the caller's cluster tells.
    pub fn new(trusted: Vec<NodeAccount>, clusters: Option<Clusters>) -> Self {
        Self { trusted, clusters }
    }

    /// Whether `caller` may act for `wanted`.
    ///
    /// # Errors
    /// When it may not, or when that can't be found out.
    pub async fn may_act_for(&self, caller: &Caller, wanted: &str) -> Result<SpiffeId, Denied> {
        let no = |why: &str| Denied::No(why.to_owned());
        let wanted: SpiffeId = wanted.parse().map_err(|error: mesh_pki::Error| no(&error.to_string()))?;
        let is = |account: &NodeAccount| {
            account.namespace == caller.identity.namespace()
                && account.name == caller.identity.service_account()
        };
        if !self.trusted.iter().any(is) {
            return Err(no("its service account is not a trusted node account"));
        }
        if wanted.trust_domain() != caller.identity.trust_domain() {
            return Err(no("it wants an identity of another trust domain"));
        }
        let clusters = self.clusters.as_ref().ok_or_else(|| no("there is no cluster to ask about pods"))?;
        // Only a token is bound to a pod; a certificate may have been carried to another node.
        let pod = caller.pod().ok_or_else(|| no("its proof is not bound to a pod"))?;
        let reviewer = clusters.reviewer(caller.cluster());
        let (_, Reviewer { client, .. }) = reviewer.map_err(|error| no(&error.to_string()))?;
        let client = &client;
        let node = self.node_of(client, caller, &pod.name, &pod.uid).await?;
        let selector = format!(
            "spec.nodeName={node},spec.serviceAccountName={account}",
            account = wanted.service_account()
        );
        let api: Api<Pod> = Api::namespaced(client.clone(), wanted.namespace());
        let pods = api.list(&ListParams::default().fields(&selector).limit(50)).await;
        let pods = pods.map_err(|error| Denied::Unknown(error.to_string()))?;
        // A pod that has ended has given its identity up.
        let runs = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            !matches!(phase, Some("Succeeded" | "Failed"))
        };
        if pods.items.iter().any(runs) {
            Ok(wanted)
        } else {
            Err(no("no pod of that identity is on its node"))
        }
    }

    /// The node of the caller, as the API server has it now.
    async fn node_of(
        &self,
        client: &Client,
        caller: &Caller,
        name: &str,
        uid: &str,
    ) -> Result<String, Denied> {
        let api: Api<Pod> = Api::namespaced(client.clone(), caller.identity.namespace());
        let pod = api.get_opt(name).await.map_err(|error| Denied::Unknown(error.to_string()))?;
        let pod = pod.filter(|pod| pod.metadata.uid.as_deref() == Some(uid));
        let node = pod.and_then(|pod| pod.spec?.node_name).filter(|node| !node.is_empty());
        node.ok_or_else(|| Denied::No("its pod is not on any node".to_owned()))
    }
}
