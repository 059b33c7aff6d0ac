//! How an Envoy behaves on a delta ADS stream, as a pure machine: responses in, requests out.
//!
//! It subscribes to all clusters, to the endpoints of each EDS cluster, to all listeners once its clusters are there, to the routes that
//! listeners name, and to virtual hosts when a route says so. It acknowledges, or refuses what the caller dislikes, and reconnects with
//! the versions it has. What many proxies hold alike is shared through `Knowledge`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::resource::{Protocol, ResourceType, TYPES};
use crate::wire::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, NameVersion, Node, Resource, Status};

use super::Client;
use super::parts::References;

/// A resource version that some proxy has seen.
#[derive(Debug)]
pub struct Known {
    /// Name.
    pub name: Arc<str>,
    /// Version.
    pub version: Arc<str>,
    /// What it refers to.
    pub references: References,
}

/// Every resource version seen, read once for all proxies of a process.
#[derive(Debug, Default)]
pub struct Knowledge {
    known: Mutex<HashMap<(ResourceType, String, String), Arc<Known>>>,
}

impl Knowledge {
    pub(super) fn learn(&self, kind: ResourceType, resource: Resource) -> Arc<Known> {
        let Resource { version, resource, name, aliases: _ } = resource;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, name, version);
        if let Some(known) = known.get(&key) {
            return known.clone();
        }
        let message = resource.map(|any| any.value).unwrap_or_default();
        let references = References::read(kind, &message).unwrap_or_default();
        let entry =
            Arc::new(Known { name: key.1.as_str().into(), version: key.2.as_str().into(), references });
        known.insert(key, entry.clone());
        entry
    }
}

/// One proxy.
#[derive(Debug)]
pub struct Envoy {
    node: Node,
    knowledge: Arc<Knowledge>,
    held: [BTreeMap<Arc<str>, Arc<Known>>; TYPES],
    subscribed: [bool; TYPES],
    /// Endpoints and routes that it subscribes to on this stream.
    names: [BTreeSet<Arc<str>>; TYPES],
    /// Names that the server answered as not existing, or removed.
    absent: [BTreeSet<Arc<str>>; TYPES],
    warming: BTreeSet<Arc<str>>,
    first: bool,
    responses: [u64; TYPES],
    bytes: u64,
}

impl Client for Envoy {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const METHOD: &'static str = "DeltaAggregatedResources";

    /// The requests with which it opens a stream.
    fn connect(&mut self) -> Vec<DeltaDiscoveryRequest> {
        self.subscribed = Default::default();
        self.names = Default::default();
        self.first = true;
        let mut requests = vec![self.subscribe(ResourceType::Cluster, Vec::new())];
        let eds: Vec<_> = self.eds_clusters();
        if !eds.is_empty() {
            requests.push(self.subscribe(ResourceType::Endpoints, eds));
        }
        if !self.held[ResourceType::Listener.index()].is_empty() {
            requests.push(self.subscribe(ResourceType::Listener, Vec::new()));
        }
        let routes: Vec<_> = self.named_routes();
        if !routes.is_empty() {
            requests.push(self.subscribe(ResourceType::Route, routes));
        }
        if self.wants_hosts() {
            requests.push(self.subscribe(ResourceType::VirtualHost, Vec::new()));
        }
        requests
    }

    /// Takes in a response. `refuse` says why a resource is not acceptable; the others are applied. Gives the requests that follow, the
    /// acknowledgement last, as Envoy orders them.
    fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
        refuse: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<DeltaDiscoveryRequest> {
        let DeltaDiscoveryResponse { system_version_info: _, resources, type_url, nonce, removed_resources } =
            response;
        let Some(kind) = ResourceType::from_url(&type_url, Protocol::Delta) else { return Vec::new() };
        let at = kind.index();
        self.responses[at] += 1;
        let mut errors = Vec::new();
        for resource in resources {
            self.bytes += resource.resource.as_ref().map_or(0, |any| any.value.len() as u64);
            if let Some(error) = refuse(kind, &resource) {
                errors.push(error);
                continue;
            }
            if resource.resource.is_none() {
                // The answer for a name that does not exist.
                self.absent[at].insert(resource.name.into());
                continue;
            }
            let known = self.knowledge.learn(kind, resource);
            let cluster = &self.held[ResourceType::Cluster.index()];
            if kind == ResourceType::Endpoints && !cluster.contains_key(&known.name) {
                // Nobody here waits for it any more.
                continue;
            }
            self.absent[at].remove(&known.name);
            let before = self.held[at].insert(known.name.clone(), known.clone());
            let changed = before.is_none_or(|before| before.version != known.version);
            if kind == ResourceType::Cluster && known.references.eds && changed {
                self.warming.insert(known.name.clone());
            }
            if kind == ResourceType::Endpoints {
                self.warming.remove(&known.name);
            }
        }
        for name in &removed_resources {
            self.held[at].remove(&**name);
            self.absent[at].insert(name.as_str().into());
            if kind == ResourceType::Cluster {
                // Its subscription goes with it, and what that brought.
                self.held[ResourceType::Endpoints.index()].remove(&**name);
            }
            // The cluster is gone, or the answer is that it has no endpoints.
            self.warming.remove(&**name);
        }
        let mut requests = self.follow_up(kind);
        let error_detail = (!errors.is_empty()).then(|| Status { code: 13, message: errors.join(", ") });
        let acknowledgement = DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            response_nonce: nonce,
            error_detail,
            ..DeltaDiscoveryRequest::default()
        };
        requests.push(acknowledgement);
        if kind == ResourceType::Cluster || kind == ResourceType::Endpoints {
            // Listeners are asked for when the first clusters are warm.
            if self.warming.is_empty() && !self.subscribed[ResourceType::Listener.index()] {
                requests.push(self.subscribe(ResourceType::Listener, Vec::new()));
            }
        }
        requests
    }
}

impl Envoy {
    /// A proxy that has nothing.
    pub fn new(node: Node, knowledge: Arc<Knowledge>) -> Self {
        Self {
            node,
            knowledge,
            held: Default::default(),
            subscribed: Default::default(),
            names: Default::default(),
            absent: Default::default(),
            warming: BTreeSet::new(),
            first: true,
            responses: Default::default(),
            bytes: 0,
        }
    }

    /// What it holds of a type: name to version and references.
    pub fn held(&self, kind: ResourceType) -> &BTreeMap<Arc<str>, Arc<Known>> {
        &self.held[kind.index()]
    }

    /// The version it holds of a resource.
    pub fn version(&self, kind: ResourceType, name: &str) -> Option<&Arc<str>> {
        self.held[kind.index()].get(name).map(|known| &known.version)
    }

    /// Names that the server said do not exist (any more).
    pub fn absent(&self, kind: ResourceType) -> &BTreeSet<Arc<str>> {
        &self.absent[kind.index()]
    }

    /// Responses received of a type, over all streams.
    pub fn responses(&self, kind: ResourceType) -> u64 {
        self.responses[kind.index()]
    }

    /// Bytes of resources received, over all streams.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Clusters that wait for endpoints.
    pub fn warming(&self) -> &BTreeSet<Arc<str>> {
        &self.warming
    }

    /// Whether it would take traffic: clusters are warm, listeners have been answered, and so have their routes.
    pub fn is_ready(&self) -> bool {
        let routes = &self.held[ResourceType::Route.index()];
        let hosts = self.responses[ResourceType::VirtualHost.index()] > 0;
        self.responses[ResourceType::Listener.index()] > 0
            && self.warming.is_empty()
            && self.names[ResourceType::Route.index()].iter().all(|name| routes.contains_key(name))
            && (hosts || !self.subscribed[ResourceType::VirtualHost.index()])
    }

    /// The subscriptions that change because resources of this type did.
    fn follow_up(&mut self, kind: ResourceType) -> Vec<DeltaDiscoveryRequest> {
        match kind {
            ResourceType::Cluster => {
                let wanted = self.eds_clusters();
                self.adjust(ResourceType::Endpoints, wanted)
            }
            ResourceType::Listener => {
                let wanted = self.named_routes();
                self.adjust(ResourceType::Route, wanted)
            }
            ResourceType::Route if self.wants_hosts() => {
                vec![self.subscribe(ResourceType::VirtualHost, Vec::new())]
            }
            _ => Vec::new(),
        }
    }

    fn eds_clusters(&self) -> Vec<Arc<str>> {
        let clusters = self.held[ResourceType::Cluster.index()].values();
        clusters.filter(|known| known.references.eds).map(|known| known.name.clone()).collect()
    }

    fn named_routes(&self) -> Vec<Arc<str>> {
        let listeners = self.held[ResourceType::Listener.index()].values();
        listeners.flat_map(|known| &known.references.routes).map(|name| name.as_str().into()).collect()
    }

    fn wants_hosts(&self) -> bool {
        let vhds = self.held[ResourceType::Route.index()].values().any(|known| known.references.vhds);
        vhds && !self.subscribed[ResourceType::VirtualHost.index()]
    }

    /// Subscribes to new names and drops those that are not wanted any more.
    fn adjust(&mut self, kind: ResourceType, wanted: Vec<Arc<str>>) -> Vec<DeltaDiscoveryRequest> {
        let wanted: BTreeSet<_> = wanted.into_iter().collect();
        let at = kind.index();
        let new: Vec<_> = wanted.difference(&self.names[at]).cloned().collect();
        let gone: Vec<_> = self.names[at].difference(&wanted).cloned().collect();
        if new.is_empty() && gone.is_empty() {
            return Vec::new();
        }
        for name in &gone {
            self.held[at].remove(name);
            self.names[at].remove(name);
            self.warming.remove(name);
        }
        let mut request = self.subscribe(kind, new);
        request.resource_names_unsubscribe = gone.iter().map(|name| name.to_string()).collect();
        vec![request]
    }

    fn subscribe(&mut self, kind: ResourceType, names: Vec<Arc<str>>) -> DeltaDiscoveryRequest {
        let at = kind.index();
        let mut request = DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            resource_names_subscribe: names.iter().map(|name| name.to_string()).collect(),
            ..DeltaDiscoveryRequest::default()
        };
        if std::mem::take(&mut self.first) {
            request.node = Some(self.node.clone());
        }
        let by_name = matches!(kind, ResourceType::Endpoints | ResourceType::Route);
        if !self.subscribed[at] {
            // What it has from an earlier stream: endpoints, too, of a modified cluster that still waits for them to come again.
            let held = self.held[at].values().filter(|known| !by_name || names.contains(&known.name));
            request.initial_resource_versions =
                held.map(|known| NameVersion::encoded(&known.name, &known.version)).collect();
        }
        self.subscribed[at] = true;
        if by_name {
            self.names[at].extend(names);
        }
        request
    }
}
