//! A proxy asks for what Envoy asks for, in Envoy's order.

use mesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use mesh_proto::envoy::config::route::v3::{RouteConfiguration, Vhds};
use pilot_xds::wire::Any;
use prost::Message as _;

use super::*;

struct Bed {
    proxy: Proxy,
    catalog: Catalog,
    board: Board,
}

impl Bed {
    fn new() -> Self {
        Self { proxy: Proxy::new(Node::default()), catalog: Catalog::default(), board: Board::default() }
    }

    fn open(&mut self, start: Start) -> Vec<String> {
        let requests = self.proxy.open(start, &mut self.catalog).unwrap();
        requests.iter().map(|request| describe(request, &self.catalog)).collect()
    }

    /// Reads one response and says what is asked for afterwards.
    fn read(&mut self, kind: Kind, resources: &[(&str, &str, &[u8])], removed: &[&str]) -> Vec<String> {
        let (mut current, mut virtual_hosts, mut out) = (None, false, Vec::new());
        let Self { proxy, catalog, board } = self;
        let mut reading = Reading {
            proxy,
            catalog,
            board,
            kind: &mut current,
            virtual_hosts: &mut virtual_hosts,
            out: &mut out,
        };
        reading.kind(kind.url().as_bytes()).unwrap();
        for (name, version, message) in resources {
            let wanted = reading.wants(name.as_bytes(), version.as_bytes());
            let any = Any { type_url: kind.url().into(), value: message.to_vec().into() }.encode_to_vec();
            reading.resource(name.as_bytes(), version.as_bytes(), wanted.then_some(&any)).unwrap();
        }
        removed.iter().for_each(|name| reading.removed(name.as_bytes()).unwrap());
        reading.end(b"1", 0).unwrap();
        out.iter().map(|request| describe(request, &self.catalog)).collect()
    }
}

/// `Kind +subscribed -unsubscribed held@version ack`
fn describe(request: &Request, catalog: &Catalog) -> String {
    let Request { kind, node: _, subscribe, unsubscribe, initial, nonce } = request;
    let mut text = format!("{kind:?}");
    subscribe.iter().for_each(|name| text += &format!(" +{}", catalog.text(*kind, *name)));
    unsubscribe.iter().for_each(|name| text += &format!(" -{}", catalog.text(*kind, *name)));
    for (name, version) in initial {
        text += &format!(" {}@{}", catalog.text(*kind, *name), catalog.version_text(*version));
    }
    if !nonce.is_empty() {
        text += " ack";
    }
    text
}

fn cluster(kind: DiscoveryType) -> Vec<u8> {
    let kind = Some(ClusterDiscoveryType::Type(kind.into()));
    Cluster { name: "a".into(), cluster_discovery_type: kind, ..Default::default() }.encode_to_vec()
}

#[test]
fn a_new_proxy_asks_step_by_step_and_a_reconnected_one_states_what_it_has() {
    let mut bed = Bed::new();
    assert_eq!(bed.open(Start::Empty), ["Cluster"]);
    let eds = cluster(DiscoveryType::Eds);
    assert_eq!(bed.read(Kind::Cluster, &[("a", "1", &eds)], &[]), ["Endpoints +a", "Cluster ack"]);
    assert_eq!(bed.board.with_clusters.get(), 1);
    assert_eq!(bed.read(Kind::Endpoints, &[("a", "1", &[])], &[]), ["Listener", "Endpoints ack"]);
    assert_eq!(bed.board.configured.get(), 0);
    assert_eq!(bed.read(Kind::Listener, &[], &[]), ["Listener ack"]);
    assert_eq!(bed.board.configured.get(), 1);

    let opened = bed.open(Start::Resumed);
    assert_eq!(opened, ["Cluster a@1", "Endpoints +a a@1", "Listener", "Endpoints +end-of-reconnect"]);
    let answered = bed.read(Kind::Endpoints, &[], &["end-of-reconnect"]);
    assert_eq!(answered, ["Endpoints -end-of-reconnect", "Endpoints ack"]);
    assert_eq!(bed.board.configured.get(), 2);
}

#[test]
fn a_cluster_that_goes_takes_its_subscription_along_and_a_changed_one_keeps_it() {
    let mut bed = Bed::new();
    bed.open(Start::Empty);
    let (eds, passthrough) = (cluster(DiscoveryType::Eds), cluster(DiscoveryType::OriginalDst));
    bed.read(Kind::Cluster, &[("a", "1", &eds)], &[]);
    assert_eq!(bed.read(Kind::Cluster, &[("a", "2", &eds)], &[]), ["Cluster ack"]);
    assert_eq!(bed.read(Kind::Cluster, &[("a", "3", &passthrough)], &[])[0], "Endpoints -a");
    assert_eq!(bed.read(Kind::Cluster, &[("a", "2", &eds)], &["b"])[0], "Endpoints +a");
    assert_eq!(bed.read(Kind::Cluster, &[], &["a"])[0], "Endpoints -a");
    assert_eq!(bed.board.repeated.get(), 0);
}

#[test]
fn virtual_hosts_are_asked_for_once() {
    let mut bed = Bed::new();
    bed.open(Start::Empty);
    let route = RouteConfiguration { vhds: Some(Vhds::default()), ..Default::default() }.encode_to_vec();
    assert_eq!(bed.read(Kind::Route, &[("80", "1", &route)], &[]), ["VirtualHost", "Route ack"]);
    assert_eq!(bed.read(Kind::Route, &[("80", "1", &route)], &[]), ["Route ack"]);
    assert_eq!(bed.board.repeated.get(), 1);
}
