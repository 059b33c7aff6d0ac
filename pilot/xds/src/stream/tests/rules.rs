//! Single rules of the protocol, one a test.

use super::*;

/// A stream, a snapshot and a pen.
pub(super) struct Desk {
    pub(super) state: StreamState,
    layer: Arc<Layer>,
    sequence: u64,
    pub(super) snapshot: Arc<Snapshot>,
}

impl Desk {
    pub(super) fn new(protocol: Protocol) -> Self {
        let state = StreamState::new(protocol, "a.b".into(), Arc::new(Aliases), shared());
        Self { state, layer: Layer::empty(), sequence: 0, snapshot: Snapshot::empty() }
    }

    pub(super) fn publish(&mut self, change: impl FnOnce(&mut crate::layer::Edit)) {
        self.layer = self.layer.edit(change);
        self.sequence += 1;
        self.snapshot = Snapshot::of(self.layer.clone(), self.sequence, Instant::now());
    }

    pub(super) fn next(&mut self) -> Option<Response> {
        self.state.next(&self.snapshot.clone())
    }

    pub(super) fn ask(&mut self, kind: ResourceType, names: &[&str]) {
        self.state.on_delta_request(DeltaDiscoveryRequest {
            type_url: kind.type_url().into(),
            resource_names_subscribe: names.iter().map(|name| name.to_string()).collect(),
            ..Default::default()
        });
    }

    pub(super) fn ack(&mut self, response: &Response) {
        self.state.on_delta_request(DeltaDiscoveryRequest {
            type_url: response.kind.type_url().into(),
            response_nonce: response.nonce.to_string(),
            ..Default::default()
        });
    }

    fn nack(&mut self, response: &Response, message: &str) {
        self.state.on_delta_request(DeltaDiscoveryRequest {
            type_url: response.kind.type_url().into(),
            response_nonce: response.nonce.to_string(),
            error_detail: Some(wire::Status { code: 13, message: message.into() }),
            ..Default::default()
        });
    }

    fn sotw(&mut self, kind: ResourceType, names: &[&str], nonce: &str) {
        self.state.on_sotw_request(wire::DiscoveryRequest {
            type_url: kind.type_url().into(),
            resource_names: names.iter().map(|name| name.to_string()).collect(),
            response_nonce: nonce.into(),
            ..Default::default()
        });
    }

    fn sotw_rejects(&mut self, kind: ResourceType, nonce: &str, message: &str) {
        self.state.on_sotw_request(wire::DiscoveryRequest {
            type_url: kind.type_url().into(),
            response_nonce: nonce.into(),
            error_detail: Some(wire::Status { code: 13, message: message.into() }),
            ..Default::default()
        });
    }
}

/// `80/short` stands for `82/h2`.
struct Aliases;

impl Resolve for Aliases {
    fn resolve(&self, kind: ResourceType, name: &str) -> Option<Arc<Resource>> {
        (kind == ResourceType::VirtualHost && name == "80/short").then(|| host(2, 7, &[]))
    }
}

fn names(response: &Response) -> Vec<&str> {
    response.batch.resources().map(|resource| &**resource.name()).collect()
}

#[test]
fn an_empty_wildcard_is_answered_once() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.ask(ResourceType::Cluster, &[]);
    let answer = desk.next().unwrap();
    assert!(answer.batch.is_empty() && answer.removed.is_empty());
    assert!(desk.next().is_none());
    desk.ack(&answer);
    assert!(desk.next().is_none());
    assert!(desk.state.has(&desk.snapshot));
}

#[test]
fn a_name_that_does_not_exist_is_answered_as_removed() {
    for kind in [ResourceType::Cluster, ResourceType::Endpoints] {
        let mut desk = Desk::new(Protocol::Delta);
        desk.ask(kind, &["nobody"]);
        let answer = desk.next().unwrap();
        assert_eq!((answer.removed, answer.kind), (vec!["nobody".into()], kind));
    }
}

#[test]
fn a_virtual_host_that_does_not_exist_is_answered_with_nothing_under_its_name() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.ask(ResourceType::VirtualHost, &["80/nobody"]);
    let answer = on_wire(&desk.next().unwrap());
    assert_eq!((&*answer.resources[0].name, &answer.resources[0].resource), ("80/nobody", &None));
    assert!(answer.removed_resources.is_empty());
}

#[test]
fn a_name_that_comes_to_exist_is_sent() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.ask(ResourceType::Cluster, &["c1"]);
    let answer = desk.next().unwrap();
    desk.ack(&answer);
    desk.publish(|edit| edit.set(cluster(1, 0)));
    assert_eq!(names(&desk.next().unwrap()), ["c1"]);
}

#[test]
fn a_name_is_answered_again_when_asked_again() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| edit.set(endpoints(1, 0)));
    desk.ask(ResourceType::Endpoints, &["c1"]);
    let answer = desk.next().unwrap();
    desk.ack(&answer);
    assert!(desk.next().is_none());
    desk.ask(ResourceType::Endpoints, &["c1"]);
    assert_eq!(names(&desk.next().unwrap()), ["c1"]);
}

#[test]
fn an_alias_is_answered_with_the_canonical_host() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| edit.set(host(2, 0, &[])));
    desk.ask(ResourceType::VirtualHost, &["80/short"]);
    let answer = desk.next().unwrap();
    desk.ack(&answer);
    let wire = on_wire(&answer);
    assert_eq!(
        (&*wire.resources[0].name, &*wire.resources[0].aliases),
        ("82/h2", &["80/short".to_owned()][..])
    );
    assert_eq!(wire.resources[0].version, **host(2, 0, &[]).version());
    // A change of the canonical host reaches the one who knows it by the alias.
    desk.publish(|edit| edit.set(host(2, 1, &[])));
    let update = on_wire(&desk.next().unwrap());
    assert_eq!(update.resources[0].version, **host(2, 1, &[]).version());
    assert_eq!(update.resources[0].aliases, ["80/short"]);
}

#[test]
fn a_modified_cluster_gets_its_endpoints_again_and_routes_wait_for_that() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| {
        edit.set(cluster(1, 0));
        edit.set(endpoints(1, 0));
        edit.set(host(1, 0, &[1]));
    });
    desk.ask(ResourceType::Cluster, &[]);
    desk.ask(ResourceType::Endpoints, &["c1"]);
    desk.ask(ResourceType::VirtualHost, &[]);
    let (clusters, first_endpoints) = (desk.next().unwrap(), desk.next().unwrap());
    assert!(desk.next().is_none(), "hosts wait for clusters");
    desk.ack(&clusters);
    assert!(desk.next().is_none(), "hosts wait for endpoints");
    desk.ack(&first_endpoints);
    let hosts = desk.next().unwrap();
    assert_eq!(hosts.kind, ResourceType::VirtualHost);
    desk.ack(&hosts);
    desk.publish(|edit| {
        edit.set(cluster(1, 1));
        edit.set(host(1, 1, &[1]));
    });
    let clusters = desk.next().unwrap();
    let again = desk.next().unwrap();
    assert_eq!((again.kind, names(&again)), (ResourceType::Endpoints, vec!["c1"]));
    desk.ack(&clusters);
    assert!(desk.next().is_none(), "hosts wait for the endpoints");
    desk.ack(&again);
    assert_eq!(desk.next().unwrap().kind, ResourceType::VirtualHost);
}

#[test]
fn an_endpoint_change_waits_for_nothing() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| {
        edit.set(cluster(1, 0));
        edit.set(endpoints(1, 0));
        edit.set(endpoints(2, 0));
    });
    desk.ask(ResourceType::Cluster, &[]);
    desk.ask(ResourceType::Endpoints, &["c1", "c2"]);
    let (_unacknowledged, endpoints_sent) = (desk.next().unwrap(), desk.next().unwrap());
    desk.ack(&endpoints_sent);
    desk.publish(|edit| edit.set(endpoints(2, 1)));
    assert_eq!(names(&desk.next().unwrap()), ["c2"]);
}

#[test]
fn a_request_that_crosses_a_push_is_not_an_ack() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| edit.set(endpoints(1, 0)));
    desk.ask(ResourceType::Endpoints, &["c1"]);
    let one = desk.next().unwrap();
    desk.ack(&one);
    desk.publish(|edit| edit.set(endpoints(1, 1)));
    let _two = desk.next().unwrap();
    desk.ack(&one);
    desk.publish(|edit| edit.set(endpoints(1, 2)));
    assert!(desk.next().is_none(), "the second is still unacknowledged");
}

#[test]
fn a_subscribed_route_is_followed_by_its_hosts_and_a_changed_one_is_not() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| {
        edit.set(world::route(1));
        edit.set(host(1, 0, &[]));
        edit.set(host(2, 0, &[]));
    });
    desk.ask(ResourceType::VirtualHost, &[]);
    let hosts = desk.next().unwrap();
    desk.ack(&hosts);
    desk.ask(ResourceType::Route, &["81"]);
    let (route, hosts) = (desk.next().unwrap(), desk.next().unwrap());
    assert_eq!((names(&route), names(&hosts)), (vec!["81"], vec!["81/h1"]));
    desk.ack(&route);
    desk.ack(&hosts);
    let changed = resource(ResourceType::Route, "81", &crate::testing::parts::Vhds {});
    desk.publish(|edit| edit.set(changed));
    assert_eq!(desk.next().unwrap().kind, ResourceType::Route);
    assert!(desk.next().is_none());
}

#[test]
fn what_the_client_brings_is_not_sent_again() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| {
        for id in 1..4 {
            edit.set(cluster(id, 0));
        }
    });
    let version = wire::NameVersion::encoded;
    desk.state.on_delta_request(DeltaDiscoveryRequest {
        type_url: ResourceType::Cluster.type_url().into(),
        initial_resource_versions: vec![
            version("c1", cluster(1, 0).version()),
            version("c2", "old"),
            version("gone", "1"),
        ],
        ..Default::default()
    });
    desk.ask(ResourceType::Listener, &[]);
    let changed = desk.next().unwrap();
    assert_eq!(names(&changed), ["c2", "c3"]);
    desk.ack(&changed);
    let listeners = desk.next().unwrap();
    desk.ack(&listeners);
    assert_eq!(desk.next().unwrap().removed, vec!["gone".into()]);
}

#[test]
fn endpoints_of_a_cluster_that_warmed_when_the_stream_broke_are_sent_again() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| {
        edit.set(cluster(1, 0));
        edit.set(endpoints(1, 0));
    });
    desk.ask(ResourceType::Cluster, &[]);
    let first = desk.next().unwrap();
    desk.ask(ResourceType::Endpoints, &["c1"]);
    desk.ack(&first);
    let first = desk.next().unwrap();
    desk.ack(&first);
    desk.publish(|edit| edit.set(cluster(1, 1)));
    let modified = desk.next().unwrap();
    desk.ack(&modified);
    assert_eq!(names(&desk.next().unwrap()), ["c1"]);

    // The endpoints do not arrive. What the proxy brings is equal in all it says.
    let shared = desk.state.context.shared.clone();
    let mut again = StreamState::new(Protocol::Delta, "a.b".into(), Arc::new(Aliases), shared);
    for held in [cluster(1, 1), endpoints(1, 0)] {
        let version = wire::NameVersion::encoded(held.name(), held.version());
        again.on_delta_request(DeltaDiscoveryRequest {
            type_url: held.kind().type_url().into(),
            resource_names_subscribe: match held.kind() {
                ResourceType::Endpoints => vec!["c1".into()],
                _ => Vec::new(),
            },
            initial_resource_versions: vec![version],
            ..Default::default()
        });
    }
    let old = std::mem::replace(&mut desk.state, again);
    let endpoints = desk.next().unwrap();
    assert_eq!((endpoints.kind, names(&endpoints)), (ResourceType::Endpoints, vec!["c1"]));
    // The old stream may be known to be over only now.
    drop(old);
    desk.ack(&endpoints);
    let rest = desk.next().unwrap();
    assert!(rest.kind == ResourceType::Cluster && names(&rest).is_empty(), "{rest:?}");
    desk.ack(&rest);
    assert!(desk.next().is_none());
    assert!(desk.state.context.shared.unwarmed.of(&"a.b".into()).is_empty());
}

#[test]
fn a_rejection_holds_back_only_the_resource_that_it_names() {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| edit.set(cluster(1, 0)));
    desk.ask(ResourceType::Cluster, &[]);
    let first = desk.next().unwrap();
    desk.ack(&first);
    desk.publish(|edit| {
        edit.set(cluster(1, 9));
        edit.set(cluster(2, 0));
    });
    let bad = desk.next().unwrap();
    desk.nack(&bad, "Error adding/updating cluster(s) c1: bad");
    let rest = desk.next().unwrap();
    assert_eq!(names(&rest), ["c2"]);
    desk.ack(&rest);
    let report = desk.state.context.shared.rejections.report();
    assert_eq!((&*report[0].name, report[0].last_good.as_ref()), ("c1", Some(&cluster(1, 0))));
    // A new version is tried, and its acceptance ends the rejection.
    desk.publish(|edit| edit.set(cluster(1, 1)));
    let fixed = desk.next().unwrap();
    assert_eq!(names(&fixed), ["c1"]);
    desk.ack(&fixed);
    assert!(desk.state.context.shared.rejections.report().is_empty());
}

#[test]
fn a_proxy_that_comes_after_a_rejection_gets_the_last_good_version() {
    let mut old = Desk::new(Protocol::Delta);
    old.publish(|edit| edit.set(cluster(1, 0)));
    old.ask(ResourceType::Cluster, &[]);
    let first = old.next().unwrap();
    old.ack(&first);
    old.publish(|edit| edit.set(cluster(1, 9)));
    let bad = old.next().unwrap();
    old.nack(&bad, "no");
    let mut new = Desk::new(Protocol::Delta);
    new.state.context.shared = old.state.context.shared.clone();
    new.snapshot = old.snapshot.clone();
    new.ask(ResourceType::Cluster, &[]);
    let bad = new.next().unwrap();
    new.nack(&bad, "no");
    let good = on_wire(&new.next().unwrap());
    assert_eq!(good.resources[0].version, **cluster(1, 0).version());
}

#[test]
fn sotw_lists_clusters_in_full_and_endpoints_in_part() {
    let mut desk = Desk::new(Protocol::Sotw);
    desk.publish(|edit| {
        for id in 1..3 {
            edit.set(cluster(id, 0));
            edit.set(endpoints(id, 0));
        }
    });
    desk.sotw(ResourceType::Cluster, &[], "");
    let clusters = desk.next().unwrap();
    assert_eq!(names(&clusters), ["c1", "c2"]);
    desk.sotw(ResourceType::Cluster, &[], &clusters.nonce.to_string());
    desk.sotw(ResourceType::Endpoints, &["c1", "c2"], "");
    let sent = desk.next().unwrap();
    assert_eq!(names(&sent), ["c1", "c2"]);
    desk.sotw(ResourceType::Endpoints, &["c1", "c2"], &sent.nonce.to_string());
    assert!(desk.next().is_none(), "an acknowledgement is not answered");
    desk.publish(|edit| edit.set(cluster(1, 1)));
    let clusters = desk.next().unwrap();
    assert_eq!(names(&clusters), ["c1", "c2"]);
    let again = desk.next().unwrap();
    assert_eq!((again.kind, names(&again)), (ResourceType::Endpoints, vec!["c1"]));
}

#[test]
fn sotw_answers_added_names_and_not_removed_ones() {
    let mut desk = Desk::new(Protocol::Sotw);
    desk.publish(|edit| (1..4).for_each(|id| edit.set(endpoints(id, 0))));
    desk.sotw(ResourceType::Endpoints, &["c1"], "from-an-earlier-stream");
    let one = desk.next().unwrap();
    assert_eq!(names(&one), ["c1"]);
    desk.sotw(ResourceType::Endpoints, &["c1", "c2"], "stale");
    assert!(desk.next().is_none());
    desk.sotw(ResourceType::Endpoints, &["c1", "c2"], &one.nonce.to_string());
    let two = desk.next().unwrap();
    assert_eq!(names(&two), ["c2"]);
    desk.sotw(ResourceType::Endpoints, &["c2"], &two.nonce.to_string());
    assert!(desk.next().is_none());
    desk.sotw(ResourceType::Endpoints, &[], &two.nonce.to_string());
    desk.publish(|edit| edit.set(endpoints(2, 1)));
    assert!(desk.next().is_none(), "unsubscribed");
}

/// A route, `80`.
fn inline(to: &str) -> Arc<Resource> {
    resource(ResourceType::InlineRoute, "80", &to.to_owned())
}

/// A client that has a cluster, and a route that names it.
fn routed_to_c1() -> Desk {
    let mut desk = Desk::new(Protocol::Sotw);
    desk.publish(|edit| {
        edit.set(cluster(1, 0));
        edit.set(inline("c1"));
    });
    desk.sotw(ResourceType::Cluster, &[], "");
    desk.sotw(ResourceType::InlineRoute, &["80"], "");
    let clusters = desk.next().unwrap();
    desk.sotw(ResourceType::Cluster, &[], &clusters.nonce.to_string());
    let routes = desk.next().unwrap();
    desk.sotw(ResourceType::InlineRoute, &["80"], &routes.nonce.to_string());
    desk
}

#[test]
fn sotw_keeps_a_cluster_in_the_list_until_no_route_names_it() {
    let mut desk = routed_to_c1();
    desk.publish(|edit| {
        edit.remove(ResourceType::Cluster, "c1");
        edit.set(cluster(2, 0));
        edit.set(inline("c2"));
    });
    let clusters = desk.next().unwrap();
    assert_eq!(names(&clusters), ["c1", "c2"]);
    desk.sotw(ResourceType::Cluster, &[], &clusters.nonce.to_string());
    let routes = desk.next().unwrap();
    assert_eq!(routes.kind, ResourceType::InlineRoute);
    desk.sotw(ResourceType::InlineRoute, &["80"], &routes.nonce.to_string());
    assert_eq!(names(&desk.next().unwrap()), ["c2"]);
}

#[test]
fn sotw_keeps_what_a_cluster_was_when_it_was_to_go_and_comes_back_as_something_that_is_refused() {
    let mut desk = routed_to_c1();
    // The route still names it, so it stays in the list.
    desk.publish(|edit| {
        edit.remove(ResourceType::Cluster, "c1");
        edit.set(cluster(2, 0));
    });
    let clusters = desk.next().unwrap();
    assert_eq!(names(&clusters), ["c1", "c2"]);
    desk.sotw(ResourceType::Cluster, &[], &clusters.nonce.to_string());
    desk.publish(|edit| edit.set(cluster(1, 9)));
    let refused = desk.next().unwrap();
    desk.sotw_rejects(ResourceType::Cluster, &refused.nonce.to_string(), "c1: bad");
    let clusters = desk.next().unwrap();
    assert_eq!(names(&clusters), ["c1", "c2"]);
    let of = |response: &Response| response.batch.resources().next().unwrap().version().clone();
    assert_ne!(of(&clusters), of(&refused), "the version that it has");
}
