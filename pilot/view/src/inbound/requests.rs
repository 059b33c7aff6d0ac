//! Requests that come in: all of them go to the workload.

use super::listeners::Listening;
use crate::spec::{
    ActionSpec, CatchAll, Direction, ForwardSpec, HttpSpec, RouteConfigurationSpec, RouteMatchSpec,
    RouteSource, RouteSpec, VirtualHostSpec, WeightedCluster,
};
use mesh_model::{Retries, RetryOn, RouteHeaders};
use std::sync::Arc;

/// Every request to `cluster`. Tried again only when the connection was reset before the request was sent, as Istio does.
pub fn inbound_http(
    listening: &Listening<'_>,
    stat_prefix: &str,
    cluster: &str,
    port: &str,
    operation: &str,
) -> HttpSpec {
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
            retries: Some(Retries {
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
        name: format!("inbound|http|{}", if port.is_empty() { "0" } else { port }).into(),
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
        grpc_web: false,
        path_normalization: mesh.config().path_normalization,
        headers: headers.clone(),
        accepts_http10: listening.proxy.options.accepts_http10,
        connections: listening.proxy.options.limit(&settings.connections),
        tracing: listening.tracing.clone(),
        access_log: mesh.config().access_log.clone(),
    }
}
