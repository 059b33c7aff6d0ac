//! What an edit changed, in terms of what it may affect.

use crate::{Host, ObjectRef, Str};
use std::collections::BTreeSet;

/// What differs between two successive [`crate::Mesh`]es. Names both what was there before and what is there now, so that
/// a host that moved is derived again at both ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Hosts of services, VirtualServices and DestinationRules that appeared, vanished or differ; wildcards as written.
    pub hosts: BTreeSet<Host>,
    /// Those of them whose service or DestinationRule did: what their workloads serve may differ.
    pub served: BTreeSet<Host>,
    /// Hosts that VirtualServices route to which appeared, vanished or differ: a Sidecar that imports a VirtualService
    /// imports what it routes to.
    pub destinations: BTreeSet<Host>,
    /// Hosts of services of which only endpoints differ.
    pub endpoints: BTreeSet<Host>,
    /// Those of them where who is behind them differs, too: other service accounts, or others that take mTLS.
    pub identities: BTreeSet<Host>,
    /// Namespaces whose workloads take other connections (PeerAuthentication). The root namespace stands for all.
    pub peers: BTreeSet<Str>,
    /// Workloads that appeared, vanished or differ in more than readiness.
    pub workloads: BTreeSet<ObjectRef>,
    /// Namespaces whose scopes see a different part of the mesh (Sidecar).
    pub namespaces: BTreeSet<Str>,
    /// Credentials that appeared, vanished or differ.
    pub credentials: BTreeSet<ObjectRef>,
    /// Proxies are to be started with something else (ProxyConfig); what they are served is the same.
    pub starts: bool,
    /// Everything has to be derived again (mesh settings).
    pub everything: bool,
}

impl ChangeSet {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        let Self {
            hosts,
            served,
            destinations,
            endpoints,
            identities,
            peers,
            workloads,
            namespaces,
            credentials,
            starts,
            everything,
        } = self;
        hosts.is_empty()
            && served.is_empty()
            && destinations.is_empty()
            && endpoints.is_empty()
            && identities.is_empty()
            && peers.is_empty()
            && workloads.is_empty()
            && namespaces.is_empty()
            && credentials.is_empty()
            && !starts
            && !everything
    }

    /// Adds what `other` names.
    pub fn merge(&mut self, other: ChangeSet) {
        let ChangeSet {
            hosts,
            served,
            destinations,
            endpoints,
            identities,
            peers,
            workloads,
            namespaces,
            credentials,
            starts,
            everything,
        } = other;
        self.hosts.extend(hosts);
        self.served.extend(served);
        self.destinations.extend(destinations);
        self.endpoints.extend(endpoints);
        self.identities.extend(identities);
        self.peers.extend(peers);
        self.workloads.extend(workloads);
        self.namespaces.extend(namespaces);
        self.credentials.extend(credentials);
        self.starts |= starts;
        self.everything |= everything;
    }
}
