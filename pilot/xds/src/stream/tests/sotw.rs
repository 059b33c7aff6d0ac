//! The same, with a proxy that speaks state of the world.

use super::*;
use crate::testing::SotwEnvoy;
use crate::wire::{DiscoveryRequest, DiscoveryResponse};
use prost::Message as _;

struct Bench {
    state: StreamState,
    proxy: SotwEnvoy,
    to_proxy: VecDeque<Response>,
    to_server: VecDeque<DiscoveryRequest>,
    outstanding: [Option<Response>; TYPES],
    clusters: BTreeSet<Arc<str>>,
    /// What acknowledged or sent routes name.
    routes: BTreeMap<Arc<str>, Vec<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        let node = Node { id: "sidecar~10.0.0.1~a.b~b.svc".into(), ..Node::default() };
        let mut proxy = SotwEnvoy::new(node, Arc::default());
        let to_server = proxy.connect().into();
        Self {
            state: StreamState::new(Protocol::Sotw, "a.b".into(), Arc::new(NoAliases), shared()),
            proxy,
            to_proxy: VecDeque::new(),
            to_server,
            outstanding: Default::default(),
            clusters: BTreeSet::new(),
            routes: BTreeMap::new(),
        }
    }

    fn reconnect(&mut self) {
        let shared = self.state.context.shared.clone();
        self.state = StreamState::new(Protocol::Sotw, "a.b".into(), Arc::new(NoAliases), shared);
        self.to_proxy.clear();
        self.outstanding = Default::default();
        self.to_server = self.proxy.connect().into();
        self.clusters = self.proxy.held(ResourceType::Cluster).keys().cloned().collect();
        // A proxy that brings no versions gets the current list at once: what it routes by is not known here.
        self.routes.clear();
    }

    fn send(&mut self, world: &World) -> bool {
        let Some(response) = self.state.next(&world.snapshot) else { return false };
        let at = response.kind.index();
        assert!(self.outstanding[at].is_none(), "a second {:?} while one is unacknowledged", response.kind);
        for sent in response.batch.resources() {
            let names = References::read(response.kind, &sent.message()).unwrap().clusters;
            for name in &names {
                let ready = self.state.ready.as_ref().unwrap();
                let refused = world::is_refused(ready, ResourceType::Cluster, name);
                let there = self.clusters.contains(&**name) || refused;
                assert!(there, "{} names {name}, which is not acknowledged", sent.name());
            }
            if response.kind == ResourceType::InlineRoute {
                self.routes.entry(sent.name().clone()).or_default().push(names);
            }
        }
        if response.kind == ResourceType::Cluster {
            for name in self.routes.values().flatten().flatten() {
                let listed = response.batch.resources().any(|resource| **resource.name() == **name);
                let there = self.clusters.contains(&**name);
                assert!(listed || !there, "{name} is left out while a route names it");
            }
        }
        let copy = Response { batch: response.batch.clone(), removed: Vec::new(), ..response };
        self.outstanding[at] = Some(copy);
        self.to_proxy.push_back(response);
        true
    }

    fn deliver_to_proxy(&mut self) -> bool {
        let Some(response) = self.to_proxy.pop_front() else { return false };
        let mut bytes = Vec::new();
        for resource in response.batch.resources() {
            bytes.extend_from_slice(resource.entry(Protocol::Sotw));
        }
        let mut message = DiscoveryResponse::decode(&*bytes).unwrap();
        message.type_url = response.kind.type_url().to_owned();
        message.nonce = response.nonce.to_string();
        let refuse = |_: ResourceType, resource: &wire::Resource| {
            let value = &resource.resource.as_ref().unwrap().value;
            let bad = value.windows(5).any(|window| window == b"salt9");
            bad.then(|| format!("Error adding/updating {}: bad", resource.name))
        };
        self.to_server.extend(self.proxy.receive(message, &refuse));
        true
    }

    fn deliver_to_server(&mut self) -> bool {
        let Some(request) = self.to_server.pop_front() else { return false };
        let kind = ResourceType::from_url(&request.type_url, Protocol::Sotw).unwrap();
        let outstanding = &mut self.outstanding[kind.index()];
        if let Some(answered) = outstanding.take_if(|sent| sent.nonce.to_string() == request.response_nonce)
            && request.error_detail.is_none()
        {
            let sent = answered.batch.resources();
            if kind == ResourceType::Cluster {
                self.clusters = sent.clone().map(|resource| resource.name().clone()).collect();
            }
            if kind == ResourceType::InlineRoute {
                for resource in sent {
                    let names = self.routes.entry(resource.name().clone()).or_default();
                    names.drain(..names.len().saturating_sub(1));
                }
                // It dropped what it does not ask for.
                self.routes.retain(|name, _| request.resource_names.iter().any(|asked| **asked == **name));
            }
        } else if kind == ResourceType::InlineRoute && request.error_detail.is_none() {
            self.routes.retain(|name, _| request.resource_names.iter().any(|asked| **asked == **name));
        }
        self.state.on_sotw_request(request);
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
        assert!(self.state.has(&world.snapshot), "not done");
        let refuses = world.refuses_any();
        for kind in [ResourceType::Cluster, ResourceType::Listener, ResourceType::Endpoints] {
            for (name, held) in self.proxy.held(kind) {
                let wanted = world.snapshot.get(kind, name);
                assert!(wanted.is_some() || refuses, "{kind:?} {name} is left over");
                if let Some(wanted) = wanted
                    && !world::is_refused(&world.snapshot, kind, name)
                {
                    let version = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&wanted.message()));
                    assert_eq!(*held.version, *version, "{kind:?} {name}");
                }
            }
            let wanted = world.snapshot.resources(kind).filter(|_| kind != ResourceType::Endpoints);
            for wanted in wanted.filter(|w| !world::is_refused(&world.snapshot, kind, w.name())) {
                assert!(self.proxy.held(kind).contains_key(wanted.name()), "{kind:?} {}", wanted.name());
            }
        }
    }
}

proptest! {
    #[test]
    fn a_state_of_the_world_proxy_always_arrives(steps in prop::collection::vec(step(), 1..120)) {
        replay(steps);
    }
}

fn replay(steps: Vec<Step>) {
    let mut world = World::default();
    let mut bench = Bench::new();
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
            Step::Reconnect => bench.reconnect(),
            edit => world.apply(&edit),
        }
    }
    bench.settle(&world);
    bench.check(&world);
}

/// What it has instead of a version that it refused is what stays, also if the cluster has changed again before it goes.
#[test]
fn a_refused_cluster_leaves_as_what_the_proxy_has() {
    use Step::{Cluster, Host, Listener, NoCluster, Send, ToProxy, ToServer};
    let taken = [Listener(1, 0), Host(1, 0, vec![1]), Cluster(1, 0), ToServer, Send, Cluster(1, 9), ToProxy];
    let listening = [ToServer, Send, ToProxy, ToServer, ToServer, ToServer];
    let refused = [Send, ToProxy, ToServer, Listener(0, 0), Send];
    let gone = [Cluster(1, 0), Cluster(0, 0), Cluster(0, 0), NoCluster(1)];
    replay([&taken[..], &listening, &refused, &gone].concat());
}
