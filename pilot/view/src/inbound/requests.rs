//! Requests that come in: all of them go to the workload.

use super::listeners::Listening;
use crate::spec::{
    ActionSpec, CatchAll, Direction, ForwardSpec, HttpSpec, RouteConfigurationSpec, RouteMatchSpec,
    RouteSource, RouteSpec, VirtualHostSpec, WeightedCluster,
};
use mesh_model::{Protocol, Retries, RetryOn, RouteHeaders};
use std::sync::Arc;

/// Requests to one port of the workload, or to those that nobody knows.
pub struct Requests<'a> {
    /// Prefix of their statistics.
    pub stat_prefix: &'a str,
    /// Where they go.
    pub cluster: &'a str,
    /// The port, as the virtual host is named; nobody knows the others by any.
    pub port: Option<u16>,
    /// What spans are called.
    pub operation: &'a str,
    /// What is spoken.
    pub protocol: Protocol,
}

/// All of these requests to the workload. They are tried again only when the connection was reset before the request was sent, and calls by
/// gRPC never, as in Istio: these may be streams, and what is to be sent again has to be kept.
pub fn inbound_http(listening: &Listening<'_>, requests: &Requests<'_>) -> HttpSpec {
    let Requests { stat_prefix, cluster, port, operation, protocol } = *requests;
    let tries_again = !matches!(protocol, Protocol::Grpc | Protocol::GrpcWeb);
    let mesh = listening.mesh;
    let settings = listening.proxy.settings(mesh);
    let headers = &settings.headers;
    let route = RouteSpec {
        name: "default".into(),
        matches: RouteMatchSpec::default(),
        action: ActionSpec::Forward(ForwardSpec {
            clusters: vec![WeightedCluster {
                cluster: cluster.into(),
                weight: 1,
                headers: RouteHeaders::default(),
            }],
            timeout: None,
            retries: tries_again.then(|| Retries {
                on: RetryOn { conditions: "reset-before-request".into(), status_codes: vec![] },
                ignore_previous_hosts: false,
                ..Retries::default()
            }),
            rewrite: None,
            forwarded_host: false,
            hash: vec![],
            mirrors: vec![],
            by_name: false,
        }),
        headers: RouteHeaders::default(),
        fault: None,
        cors: None,
        operation: operation.into(),
        stat_prefix: "".into(),
        config: None,
    };
    let virtual_host = VirtualHostSpec {
        route_configuration: cluster.into(),
        name: format!("inbound|http|{}", port.unwrap_or_default()).into(),
        domains: vec!["*".into()],
        routes: vec![route],
        attempt_count: !headers.without_attempt_count,
        origins: Arc::new([]),
    };
    let routes = RouteConfigurationSpec {
        name: cluster.into(),
        virtual_hosts: vec![Arc::new(virtual_host)],
        catch_all: CatchAll::None,
        vhds: false,
        ignore_port: true,
        attempt_count: !headers.without_attempt_count,
        origins: Arc::new([]),
    };
    HttpSpec {
        stat_prefix: stat_prefix.into(),
        direction: Direction::Inbound,
        routes: RouteSource::Inline(Arc::new(routes)),
        lookup: None,
        alpn_by_request: false,
        grpc_web: protocol == Protocol::GrpcWeb,
        path_normalization: mesh.config().path_normalization,
        headers: headers.clone(),
        accepts_http10: listening.proxy.options.accepts_http10,
        connections: listening.proxy.options.limit(&settings.connections),
        tracing: listening.tracing.clone(),
        access_log: listening.access_log.clone(),
    }
}
