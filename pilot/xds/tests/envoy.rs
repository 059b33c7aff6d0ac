//! The server and a real Envoy: what the protocol rules are for.
//!
//! The configuration is written as JSON and is as small as can be; requests go through Envoy to an upstream in this process.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mesh_proto::json::from_json;
use mesh_testkit::Envoy;
use pilot_xds::wire::Node;
use pilot_xds::{
    Attachment, Edit, Handles, Layer, Protocol, Proven, Refusal, Resolve, Resource, ResourceType,
    ServerConfig, Snapshot, Source, latest, serve,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PROXY: &str = "web.default";

struct World {
    handles: Handles,
    class: Arc<latest::Sender>,
    layer: Arc<Layer>,
    sequence: u64,
    xds: SocketAddr,
    upstream: SocketAddr,
    /// Where Envoy listens.
    port: u16,
    _stop: tokio_util::sync::DropGuard,
}

struct Class {
    class: Arc<latest::Sender>,
    resolver: Arc<dyn Resolve>,
}

impl Source for Class {
    async fn attach(&self, _: &Node, _: Protocol, _: Option<&Proven>) -> Result<Attachment, Refusal> {
        let (class, resolver) = (self.class.subscribe(), self.resolver.clone());
        Ok(Attachment { proxy_name: PROXY.into(), class, resolver, health: None, guard: Box::new(()) })
    }
}

/// Knows host `short` of route configuration `r` as `r/long`, and the resources that are not in the snapshot.
struct OnDemand(Vec<Arc<Resource>>);

impl Resolve for OnDemand {
    fn resolve(&self, kind: ResourceType, name: &str) -> Option<Arc<Resource>> {
        let name = if name == "r/short" { "r/long" } else { name };
        self.0.iter().find(|held| held.kind() == kind && &**held.name() == name).cloned()
    }
}

impl World {
    async fn new(resolver: impl FnOnce(SocketAddr) -> Vec<Arc<Resource>>) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream_addr = upstream.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = upstream.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
                    while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                        socket.write_all(response).await.ok();
                    }
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let xds = listener.local_addr().unwrap();
        let class = Arc::new(latest::Sender::new(Snapshot::empty()));
        let (_, ready) = watch::channel(true);
        let handles = Handles::new(ready);
        let source = Class { class: class.clone(), resolver: Arc::new(OnDemand(resolver(upstream_addr))) };
        let stop = CancellationToken::new();
        let serving =
            serve(ServerConfig::default(), Arc::new(source), handles.clone(), listener, stop.clone());
        tokio::spawn(serving);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let layer = Layer::empty();
        let upstream = upstream_addr;
        Self { handles, class, layer, sequence: 0, xds, upstream, port, _stop: stop.drop_guard() }
    }

    fn publish(&mut self, change: impl FnOnce(&mut Edit)) -> u64 {
        self.layer = self.layer.edit(change);
        self.sequence += 1;
        let snapshot = Snapshot::of(self.layer.clone(), self.sequence, Instant::now());
        self.class.set(snapshot);
        self.sequence
    }

    /// Publishes, and waits until Envoy has answered for all of it.
    async fn arrive(&mut self, change: impl FnOnce(&mut Edit)) {
        let sequence = self.publish(change);
        self.handles.sync.wait_for(PROXY, sequence).await;
    }

    /// Status of a request to a host.
    async fn get(&self, host: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn rejected(&self) -> Vec<String> {
        self.handles.rejections.report().iter().map(|rejection| rejection.name.to_string()).collect()
    }

    fn listener(&self, name: &str, extra: Value) -> Arc<Resource> {
        listener(name, self.port, extra)
    }

    fn bootstrap(&self, dynamic: bool, static_listener: Option<Value>) -> String {
        let ads = json!({"ads": {}, "resource_api_version": "V3"});
        let (host, port) = (self.xds.ip().to_string(), self.xds.port());
        let address = json!({"socket_address": {"address": host, "port_value": port}});
        let mut resources = json!({"ads_config": {
            "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}});
        if dynamic {
            resources["cds_config"] = ads.clone();
            resources["lds_config"] = ads;
        }
        json!({
            "node": {"id": "sidecar~127.0.0.1~web.default~default.svc.cluster.local", "cluster": "web"},
            "dynamic_resources": resources,
            "static_resources": {
                "listeners": static_listener.into_iter().collect::<Vec<_>>(),
                "clusters": [{
                    "name": "xds", "type": "STATIC", "connect_timeout": "5s",
                    "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}}}},
                    "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [
                        {"endpoint": {"address": address}}]}]}}]}
        })
        .to_string()
    }
}

fn resource(kind: ResourceType, name: &str, json: &Value) -> Arc<Resource> {
    let message = from_json(kind.type_url(), json).unwrap();
    Resource::new(kind, name, &message, &[], Arc::new([format!("test/{name}").into()]))
}

fn ads() -> Value {
    json!({"ads": {}, "resource_api_version": "V3"})
}

fn cluster(name: &str, timeout: &str) -> Arc<Resource> {
    let eds = json!({"eds_config": ads()});
    let json = json!({"name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": eds});
    resource(ResourceType::Cluster, name, &json)
}

/// Envoy refuses it: this policy is not for clusters of this type.
fn bad_cluster(name: &str) -> Arc<Resource> {
    let eds = json!({"eds_config": ads()});
    let json =
        json!({"name": name, "type": "EDS", "lb_policy": "CLUSTER_PROVIDED", "eds_cluster_config": eds});
    resource(ResourceType::Cluster, name, &json)
}

fn endpoints(name: &str, at: SocketAddr) -> Arc<Resource> {
    let address = json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    resource(ResourceType::Endpoints, name, &json!({"cluster_name": name, "endpoints": endpoints}))
}

fn route_configuration() -> Arc<Resource> {
    resource(ResourceType::Route, "r", &json!({"name": "r", "vhds": {"config_source": ads()}}))
}

fn host(name: &str, domains: &[&str], cluster: &str) -> Arc<Resource> {
    let name = format!("r/{name}");
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]);
    let json = json!({"name": name, "domains": domains, "routes": routes});
    resource(ResourceType::VirtualHost, &name, &json)
}

fn listener_json(name: &str, port: u16, route: Value, filters: Vec<Value>) -> Value {
    let mut http_filters = filters;
    http_filters.push(json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "http_filters": http_filters});
    manager.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    let filter = json!({"name": "http", "typed_config": manager});
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [filter]}]})
}

fn listener(name: &str, port: u16, extra: Value) -> Arc<Resource> {
    let rds = json!({"rds": {"route_config_name": "r", "config_source": ads()}});
    let mut json = listener_json(name, port, rds, Vec::new());
    json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    resource(ResourceType::Listener, name, &json)
}

#[tokio::test]
async fn envoy_follows_every_kind_of_change() {
    let mut world = World::new(|_| Vec::new()).await;
    let (at, listener) = (world.upstream, world.listener("l", json!({})));
    world.publish(|edit| {
        edit.set(cluster("a", "1s"));
        edit.set(endpoints("a", at));
        edit.set(listener);
        edit.set(route_configuration());
        edit.set(host("a", &["a"], "a"));
    });
    let Some(envoy) = Envoy::start(&world.bootstrap(true, None)).await else { return };
    assert_eq!(world.get("a").await, "200");
    assert_eq!(world.get("b").await, "404");

    // A modified cluster warms, and its endpoints follow unasked.
    world.arrive(|edit| edit.set(cluster("a", "2s"))).await;
    assert_eq!(envoy.stat("cluster_manager.warming_clusters").await.unwrap(), 0);
    assert_eq!(world.get("a").await, "200");

    // A new cluster is there before the host that names it; the old one goes when nothing names it.
    world
        .arrive(|edit| {
            edit.remove(ResourceType::Cluster, "a");
            edit.remove(ResourceType::Endpoints, "a");
            edit.set(cluster("b", "1s"));
            edit.set(endpoints("b", at));
            edit.set(host("a", &["a"], "b"));
        })
        .await;
    assert_eq!(world.get("a").await, "200");
    let clusters = envoy.admin_get("/clusters").await.unwrap();
    assert!(clusters.contains("b::") && !clusters.contains("\na::"), "{clusters}");

    // A listener of another name that takes the routes over gets the hosts again.
    let other = world.listener("l2", json!({}));
    world.arrive(|edit| edit.remove(ResourceType::Listener, "l")).await;
    world.arrive(|edit| edit.set(other)).await;
    world.arrive(|edit| edit.set(host("b", &["b"], "b"))).await;
    assert_eq!(world.get("a").await, "200");
    assert_eq!(world.get("b").await, "200");
    world.arrive(|edit| edit.remove(ResourceType::VirtualHost, "r/b")).await;
    assert_eq!(world.get("b").await, "404");
    assert!(world.rejected().is_empty());
}

#[tokio::test]
async fn what_envoy_refuses_is_found_and_nothing_else_is_held_back() {
    let mut world = World::new(|_| Vec::new()).await;
    let (at, listener) = (world.upstream, world.listener("l", json!({})));
    world.publish(|edit| {
        edit.set(cluster("a", "1s"));
        edit.set(endpoints("a", at));
        edit.set(listener);
        edit.set(route_configuration());
        edit.set(host("a", &["a"], "a"));
    });
    let Some(_envoy) = Envoy::start(&world.bootstrap(true, None)).await else { return };

    world
        .arrive(|edit| {
            edit.set(bad_cluster("outbound|80||bad.default"));
            edit.set(bad_cluster("a"));
            edit.set(cluster("outbound|80||good.default", "1s"));
            edit.set(endpoints("outbound|80||good.default", at));
            edit.set(host("good", &["good"], "outbound|80||good.default"));
        })
        .await;
    assert_eq!(world.rejected(), ["a", "outbound|80||bad.default"]);
    assert_eq!(world.get("a").await, "200", "the last good version serves");
    assert_eq!(world.get("good").await, "200");

    // Two hosts with one domain: Envoy refuses the whole route configuration and names none of them.
    world
        .arrive(|edit| {
            edit.set(cluster("a", "1s"));
            edit.remove(ResourceType::Cluster, "outbound|80||bad.default");
            edit.set(host("clash", &["a"], "a"));
            edit.set(host("fine", &["fine"], "a"));
            edit.set(host("well", &["well"], "a"));
        })
        .await;
    assert_eq!(world.get("fine").await, "200");
    assert_eq!(world.get("well").await, "200");
    assert_eq!(world.get("a").await, "200");
    assert!(world.rejected().contains(&"r/clash".to_owned()), "{:?}", world.rejected());

    let bad = world.listener("bad", json!({"filter_chain_matcher": null, "address": null}));
    let fine = world.listener("l", json!({"stat_prefix": "changed"}));
    world
        .arrive(|edit| {
            edit.remove(ResourceType::VirtualHost, "r/clash");
            edit.set(bad);
            edit.set(fine);
        })
        .await;
    assert!(world.rejected().contains(&"bad".to_owned()), "{:?}", world.rejected());
    assert!(!world.rejected().contains(&"l".to_owned()), "{:?}", world.rejected());
    assert_eq!(world.get("a").await, "200");
}

#[tokio::test]
async fn envoy_fetches_on_first_use() {
    let world = World::new(|at| {
        vec![host("long", &["long", "short"], "lazy"), cluster("lazy", "1s"), endpoints("lazy", at)]
    });
    let mut world = world.await;
    let at = world.upstream;
    world.publish(|edit| {
        edit.set(route_configuration());
        // An empty answer would not end Envoy's wait for virtual hosts.
        edit.set(host("none", &["none.invalid"], "none"));
        // Endpoints go only to who asks.
        edit.set(endpoints("lazy", at));
    });
    let on_demand = json!({"name": "on_demand", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand",
        "odcds": {"source": ads(), "timeout": "5s"}}});
    let route = json!({"rds": {"route_config_name": "r", "config_source": ads()}});
    let listener = listener_json("l", world.port, route, vec![on_demand]);
    let Some(_envoy) = Envoy::start(&world.bootstrap(false, Some(listener))).await else { return };
    assert_eq!(world.get("short").await, "200");
    assert_eq!(world.get("short").await, "200");
    assert_eq!(world.get("nobody").await, "404");
    assert!(world.rejected().is_empty());
}
