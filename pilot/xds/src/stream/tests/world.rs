//! A small mesh to be edited at random. Always consistent: a host names only clusters that exist.

use super::*;
use crate::snapshot::LAYERS;
use crate::testing::parts;
use prost::Message as _;

pub(super) struct World {
    layers: [Arc<Layer>; LAYERS],
    clusters: BTreeMap<u8, u8>,
    endpoints: BTreeMap<u8, u8>,
    hosts: BTreeMap<u8, (u8, Vec<u8>)>,
    listeners: BTreeMap<u8, u8>,
    sequence: u64,
    pub(super) snapshot: Arc<Snapshot>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            layers: std::array::from_fn(|_| Layer::empty()),
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            hosts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            sequence: 0,
            snapshot: Snapshot::empty(),
        }
    }
}

impl World {
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Cluster(id, salt) => {
                self.clusters.insert(*id, *salt);
                self.endpoints.entry(*id).or_insert(0);
            }
            Step::NoCluster(id) => {
                self.clusters.remove(id);
                self.endpoints.remove(id);
            }
            Step::Endpoints(id, salt) => {
                self.endpoints.entry(*id).and_modify(|held| *held = *salt);
            }
            Step::Host(id, salt, to) => {
                self.hosts.insert(*id, (*salt, to.clone()));
            }
            Step::NoHost(id) => {
                self.hosts.remove(id);
            }
            Step::Listener(id, salt) => {
                self.listeners.insert(*id, *salt);
            }
            Step::NoListener(id) => {
                self.listeners.remove(id);
            }
            Step::Send | Step::ToProxy | Step::ToServer | Step::Reconnect => unreachable!(),
        }
        self.publish();
    }

    fn publish(&mut self) {
        let mut all = Vec::new();
        for (id, salt) in &self.clusters {
            all.push((*id, cluster(*id, *salt)));
            all.push((*id, endpoints(*id, self.endpoints[id])));
        }
        for (id, (salt, to)) in &self.hosts {
            let to: Vec<_> = to.iter().filter(|to| self.clusters.contains_key(to)).copied().collect();
            all.push((*id, host(*id, *salt, &to)));
        }
        for (id, salt) in &self.listeners {
            all.push((*id, listener(*id, *salt)));
            all.push((*id, route(*id)));
            let inside = self.hosts.iter().filter(|(host, _)| **host % 3 == *id);
            let inside = inside.map(|(host, (salt, to))| {
                let to: Vec<_> = to.iter().filter(|to| self.clusters.contains_key(to)).copied().collect();
                virtual_host(*host, if *salt == 9 { 8 } else { *salt }, &to)
            });
            all.push((*id, inline_route(*id, inside.collect())));
        }
        for (at, layer) in self.layers.iter_mut().enumerate() {
            let mine: Vec<_> = all
                .iter()
                .filter(|(id, _)| usize::from(*id) % LAYERS == at)
                .map(|(_, resource)| resource)
                .collect();
            *layer = layer.edit(|edit| {
                for kind in ResourceType::ALL {
                    let held: Vec<_> = edit.resources(kind).keys().cloned().collect();
                    for name in held {
                        if !mine.iter().any(|wanted| wanted.kind() == kind && *wanted.name() == name) {
                            edit.remove(kind, &name);
                        }
                    }
                }
                mine.iter().for_each(|resource| edit.set(Arc::clone(resource)));
            });
        }
        self.sequence += 1;
        self.snapshot = Snapshot::new(self.layers.clone(), self.sequence, Instant::now());
    }

    pub(super) fn refuses_any(&self) -> bool {
        let kinds = [ResourceType::Cluster, ResourceType::Listener, ResourceType::VirtualHost];
        let snapshot = &self.snapshot;
        let refused = |kind| snapshot.resources(kind).any(|r| is_refused(snapshot, kind, r.name()));
        kinds.into_iter().any(refused)
    }
}

/// Whether the proxy refuses what the snapshot has of this name.
pub(super) fn is_refused(snapshot: &Snapshot, kind: ResourceType, name: &str) -> bool {
    let resource = snapshot.get(kind, name);
    resource.is_some_and(|resource| resource.message().windows(5).any(|window| window == b"salt9"))
}

pub(super) fn resource(kind: ResourceType, name: &str, message: &impl prost::Message) -> Arc<Resource> {
    Resource::new(kind, name, &message.encode_to_vec(), &[], Arc::new([]))
}

fn salt(salt: u8) -> String {
    format!("salt{salt}")
}

pub(super) fn cluster(id: u8, with: u8) -> Arc<Resource> {
    let name = format!("c{id}");
    let message = parts::Cluster { name: name.clone(), discovery_type: Some(3), salt: salt(with) };
    resource(ResourceType::Cluster, &name, &message)
}

pub(super) fn endpoints(id: u8, with: u8) -> Arc<Resource> {
    let name = format!("c{id}");
    let message = parts::Endpoints { cluster_name: name.clone(), salt: salt(with) };
    resource(ResourceType::Endpoints, &name, &message)
}

fn virtual_host(id: u8, with: u8, to: &[u8]) -> parts::VirtualHost {
    let name = format!("{}/h{id}", 80 + id % 3);
    let action = |to: &u8| parts::RouteAction { cluster: format!("c{to}"), weighted_clusters: None };
    let routes = to.iter().map(|to| parts::Route { route: Some(action(to)) }).collect();
    parts::VirtualHost { name, routes, salt: salt(with) }
}

pub(super) fn host(id: u8, with: u8, to: &[u8]) -> Arc<Resource> {
    let message = virtual_host(id, with, to);
    resource(ResourceType::VirtualHost, &message.name, &message)
}

fn inline_route(id: u8, virtual_hosts: Vec<parts::VirtualHost>) -> Arc<Resource> {
    let name = (80 + id).to_string();
    let message = parts::RouteConfiguration { name: name.clone(), virtual_hosts, ..Default::default() };
    resource(ResourceType::InlineRoute, &name, &message)
}

pub(super) fn listener(id: u8, with: u8) -> Arc<Resource> {
    let name = format!("l{id}");
    let rds = parts::Rds { route_config_name: (80 + id).to_string() };
    let manager = parts::ConnectionManager { rds: Some(rds) };
    let any =
        wire::Any { type_url: parts::CONNECTION_MANAGER.to_owned(), value: manager.encode_to_vec().into() };
    let filter = parts::Filter { name: "http".to_owned(), typed_config: Some(any) };
    let message = parts::Listener {
        name: name.clone(),
        filter_chains: vec![parts::FilterChain { filters: vec![filter] }],
        default_filter_chain: None,
        salt: salt(with),
    };
    resource(ResourceType::Listener, &name, &message)
}

pub(super) fn route(id: u8) -> Arc<Resource> {
    let name = (80 + id).to_string();
    let message = parts::RouteConfiguration {
        name: name.clone(),
        virtual_hosts: Vec::new(),
        vhds: Some(parts::Vhds {}),
        salt: salt(0),
    };
    resource(ResourceType::Route, &name, &message)
}
