//! A published mesh of a few services, served on a loopback port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pilot_xds::testing::model::{Envoy, Knowledge};
use pilot_xds::testing::parts;
use pilot_xds::wire::{Any, Node};
use pilot_xds::{
    Attachment, Edit, Handles, Layer, NoAliases, Protocol, Proven, Refusal, Resource, ResourceType,
    ServerConfig, Snapshot, Source, latest, serve,
};
use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One class for all proxies.
pub struct OneClass {
    pub class: latest::Sender,
    pub attached: Arc<AtomicUsize>,
}

impl Source for OneClass {
    async fn attach(&self, node: &Node, _: Protocol, _: Option<&Proven>) -> Result<Attachment, Refusal> {
        let Some(name) = node.id.split('~').nth(2) else {
            return Err(Refusal::Invalid(format!("`{}` is not type~ip~name~domain", node.id)));
        };
        self.attached.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(self.attached.clone());
        Ok(Attachment {
            proxy_name: name.into(),
            class: self.class.subscribe(),
            resolver: Arc::new(NoAliases),
            health: None,
            guard: Box::new(guard),
        })
    }
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct Mesh {
    pub addr: SocketAddr,
    pub handles: Handles,
    pub ready: watch::Sender<bool>,
    pub shutdown: CancellationToken,
    pub server: tokio::task::JoinHandle<std::io::Result<()>>,
    pub source: Arc<OneClass>,
    pub knowledge: Arc<Knowledge>,
    layer: Arc<Layer>,
    sequence: u64,
}

impl Mesh {
    pub async fn start(config: ServerConfig) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let source =
            Arc::new(OneClass { class: latest::Sender::new(Snapshot::empty()), attached: Arc::default() });
        let (ready, is_ready) = watch::channel(true);
        let handles = Handles::new(is_ready);
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(config, source.clone(), handles.clone(), listener, shutdown.clone()));
        let knowledge = Arc::default();
        let layer = Layer::empty();
        Self { addr, handles, ready, shutdown, server, source, knowledge, layer, sequence: 0 }
    }

    /// Publishes an edit and gives its sequence number.
    pub fn publish(&mut self, change: impl FnOnce(&mut Edit)) -> u64 {
        self.layer = self.layer.edit(change);
        self.sequence += 1;
        let snapshot = Snapshot::of(self.layer.clone(), self.sequence, Instant::now());
        self.source.class.set(snapshot);
        self.sequence
    }

    pub fn envoy(&self, name: &str) -> Envoy {
        let id = format!("sidecar~10.0.0.1~{name}~default.svc.cluster.local");
        Envoy::new(Node { id, ..Node::default() }, self.knowledge.clone())
    }
}

pub fn resource(kind: ResourceType, name: &str, message: &impl Message) -> Arc<Resource> {
    Resource::new(kind, name, &message.encode_to_vec(), &[], Arc::new([]))
}

pub fn cluster(service: usize, salt: &str) -> Arc<Resource> {
    let name = format!("outbound|80||svc-{service}.default.svc.cluster.local");
    let message = parts::Cluster { name: name.clone(), discovery_type: Some(3), salt: salt.into() };
    resource(ResourceType::Cluster, &name, &message)
}

pub fn endpoints(service: usize, salt: &str) -> Arc<Resource> {
    let name = format!("outbound|80||svc-{service}.default.svc.cluster.local");
    let message = parts::Endpoints { cluster_name: name.clone(), salt: salt.into() };
    resource(ResourceType::Endpoints, &name, &message)
}

fn virtual_host(service: usize, salt: &str) -> parts::VirtualHost {
    let name = format!("80/svc-{service}.default.svc.cluster.local:80");
    let cluster = format!("outbound|80||svc-{service}.default.svc.cluster.local");
    let route = parts::Route { route: Some(parts::RouteAction { cluster, weighted_clusters: None }) };
    parts::VirtualHost { name, routes: vec![route], salt: salt.into() }
}

pub fn host(service: usize, salt: &str) -> Arc<Resource> {
    let message = virtual_host(service, salt);
    resource(ResourceType::VirtualHost, &message.name, &message)
}

/// The listener and the route configuration of port 80.
pub fn port_80() -> [Arc<Resource>; 2] {
    let manager = parts::ConnectionManager { rds: Some(parts::Rds { route_config_name: "80".into() }) };
    let config = Any { type_url: parts::CONNECTION_MANAGER.into(), value: manager.encode_to_vec().into() };
    let filter = parts::Filter { name: "http".into(), typed_config: Some(config) };
    let listener = parts::Listener {
        name: "0.0.0.0_80".into(),
        filter_chains: vec![parts::FilterChain { filters: vec![filter] }],
        ..Default::default()
    };
    let route =
        parts::RouteConfiguration { name: "80".into(), vhds: Some(parts::Vhds {}), ..Default::default() };
    [resource(ResourceType::Listener, "0.0.0.0_80", &listener), resource(ResourceType::Route, "80", &route)]
}

/// A mesh of so many services.
pub fn services(edit: &mut Edit, count: usize, salt: &str) {
    port_80().into_iter().for_each(|resource| edit.set(resource));
    let mut hosts = Vec::new();
    for service in 0..count {
        hosts.push(virtual_host(service, salt));
        edit.set(cluster(service, salt));
        edit.set(endpoints(service, salt));
        edit.set(host(service, salt));
    }
    let inline = parts::RouteConfiguration { name: "80".into(), virtual_hosts: hosts, ..Default::default() };
    edit.set(resource(ResourceType::InlineRoute, "80", &inline));
}
