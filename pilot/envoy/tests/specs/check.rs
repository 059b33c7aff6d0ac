//! What is found in sets of resources that do not fit together.

use super::given::{
    chain, cluster, endpoint, http, ip, listener, reviews, route, routes, tcp, to, virtual_host,
};
use mesh_model::{DirectResponse, RouteHeaders};
use pilot_envoy::Encode;
use pilot_envoy::check::check;
use pilot_view::spec::{
    ActionSpec, ChainMatch, EndpointsSpec, Preference, RouteConfigurationSpec, RouteSource, VirtualHostSpec,
    WeightedCluster,
};
use pilot_xds::resource::Resource;
use std::sync::Arc;

fn endpoints() -> EndpointsSpec {
    EndpointsSpec {
        cluster: cluster().name,
        endpoints: [endpoint(ip(1))].into(),
        preference: Preference::None,
    }
}

fn over_vhds() -> RouteConfigurationSpec {
    RouteConfigurationSpec {
        vhds: true,
        catch_all: pilot_view::spec::CatchAll::BlockAll,
        ..routes(Vec::new())
    }
}

fn found(resources: &[Arc<Resource>]) -> Vec<String> {
    let published =
        resources.iter().map(|resource| (resource.kind(), &**resource.name(), resource.message()));
    check(published).iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_wrong() {
    let listener = listener(
        "0.0.0.0_9080",
        9080,
        vec![chain("", ChainMatch::default(), http(RouteSource::Rds("9080".into())))],
    );
    let resources = [
        cluster().encode(),
        endpoints().encode(),
        listener.encode(),
        over_vhds().encode(),
        reviews().encode(),
    ];
    assert_eq!(found(&resources), [""; 0]);
}

#[test]
fn references_that_lead_nowhere() {
    let gone = WeightedCluster { cluster: "gone".into(), weight: 1, headers: RouteHeaders::default() };
    let other = ChainMatch { destination_port: Some(1), ..Default::default() };
    let listener = listener(
        "l",
        1,
        vec![
            chain("http", ChainMatch::default(), http(RouteSource::Rds("elsewhere".into()))),
            chain("tcp", other, tcp(vec![gone])),
        ],
    );
    let resources = [cluster().encode(), listener.encode(), reviews().encode()];
    assert_eq!(
        found(&resources),
        [
            "vhds 9080/reviews.shop.svc.cluster.local:9080: route configuration 9080 is not there",
            "cds outbound|9080||reviews.shop.svc.cluster.local: endpoints of outbound|9080||reviews.shop.svc.cluster.local are not there",
            "lds l: cluster gone is not there",
            "lds l: route configuration elsewhere is not there",
        ]
    );
}

#[test]
fn what_envoy_would_reject() {
    let answer =
        || route(ActionSpec::DirectResponse(DirectResponse { status: 200, body: Default::default() }));
    let broken = route(ActionSpec::DirectResponse(DirectResponse { status: 42, body: Default::default() }));
    let resources = [
        pilot_view::spec::ClusterSpec { discovery: pilot_view::spec::ClusterDiscovery::Nowhere, ..cluster() }
            .encode(),
        over_vhds().encode(),
        virtual_host("a:80", &["a", "b"], vec![answer()]).encode(),
        virtual_host("b:80", &["B", "c"], vec![answer()]).encode(),
        VirtualHostSpec { ..virtual_host("c:80", &["d"], vec![broken]) }.encode(),
        virtual_host("a:80", &["e"], vec![answer()]).encode(),
        listener(
            "l",
            1,
            vec![
                chain("one", ChainMatch::default(), tcp(vec![to(&cluster().name, 1)])),
                chain("two", ChainMatch::default(), tcp(vec![to(&cluster().name, 1)])),
            ],
        )
        .encode(),
    ];
    let found = found(&resources);
    assert!(found[0].starts_with("vhds 9080/c:80: routes[0].direct_response.status: "), "{found:#?}");
    assert_eq!(
        found[1..],
        [
            "vhds 9080/a:80: is there twice",
            "lds l: filter chains one and two take the same connections",
            "rds 9080: domain B is also 9080/a:80's",
        ]
    );
}

#[test]
fn routes_inside_listeners_are_checked_too() {
    let answer =
        || route(ActionSpec::DirectResponse(DirectResponse { status: 200, body: Default::default() }));
    let hosts = ["a:80", "b:80"].map(|name| virtual_host(name, &["a"], vec![answer()]));
    let inline =
        RouteConfigurationSpec { catch_all: pilot_view::spec::CatchAll::BlockAll, ..routes(hosts.to_vec()) };
    let chain = chain("", ChainMatch::default(), http(RouteSource::Inline(inline.into())));
    let found = found(&[listener("l", 1, vec![chain]).encode()]);
    assert_eq!(found, ["lds l: domain a is also a:80's"]);
}
