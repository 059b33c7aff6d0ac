//! Routes. In: a [`RouteConfigurationSpec`] or [`VirtualHostSpec`]. Out: `envoy.config.route.v3.RouteConfiguration`,
//! `VirtualHost` and what is in them.

mod action;
mod direct_response;
mod entry;
mod hash;
mod headers;
mod matches;
mod mirror;
mod redirect;
mod retries;
mod rewrite;
mod virtual_host;

pub use virtual_host::build_virtual_host;

use crate::config_source::ads;
use crate::envoy::route;
use crate::value::{boolean, uint32};
use pilot_view::spec::RouteConfigurationSpec;
use virtual_host::{build_catch_all, build_embedded};

/// The largest body of a direct response: 1 MiB, as Istio allows. Envoy's default is 4 KiB.
const LARGEST_BODY: u32 = 1024 * 1024;

/// The route configuration that the spec describes.
pub fn build_route_configuration(spec: &RouteConfigurationSpec) -> route::RouteConfiguration {
    let mut configuration = build_inline_route_configuration(spec);
    if spec.vhds {
        configuration.vhds = Some(route::Vhds { config_source: Some(ads()) });
    }
    configuration
}

/// The same without a reference to virtual hosts that come separately: for clients that get them inside.
pub(crate) fn build_inline_route_configuration(spec: &RouteConfigurationSpec) -> route::RouteConfiguration {
    let RouteConfigurationSpec {
        name,
        virtual_hosts,
        catch_all,
        vhds: _, // Added by the caller that wants it.
        ignore_port,
        attempt_count,
        origins: _, // Not part of the message.
    } = spec;
    let mut hosts: Vec<_> = virtual_hosts.iter().map(|host| build_embedded(host)).collect();
    hosts.extend(build_catch_all(catch_all, *attempt_count));
    route::RouteConfiguration {
        name: name.to_string(),
        virtual_hosts: hosts,
        // A route may name a cluster that is not there yet, or a subset that never was: 503, not a rejected push.
        validate_clusters: boolean(false),
        max_direct_response_body_size_bytes: uint32(LARGEST_BODY),
        ignore_port_in_host_matching: *ignore_port,
        ..Default::default()
    }
}
