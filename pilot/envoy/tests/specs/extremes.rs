//! Values at the edge of their types. Ingest stops most of them; what gets through must not cost a proxy its whole update.

use super::given::{chain, cluster, endpoint, forward, listener, route, to, virtual_host};
use super::json::{at, json};
use mesh_model::{
    Abort, AbortCode, ConsistentHash, Delay, Duration, EndpointAddress, Fault, HashKey, HashRing,
    LoadBalancing, OutlierDetection, Percent, Retries, RetryOn, Rewrite, RewritePath, TcpKeepalive, Tunnel,
};
use pilot_envoy::{build_cluster, build_endpoints, build_listener, build_virtual_host};
use pilot_view::spec::{
    ActionSpec, ChainMatch, ClusterDiscovery, ClusterSpec, EndpointsSpec, ForwardSpec, NetworkSpec,
    Preference, RouteSpec, TcpSpec,
};
use serde_json::Value;

/// Nothing, next to nothing, and as much as there can be.
const LENGTHS: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::from_nanos(u64::MAX)];

#[test]
fn clusters() {
    for length in LENGTHS {
        let mut spec = cluster();
        spec.connect_timeout = length;
        spec.discovery = ClusterDiscovery::StrictDns {
            endpoints: [].into(),
            preference: Preference::None,
            refresh: length,
        };
        spec.connection_pool.tcp.keepalive =
            Some(TcpKeepalive { probes: Some(0), time: Some(length), interval: Some(length) });
        spec.connection_pool.http.idle_timeout = Some(length);
        spec.connection_pool.http.max_concurrent_streams = Some(u32::MAX);
        spec.outlier_detection = Some(OutlierDetection {
            interval: Some(length),
            base_ejection_time: Some(length),
            max_ejection: Percent::from_whole(0),
            consecutive_5xx: Some(u32::MAX),
            ..Default::default()
        });
        json(&build_cluster(&spec));
    }
    for ring in [
        HashRing::Ring { minimum_size: 0 },
        HashRing::Ring { minimum_size: u64::MAX },
        HashRing::Maglev { table_size: Some(u64::MAX) },
    ] {
        let load_balancing = LoadBalancing::ConsistentHash(ConsistentHash { key: HashKey::SourceIp, ring });
        json(&build_cluster(&ClusterSpec { load_balancing, ..cluster() }));
    }
}

#[test]
fn routes() {
    for length in LENGTHS {
        let forward = ForwardSpec {
            timeout: Some(length),
            retries: Some(Retries {
                attempts: u32::MAX,
                per_try_timeout: Some(length),
                on: RetryOn { conditions: "".into(), status_codes: vec![] },
                backoff: Some(length),
                ..Retries::default()
            }),
            rewrite: Some(Rewrite {
                path: Some(RewritePath::Regex { pattern: "".into(), substitution: "".into() }),
                authority: "".into(),
            }),
            hash: vec![HashKey::Cookie {
                name: "c".into(),
                path: "".into(),
                ttl: Some(length),
                attributes: vec![],
            }],
            ..forward(vec![to("a", 0), to("b", u32::MAX)])
        };
        let fault = Fault {
            delay: Some(Delay { fixed: length, percent: Percent::ALL }),
            abort: Some(Abort { code: AbortCode::Grpc(16), percent: Percent::ALL }),
        };
        let route = RouteSpec { fault: Some(fault), ..route(ActionSpec::Forward(forward)) };
        json(&build_virtual_host(&virtual_host("a:80", &["a"], vec![route])));
    }
}

#[test]
fn listeners() {
    for length in LENGTHS {
        let tcp = NetworkSpec::Tcp(TcpSpec {
            mongo: false,
            sni_lookup: None,
            stat_prefix: "tcp".into(),
            clusters: vec![to("a", 0), to("b", 1)],
            idle_timeout: Some(length),
            max_connection_duration: Some(length),
            hash_source_ip: true,
            tunnel: Some(Tunnel { target: "a:1".into(), post: false }),
            access_log: None,
        });
        json(&build_listener(&listener("l", 1, vec![chain("", ChainMatch::default(), tcp)])));
    }
}

#[test]
fn names_are_no_endpoints_of_eds() {
    let name = endpoint(EndpointAddress::Name("api.example.com".into()));
    let spec = EndpointsSpec { cluster: "c".into(), endpoints: [name].into(), preference: Preference::None };
    assert_eq!(at(&json(&build_endpoints(&spec)), "/endpoints"), &Value::Null);
}
