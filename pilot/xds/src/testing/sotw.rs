//! How an Envoy (or a gRPC library) behaves on a state-of-the-world ADS stream, as a pure machine: responses in, requests out.
//!
//! Each request names all that is wanted of a type and answers the last response. Clusters and listeners are replaced by each response,
//! endpoints and routes are added to. Names and versions are read from the resources themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message as _;

use crate::resource::{Protocol, ResourceType, TYPES};
use crate::wire::{DiscoveryRequest, DiscoveryResponse, Node, Resource, Status};

use super::Client;
use super::model::{Knowledge, Known};
use super::parts::Named;

/// One proxy.
#[derive(Debug)]
pub struct SotwEnvoy {
    node: Node,
    knowledge: Arc<Knowledge>,
    held: [BTreeMap<Arc<str>, Arc<Known>>; TYPES],
    names: [BTreeSet<Arc<str>>; TYPES],
    nonces: [String; TYPES],
    asked: [bool; TYPES],
    responses: [u64; TYPES],
    first: bool,
}

impl SotwEnvoy {
    /// A proxy that has nothing.
    pub fn new(node: Node, knowledge: Arc<Knowledge>) -> Self {
        Self {
            node,
            knowledge,
            held: Default::default(),
            names: Default::default(),
            nonces: Default::default(),
            asked: Default::default(),
            responses: Default::default(),
            first: true,
        }
    }

    /// What it holds of a type. The versions are hashes of the content made here: this protocol has no version for each resource.
    pub fn held(&self, kind: ResourceType) -> &BTreeMap<Arc<str>, Arc<Known>> {
        &self.held[kind.index()]
    }

    /// Responses received of a type, over all streams.
    pub fn responses(&self, kind: ResourceType) -> u64 {
        self.responses[kind.index()]
    }

    fn request(&mut self, kind: ResourceType) -> DiscoveryRequest {
        let at = kind.index();
        self.asked[at] = true;
        DiscoveryRequest {
            node: std::mem::take(&mut self.first).then(|| self.node.clone()),
            type_url: kind.type_url().to_owned(),
            resource_names: self.names[at].iter().map(|name| name.to_string()).collect(),
            response_nonce: self.nonces[at].clone(),
            ..DiscoveryRequest::default()
        }
    }

    /// What the resources held of `kind` make it want of another type.
    fn wanted(&self, kind: ResourceType) -> Option<(ResourceType, BTreeSet<Arc<str>>)> {
        let held = self.held[kind.index()].values();
        match kind {
            ResourceType::Cluster => {
                let eds = held.filter(|known| known.references.eds).map(|known| known.name.clone());
                Some((ResourceType::Endpoints, eds.collect()))
            }
            ResourceType::Listener => {
                let routes = held.flat_map(|known| &known.references.routes);
                Some((ResourceType::InlineRoute, routes.map(|name| name.as_str().into()).collect()))
            }
            _ => None,
        }
    }
}

impl Client for SotwEnvoy {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const METHOD: &'static str = "StreamAggregatedResources";

    fn connect(&mut self) -> Vec<DiscoveryRequest> {
        self.first = true;
        self.nonces = Default::default();
        let asked = std::mem::take(&mut self.asked);
        let mut requests = vec![self.request(ResourceType::Cluster)];
        for kind in [ResourceType::Endpoints, ResourceType::Listener, ResourceType::InlineRoute] {
            if asked[kind.index()] {
                requests.push(self.request(kind));
            }
        }
        requests
    }

    fn receive(
        &mut self,
        response: DiscoveryResponse,
        refuse: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<DiscoveryRequest> {
        let DiscoveryResponse { version_info: _, resources, type_url, nonce } = response;
        let Some(kind) = ResourceType::from_url(&type_url, Protocol::Sotw) else { return Vec::new() };
        let at = kind.index();
        self.responses[at] += 1;
        self.nonces[at] = nonce;
        let mut errors = Vec::new();
        let mut named: BTreeSet<Arc<str>> = BTreeSet::new();
        for any in resources {
            let name = Named::decode(&*any.value).unwrap_or_default().name;
            let version = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&any.value));
            let resource = Resource { version, resource: Some(any), name, aliases: Vec::new() };
            named.insert(Arc::from(resource.name.as_str()));
            if let Some(error) = refuse(kind, &resource) {
                errors.push(error);
                continue;
            }
            if !kind.full_state() && !self.names[at].contains(&*resource.name) {
                // It was asked for once, and is not wanted any more.
                continue;
            }
            let known = self.knowledge.learn(kind, resource);
            self.held[at].insert(known.name.clone(), known);
        }
        if kind.full_state() {
            self.held[at].retain(|name, _| named.contains(name));
        }
        let mut requests = Vec::new();
        if let Some((other, wanted)) = self.wanted(kind)
            && self.names[other.index()] != wanted
        {
            self.held[other.index()].retain(|name, _| wanted.contains(name));
            self.names[other.index()] = wanted;
            requests.push(self.request(other));
        }
        let mut acknowledgement = self.request(kind);
        acknowledgement.error_detail =
            (!errors.is_empty()).then(|| Status { code: 13, message: errors.join(", ") });
        requests.push(acknowledgement);
        if kind == ResourceType::Cluster && !self.asked[ResourceType::Listener.index()] {
            requests.push(self.request(ResourceType::Listener));
        }
        requests
    }
}
