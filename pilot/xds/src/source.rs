//! Where streams get their configuration: the interface that the publisher implements.
//!
//! In: who connected. Out: the channel on which the snapshots of its class come. Nothing here does IO.

use std::any::Any;
use std::sync::Arc;

use crate::latest::Receiver;
use crate::resource::{Protocol, Resource, ResourceType};
use crate::wire::Node;

/// Finds resources by names that are not in the maps under that name.
pub trait Resolve: Send + Sync {
    /// The resource that a proxy means when it asks for `name`: an alias such as virtual host `80/reviews` for
    /// `80/reviews.default.svc.cluster.local`, or something derived on demand. Called within a push: must be quick.
    fn resolve(&self, kind: ResourceType, name: &str) -> Option<Arc<Resource>>;
}

/// Resolves nothing.
#[derive(Debug)]
pub struct NoAliases;

impl Resolve for NoAliases {
    fn resolve(&self, _: ResourceType, _: &str) -> Option<Arc<Resource>> {
        None
    }
}

/// Takes what an agent says of the workload beside it.
pub trait Health: Send + Sync {
    /// It is well, or what is wrong with it. Called while a stream is read: must be quick.
    fn hear(&self, well: Result<(), String>);
}

/// A stream's hold on its class.
pub struct Attachment {
    /// `name.namespace`, as people know the proxy.
    pub proxy_name: Arc<str>,
    /// The snapshots of its class. The first must be there already.
    pub class: Receiver,
    /// Finds what is asked for by another name.
    pub resolver: Arc<dyn Resolve>,
    /// Who wants to know whether the workload is well.
    pub health: Option<Arc<dyn Health>>,
    /// Dropped when the stream ends: detaches the proxy from its class.
    pub guard: Box<dyn Any + Send>,
}

/// Why a proxy gets no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What it says of itself makes no sense.
    #[error("node is not valid: {0}")]
    Invalid(String),
    /// It may not be who it says it is.
    #[error("not allowed: {0}")]
    Denied(String),
    /// Not now.
    #[error("not available: {0}")]
    Unavailable(String),
}

/// Request extension: decides whether whoever opened a stream may be the node that it says it is. Set by whoever has found out who that is;
/// where it is missing, as on a plain-text port, everyone is taken at their word.
#[derive(Clone)]
pub struct Admission(pub Arc<Admit>);

/// Who opened a stream, as proven: what it says of itself has no part in this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proven {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its service account.
    pub service_account: Arc<str>,
}

/// Says whether a node is the opener's own, and who that is.
pub type Admit = dyn Fn(&Node) -> Result<Proven, Refusal> + Send + Sync;

/// Gives each proxy the class it belongs to.
pub trait Source: Send + Sync + 'static {
    /// Attaches a proxy to its class, creating the class if it is the first. Resolves when the class has a snapshot. Who has proven nothing
    /// (`None`) must not be given what is for its owner alone.
    fn attach(
        &self,
        node: &Node,
        protocol: Protocol,
        proven: Option<&Proven>,
    ) -> impl Future<Output = Result<Attachment, Refusal>> + Send;
}
