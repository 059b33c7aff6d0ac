//! Envoy's validation rules on messages that are almost right.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

use std::time::Duration;

use mesh_proto::envoy::config::cluster::v3::{Cluster, OutlierDetection};
use mesh_proto::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, Metadata, SocketAddress, TypedExtensionConfig,
};
use mesh_proto::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use mesh_proto::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster, route, route_action,
    route_match,
};
use mesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use mesh_proto::google::protobuf::{Any, UInt32Value};
use mesh_proto::validate::validate_message;
use mesh_proto::{duration, pack, string_struct};

/// Path and rule of each violation.
fn broken<M: prost::Message + prost::Name>(message: &M) -> Vec<String> {
    validate_message(message)
        .unwrap()
        .iter()
        .map(|violation| format!("{}: {}", violation.path, violation.rule))
        .collect()
}

fn cluster() -> Cluster {
    Cluster { name: "outbound|80||reviews".to_owned(), ..Default::default() }
}

fn route_to(action: RouteAction) -> RouteConfiguration {
    let path = route_match::PathSpecifier::Prefix("/".to_owned());
    let route = Route {
        r#match: Some(RouteMatch { path_specifier: Some(path), ..Default::default() }),
        action: Some(route::Action::Route(action)),
        ..Default::default()
    };
    let host = VirtualHost {
        name: "reviews:80".to_owned(),
        domains: vec!["reviews".to_owned()],
        routes: vec![route],
        ..Default::default()
    };
    RouteConfiguration { name: "80".to_owned(), virtual_hosts: vec![host], ..Default::default() }
}

fn to_cluster(name: &str) -> RouteAction {
    let cluster = route_action::ClusterSpecifier::Cluster(name.to_owned());
    RouteAction { cluster_specifier: Some(cluster), ..Default::default() }
}

fn listener(typed_config: Any) -> Listener {
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(typed_config)),
    };
    Listener {
        filter_chains: vec![FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn a_good_message_breaks_nothing() {
    assert_eq!(broken(&cluster()), [""; 0]);
    assert_eq!(broken(&route_to(to_cluster("outbound|80||reviews"))), [""; 0]);
}

#[test]
fn a_cluster_needs_a_name() {
    let violations = validate_message(&Cluster::default()).unwrap();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].to_string(), r#"name: must hold: has at least 1 characters; found """#);
}

#[test]
fn a_route_needs_a_destination() {
    let violations = broken(&route_to(RouteAction::default()));
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(
        violations[0].starts_with("virtual_hosts[0].routes[0].route.cluster_specifier: one of cluster, ")
    );
    assert_eq!(
        broken(&route_to(to_cluster(""))),
        ["virtual_hosts[0].routes[0].route.cluster: has at least 1 characters"],
        "a member of a oneof is checked when it is the one that is set"
    );
}

#[test]
fn header_names_and_values_cannot_break_a_request() {
    let with_header = |key: &str, value: &str| {
        let header = HeaderValue { key: key.to_owned(), value: value.to_owned(), ..Default::default() };
        let option = HeaderValueOption { header: Some(header), ..Default::default() };
        let mut routes = route_to(to_cluster("a"));
        routes.request_headers_to_add = vec![option];
        broken(&routes)
    };
    assert_eq!(with_header("x-user", "ada"), [""; 0]);
    assert_eq!(with_header("x-user\n", "ada").len(), 1);
    assert_eq!(with_header("x-user", "ada\r\nx-admin: yes").len(), 1);
    assert_eq!(with_header("", "ada").len(), 1);
}

#[test]
fn numbers_have_ranges() {
    let with_percent = |value| Cluster {
        outlier_detection: Some(OutlierDetection {
            max_ejection_percent: Some(UInt32Value { value }),
            ..Default::default()
        }),
        ..cluster()
    };
    assert_eq!(broken(&with_percent(100)), [""; 0]);
    assert_eq!(broken(&with_percent(101)), ["outlier_detection.max_ejection_percent: <= 100"]);
}

#[test]
fn enum_values_exist() {
    let strange = Cluster { lb_policy: 99, ..cluster() };
    assert_eq!(broken(&strange), ["lb_policy: is a value of envoy.config.cluster.v3.Cluster.LbPolicy"]);
}

#[test]
fn durations_have_bounds() {
    let with_timeout = |timeout| Cluster { connect_timeout: Some(duration(timeout)), ..cluster() };
    assert_eq!(broken(&with_timeout(Duration::from_millis(1))), [""; 0]);
    assert_eq!(broken(&with_timeout(Duration::ZERO)), ["connect_timeout: > 0"]);
}

#[test]
fn lists_have_lengths() {
    let no_clusters = WeightedCluster::default();
    let specifier = route_action::ClusterSpecifier::WeightedClusters(no_clusters);
    let action = RouteAction { cluster_specifier: Some(specifier), ..Default::default() };
    let expected = "virtual_hosts[0].routes[0].route.weighted_clusters.clusters: has at least 1 items";
    assert_eq!(broken(&route_to(action)), [expected]);

    let no_domains = VirtualHost { name: "a".to_owned(), ..Default::default() };
    assert_eq!(broken(&no_domains), ["domains: has at least 1 items"]);
}

#[test]
fn maps_have_rules_for_keys_and_values() {
    let metadata = Metadata {
        filter_metadata: [(String::new(), string_struct([("a", "b")]))].into(),
        ..Default::default()
    };
    assert_eq!(broken(&metadata), [r#"filter_metadata[""]: key has at least 1 characters"#]);
}

#[test]
fn typed_configuration_is_checked_too() {
    let bad = broken(&listener(pack(&HttpConnectionManager::default())));
    let inner = "filter_chains[0].filters[0].typed_config.";
    assert_eq!(bad[0], format!("{inner}route_specifier: one of rds, route_config, scoped_routes is set"));
    assert_eq!(bad[1], format!("{inner}stat_prefix: has at least 1 characters"));
    assert_eq!(bad.len(), 2, "{bad:?}");
}

#[test]
fn an_any_holds_a_known_message() {
    let unknown = Any { type_url: "type.googleapis.com/nobody.knows.This".to_owned(), ..Default::default() };
    let violations = validate_message(&listener(unknown)).unwrap();
    assert!(violations[0].value.contains("nobody.knows.This"), "{violations:?}");

    let not_a_manager = Any { value: vec![0xff].into(), ..pack(&HttpConnectionManager::default()) };
    assert_eq!(broken(&listener(not_a_manager)).len(), 1);
}

#[test]
fn required_messages_are_set() {
    let nameless = TypedExtensionConfig::default();
    assert_eq!(broken(&nameless), ["name: has at least 1 characters", "typed_config: is set"]);
    assert!(
        broken(&SocketAddress::default())
            .iter()
            .any(|violation| violation.starts_with("port_specifier: one of"))
    );
}

#[test]
fn nesting_without_end_ends() {
    let mut any = pack(&cluster());
    for _ in 0..1_000 {
        let extension = TypedExtensionConfig { name: "a".to_owned(), typed_config: Some(any) };
        any = pack(&extension);
    }
    let outermost = TypedExtensionConfig { name: "a".to_owned(), typed_config: Some(any) };
    let violations = validate_message(&outermost).unwrap();
    assert!(violations[0].rule.contains("levels deep"), "{violations:?}");
}
