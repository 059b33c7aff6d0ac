//! Virtual hosts, and the one that takes what no other takes.

use super::action::build_pass_through;
use super::direct_response::build_status;
use super::entry::build_route;
use super::matches::build_everything;
use crate::envoy::route::{Route, VirtualHost, route};
use crate::names::{ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS, BLOCK_ALL, PASSTHROUGH_CLUSTER};
use mesh_model::Str;
use pilot_view::{
    ANY_NAME,
    spec::{CatchAll, VirtualHostSpec},
};

/// What an unknown host is answered when it may not be reached.
const BAD_GATEWAY: u32 = 502;

/// The virtual host that the spec describes, as a resource of its own: over VHDS, Envoy finds the route configuration
/// that it belongs to by the prefix of its name.
pub fn build_virtual_host(spec: &VirtualHostSpec) -> VirtualHost {
    VirtualHost { name: spec.resource_name().to_string(), ..build_embedded(spec) }
}

/// The virtual host as part of its route configuration.
pub(super) fn build_embedded(spec: &VirtualHostSpec) -> VirtualHost {
    let VirtualHostSpec {
        route_configuration: _, // It is inside.
        name,
        domains,
        routes,
        attempt_count,
        origins: _, // Not part of the message.
    } = spec;
    VirtualHost {
        name: name.to_string(),
        domains: domains.iter().map(Str::to_string).collect(),
        routes: routes.iter().map(build_route).collect(),
        include_request_attempt_count: *attempt_count,
        ..Default::default()
    }
}

/// The virtual host `*`, if the configuration has one of its own.
pub(super) fn build_catch_all(catch_all: &CatchAll, attempt_count: bool) -> Option<VirtualHost> {
    let (name, action) = match catch_all {
        CatchAll::AllowAny => (ALLOW_ANY, route::Action::Route(build_pass_through(PASSTHROUGH_CLUSTER))),
        CatchAll::LookUp => (ALLOW_ANY_DYNAMIC_DNS, route::Action::Route(build_pass_through(ANY_NAME))),
        CatchAll::Via(cluster) => (ALLOW_ANY, route::Action::Route(build_pass_through(cluster))),
        CatchAll::BlockAll => (BLOCK_ALL, route::Action::DirectResponse(build_status(BAD_GATEWAY))),
        CatchAll::None => return None,
    };
    let route = Route {
        name: name.to_owned(),
        r#match: Some(build_everything()),
        action: Some(action),
        ..Default::default()
    };
    Some(VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        include_request_attempt_count: attempt_count,
        ..Default::default()
    })
}
