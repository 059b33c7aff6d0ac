//! The state machine against a model of Envoy: random edits, random delivery, refusals and reconnects.
//!
//! What must hold at every step: one unacknowledged response a type, no route to a cluster that is not acknowledged, no removal of a
//! cluster that something acknowledged still names. And in the end: the proxy has the newest snapshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use crate::layer::Layer;
use crate::resource::{Protocol, Resource, ResourceType, TYPES};
use crate::snapshot::Snapshot;
use crate::source::{NoAliases, Resolve};
use crate::testing::Client as _;
use crate::testing::model::{Envoy, Knowledge};
use crate::testing::parts::References;
use crate::wire::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};

use super::*;

mod drains;
mod rules;
mod sotw;
mod world;

use world::{World, cluster, endpoints, host, resource};

#[derive(Clone, Debug)]
enum Step {
    Cluster(u8, u8),
    NoCluster(u8),
    Endpoints(u8, u8),
    Host(u8, u8, Vec<u8>),
    NoHost(u8),
    Listener(u8, u8),
    NoListener(u8),
    Send,
    ToProxy,
    ToServer,
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    // A salt of 9 is content that the proxy refuses.
    let (id, salt) = (0u8..6, prop_oneof![8 => 0u8..9, 1 => Just(9u8)]);
    let (id, salt) = (move || id.clone(), move || salt.clone());
    prop_oneof![
        2 => (id(), salt()).prop_map(|(id, salt)| Step::Cluster(id, salt)),
        1 => id().prop_map(Step::NoCluster),
        1 => (id(), 0u8..9).prop_map(|(id, salt)| Step::Endpoints(id, salt)),
        2 => (id(), salt(), prop::collection::vec(id(), 0..3)).prop_map(|(id, salt, to)| Step::Host(id, salt, to)),
        1 => id().prop_map(Step::NoHost),
        1 => (0u8..3, salt()).prop_map(|(id, salt)| Step::Listener(id, salt)),
        1 => (0u8..3).prop_map(Step::NoListener),
        4 => Just(Step::Send),
        6 => Just(Step::ToProxy),
        6 => Just(Step::ToServer),
        1 => Just(Step::Reconnect),
    ]
}

/// A proxy and a stream with two wires between them, on which messages may wait.
struct Bench {
    state: StreamState,
    proxy: Envoy,
    to_proxy: VecDeque<Response>,
    to_server: VecDeque<DeltaDiscoveryRequest>,
    /// Whether a refusal says which resource it means.
    names_culprit: bool,
    /// Sent and not acknowledged to the server, by type.
    outstanding: [Option<Response>; TYPES],
    clusters: BTreeSet<Arc<str>>,
    /// What acknowledged or sent virtual hosts name. More than one entry a host while an update is on its way.
    hosts: BTreeMap<Arc<str>, Vec<Vec<String>>>,
}

impl Bench {
    fn new(names_culprit: bool) -> Self {
        let node = Node { id: "sidecar~10.0.0.1~a.b~b.svc".into(), ..Node::default() };
        let mut bench = Self {
            state: stream(),
            proxy: Envoy::new(node, Arc::<Knowledge>::default()),
            to_proxy: VecDeque::new(),
            to_server: VecDeque::new(),
            names_culprit,
            outstanding: Default::default(),
            clusters: BTreeSet::new(),
            hosts: BTreeMap::new(),
        };
        bench.connect();
        bench
    }

    fn connect(&mut self) {
        self.state = StreamState::new(
            Protocol::Delta,
            "a.b".into(),
            Arc::new(NoAliases),
            self.state.context.shared.clone(),
        );
        self.to_proxy.clear();
        self.outstanding = Default::default();
        self.to_server = self.proxy.connect().into();
        self.clusters = self.proxy.held(ResourceType::Cluster).keys().cloned().collect();
        let hosts = self.proxy.held(ResourceType::VirtualHost).iter();
        self.hosts =
            hosts.map(|(name, known)| (name.clone(), vec![known.references.clusters.clone()])).collect();
    }

    /// Lets the server send one response, and checks that it may.
    fn send(&mut self, world: &World) -> bool {
        let Some(response) = self.state.next(&world.snapshot) else { return false };
        let at = response.kind.index();
        assert!(self.outstanding[at].is_none(), "a second {:?} while one is unacknowledged", response.kind);
        for sent in response.batch.resources() {
            let names = References::read(response.kind, &sent.message()).unwrap().clusters;
            for name in &names {
                // As of the snapshot that the route is from: a newer one may have mended the cluster.
                let ready = self.state.ready.as_ref().unwrap();
                let refused = world::is_refused(ready, ResourceType::Cluster, name);
                let there = self.clusters.contains(&**name) || refused;
                assert!(there, "{} names {name}, which is not acknowledged", sent.name());
                // Whatever has become of them since: a cluster without endpoints answers 503.
                let has_some = ready.get(ResourceType::Endpoints, name).is_some();
                let known = self.proxy.version(ResourceType::Endpoints, name).is_some();
                assert!(
                    known || refused || !has_some,
                    "{} names {name}, which got no endpoints",
                    sent.name()
                );
            }
            if response.kind == ResourceType::VirtualHost {
                self.hosts.entry(sent.name().clone()).or_default().push(names);
            }
        }
        if response.kind == ResourceType::Cluster {
            for name in &response.removed {
                let named = self.hosts.values().flatten().flatten().any(|cluster| **cluster == **name);
                assert!(!named, "{name} is removed while {:?} names it", self.hosts);
            }
        }
        self.outstanding[at] =
            Some(Response { batch: response.batch.clone(), removed: response.removed.clone(), ..response });
        self.to_proxy.push_back(response);
        true
    }

    fn deliver_to_proxy(&mut self) -> bool {
        let Some(response) = self.to_proxy.pop_front() else { return false };
        let names_culprit = self.names_culprit;
        let refuse = |_: ResourceType, resource: &wire::Resource| {
            let value = &resource.resource.as_ref().unwrap().value;
            let bad = value.windows(5).any(|window| window == b"salt9");
            bad.then(|| if names_culprit { format!("{}: bad", resource.name) } else { "bad".to_owned() })
        };
        self.to_server.extend(self.proxy.receive(on_wire(&response), &refuse));
        true
    }

    fn deliver_to_server(&mut self) -> bool {
        let Some(request) = self.to_server.pop_front() else { return false };
        let kind = ResourceType::from_url(&request.type_url, Protocol::Delta).unwrap();
        if !request.response_nonce.is_empty() {
            let answered = self.outstanding[kind.index()].take().expect("an answer to nothing");
            assert_eq!(answered.nonce.to_string(), request.response_nonce);
            let sent = answered.batch.resources();
            let accepted = request.error_detail.is_none();
            if kind == ResourceType::Cluster {
                if accepted {
                    self.clusters.extend(sent.clone().map(|resource| resource.name().clone()));
                }
                answered.removed.iter().for_each(|name| {
                    self.clusters.remove(name);
                });
            }
            if kind == ResourceType::VirtualHost && accepted {
                for resource in sent {
                    let names = self.hosts.entry(resource.name().clone()).or_default();
                    names.drain(..names.len() - 1);
                }
                for name in &answered.removed {
                    self.hosts.remove(name);
                }
            }
        }
        self.state.on_delta_request(request);
        true
    }

    fn settle(&mut self, world: &World) {
        for _ in 0..10_000 {
            let moved = self.send(world) | self.deliver_to_proxy() | self.deliver_to_server();
            if !moved {
                return;
            }
        }
        panic!("never comes to rest");
    }

    fn check(&self, world: &World) {
        let state = |watch: &Watch| {
            let Watch { kind, active, owed, leaving, in_flight, base, .. } = watch;
            let leaving: Vec<_> = leaving.keys().collect();
            let current = base.as_ref().is_some_and(|base| Arc::ptr_eq(base, &world.snapshot));
            format!("{kind:?} {active} {current} {owed:?} {leaving:?} {}\n", in_flight.is_some())
        };
        let states: String = self.state.watches.iter().map(state).collect();
        let StreamState { warming, settling, .. } = &self.state;
        assert!(self.state.has(&world.snapshot), "not done: {warming:?} {settling} {states}");
        // A cluster that stays only because of a refused listener may wait for endpoints that do not exist.
        let exists = |name: &&Arc<str>| world.snapshot.get(ResourceType::Cluster, name).is_some();
        let warming: Vec<_> = self.proxy.warming().iter().filter(exists).collect();
        assert!(warming.is_empty(), "still warming: {warming:?}");
        let refused_some = world.refuses_any();
        for kind in [ResourceType::Cluster, ResourceType::Listener, ResourceType::VirtualHost] {
            if kind == ResourceType::VirtualHost && self.proxy.held(ResourceType::Route).is_empty() {
                continue;
            }
            for wanted in world.snapshot.resources(kind) {
                if !world::is_refused(&world.snapshot, kind, wanted.name()) {
                    let held = self.proxy.version(kind, wanted.name());
                    assert_eq!(held, Some(wanted.version()), "{kind:?} {}", wanted.name());
                }
            }
            for name in self.proxy.held(kind).keys() {
                let wanted = world.snapshot.get(kind, name).is_some();
                assert!(
                    wanted || (refused_some && kind == ResourceType::Cluster),
                    "{kind:?} {name} is left over"
                );
            }
        }
        for name in self.proxy.held(ResourceType::Cluster).keys() {
            let wanted = world.snapshot.get(ResourceType::Endpoints, name).map(|resource| resource.version());
            if wanted.is_some() {
                assert_eq!(self.proxy.version(ResourceType::Endpoints, name), wanted, "endpoints of {name}");
            }
        }
    }
}

/// The response as the proxy decodes it: by way of the very bytes that would be sent.
fn on_wire(response: &Response) -> DeltaDiscoveryResponse {
    use prost::Message;
    let mut bytes = Vec::new();
    for resource in response.batch.resources() {
        bytes.extend_from_slice(resource.entry(Protocol::Delta));
    }
    let mut message = DeltaDiscoveryResponse::decode(&*bytes).unwrap();
    message.type_url = response.kind.type_url().to_owned();
    message.nonce = response.nonce.to_string();
    message.removed_resources = response.removed.iter().map(|name| name.to_string()).collect();
    message
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        names: Names::default(),
        batches: Batches::new(1 << 20),
        rejections: Arc::default(),
        unwarmed: Unwarmed::default(),
        drained_prefix: "inbound|".into(),
    })
}

fn stream() -> StreamState {
    StreamState::new(Protocol::Delta, "a.b".into(), Arc::new(NoAliases), shared())
}

fn replay(steps: Vec<Step>, names_culprit: bool) {
    let mut world = World::default();
    let mut bench = Bench::new(names_culprit);
    for step in steps {
        match step {
            Step::Send => {
                bench.send(&world);
            }
            Step::ToProxy => {
                bench.deliver_to_proxy();
            }
            Step::ToServer => {
                bench.deliver_to_server();
            }
            Step::Reconnect => bench.connect(),
            edit => world.apply(&edit),
        }
    }
    bench.settle(&world);
    bench.check(&world);
}

/// A proxy has a cluster of an earlier stream, without its endpoints, and asks for these after the cluster has gone from the newest snapshot, but
/// while routes to it are on their way.
#[test]
fn endpoints_that_are_asked_for_late_are_those_of_the_routes_that_follow() {
    use Step::{Cluster, Host, Listener, NoCluster, Reconnect, Send, ToProxy, ToServer};
    let brought = [Cluster(0, 0), ToServer, Send, ToProxy, Reconnect];
    let routed = [Listener(0, 0), Host(0, 0, vec![0]), ToServer, Cluster(1, 0), Send];
    let gone = [Cluster(1, 9), Cluster(2, 0), NoCluster(0)];
    replay([&brought[..], &routed, &gone].concat(), false);
}

proptest! {
    #[test]
    fn a_proxy_always_arrives_and_nothing_breaks_on_the_way(
        steps in prop::collection::vec(step(), 1..120),
        names_culprit in any::<bool>(),
    ) {
        replay(steps, names_culprit);
    }
}
