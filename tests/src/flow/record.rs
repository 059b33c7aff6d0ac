//! Clients that write down what they are sent.
//!
//! In: responses. Out: their types and names, in order. What they answer is the business of the client within.

use pilot_xds::{
    resource::{Protocol, ResourceType},
    testing::{Client, Envoy, SotwEnvoy},
    wire::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Resource,
    },
};
use std::sync::{Mutex, PoisonError};

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type: `cds`, `eds`, `lds`, `rds`, `vhds`.
    pub kind: &'static str,
    /// Names of the resources in it, sorted.
    pub names: Vec<String>,
    /// Names of those that are removed, sorted.
    pub removed: Vec<String>,
}

impl Message {
    fn new(url: &str, protocol: Protocol, mut names: Vec<String>, mut removed: Vec<String>) -> Self {
        names.sort();
        removed.sort();
        let kind = ResourceType::from_url(url, protocol).map_or("unknown", ResourceType::label);
        Self { kind, names, removed }
    }
}

impl std::fmt::Display for Message {
    /// `vhds 80/a.. -80/b..`: what is removed has a minus.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, names, removed } = self;
        f.write_str(kind)?;
        names.iter().try_for_each(|name| write!(f, " {name}"))?;
        removed.iter().try_for_each(|name| write!(f, " -{name}"))
    }
}

/// A client that writes down what it is sent.
#[derive(Debug)]
pub struct Recorder<E> {
    /// The client.
    pub client: E,
    messages: Mutex<Vec<Message>>,
}

impl<E> Recorder<E> {
    /// Around `client`.
    pub fn new(client: E) -> Self {
        Self { client, messages: Mutex::default() }
    }

    /// What was written since the last call.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, message: Message) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

impl Client for Recorder<Envoy> {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const METHOD: &'static str = Envoy::METHOD;

    fn connect(&mut self) -> Vec<Self::Request> {
        self.client.connect()
    }

    fn receive(
        &mut self,
        response: Self::Response,
        refuse: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<Self::Request> {
        let names = response.resources.iter().map(|resource| resource.name.clone()).collect();
        let removed = response.removed_resources.clone();
        self.note(Message::new(&response.type_url, Protocol::Delta, names, removed));
        self.client.receive(response, refuse)
    }
}

impl Client for Recorder<SotwEnvoy> {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const METHOD: &'static str = SotwEnvoy::METHOD;

    fn connect(&mut self) -> Vec<Self::Request> {
        self.client.connect()
    }

    fn receive(
        &mut self,
        response: Self::Response,
        refuse: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<Self::Request> {
        let names = vec![format!("{} resources", response.resources.len())];
        self.note(Message::new(&response.type_url, Protocol::Sotw, names, Vec::new()));
        self.client.receive(response, refuse)
    }
}

/// A client that asks for single resources, by whatever name, as Envoy's on-demand filters do; or for all of a type, if for none.
#[derive(Debug)]
pub struct OnDemand {
    node: Node,
    kind: ResourceType,
    asks: Vec<String>,
    /// All that it was sent.
    pub got: Vec<Resource>,
    /// All that was taken away.
    pub removed: Vec<String>,
}

impl OnDemand {
    /// Asks for `names` of one type.
    pub fn new(node: Node, kind: ResourceType, names: &[&str]) -> Self {
        Self {
            node,
            kind,
            asks: names.iter().map(ToString::to_string).collect(),
            got: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl Client for OnDemand {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const METHOD: &'static str = Envoy::METHOD;

    fn connect(&mut self) -> Vec<Self::Request> {
        vec![DeltaDiscoveryRequest {
            node: Some(self.node.clone()),
            type_url: self.kind.type_url().to_owned(),
            resource_names_subscribe: self.asks.clone(),
            ..DeltaDiscoveryRequest::default()
        }]
    }

    fn receive(
        &mut self,
        response: Self::Response,
        _: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<Self::Request> {
        self.got.extend(response.resources);
        self.removed.extend(response.removed_resources);
        vec![DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        }]
    }
}
