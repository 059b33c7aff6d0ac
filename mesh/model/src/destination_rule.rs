//! DestinationRule: how clients connect to a host, and its subsets.

use crate::{ClientTls, ExportTo, GivenTls, Host, Labels, Metadata, Str, TrafficPolicy};
use serde::Serialize;

/// Istio's DestinationRule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DestinationRule {
    /// The object.
    pub metadata: Metadata,
    /// The host it is about, short names resolved; may be a wildcard.
    pub host: Host,
    /// Policy for the whole host.
    pub policy: TrafficPolicy,
    /// Named parts of the host's endpoints.
    pub subsets: Vec<Subset>,
    /// Which client namespaces it applies to.
    pub export_to: ExportTo,
    /// `workloadSelector`: labels of the clients of its own namespace that it is for; `None`: for all clients.
    pub selector: Option<Labels>,
}

impl DestinationRule {
    /// All places that say which certificates are used.
    pub fn given_tls(&self) -> impl Iterator<Item = &GivenTls> {
        let policies = std::iter::once(&self.policy).chain(self.subsets.iter().map(|subset| &subset.policy));
        let all = policies.flat_map(|policy| {
            policy.tls.iter().chain(policy.ports.values().filter_map(|port| port.tls.as_ref()))
        });
        all.filter_map(|tls| match tls {
            ClientTls::Given(given) => Some(given),
            ClientTls::Disable | ClientTls::Mesh { .. } | ClientTls::OfGateways | ClientTls::Impossible => {
                None
            }
        })
    }
}

/// A subset of a host's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Subset {
    /// Its name, as routes refer to it.
    pub name: Str,
    /// Labels that its endpoints have.
    pub labels: Labels,
    /// Overrides of the host's policy, block by block.
    pub policy: TrafficPolicy,
}
