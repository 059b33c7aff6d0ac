//! Route configurations with their virtual hosts inside, for clients that know no VHDS.
//!
//! In: the spec of a route configuration and the virtual hosts that belong to it, encoded already. Out: one resource.
//! Nothing is decoded or encoded again: a repeated field of a message may be written in any number of pieces, so the
//! virtual hosts are appended as they are.

use crate::encode::origin_keys;
use crate::route::build_inline_route_configuration;
use mesh_model::Str;
use pilot_view::spec::RouteConfigurationSpec;
use pilot_xds::resource::{Resource, ResourceType};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::{collections::BTreeSet, sync::Arc};

/// Number of `RouteConfiguration.virtual_hosts`.
const VIRTUAL_HOSTS: u32 = 2;

/// The route configuration that the spec describes, with these virtual hosts inside, in this order.
pub fn inline_routes(spec: &RouteConfigurationSpec, virtual_hosts: &[Arc<Resource>]) -> Arc<Resource> {
    let mut message = build_inline_route_configuration(spec).encode_to_vec();
    let mut origins: BTreeSet<Str> = origin_keys(&spec.origins).iter().cloned().collect();
    for host in virtual_hosts {
        let bytes = host.message();
        encode_key(VIRTUAL_HOSTS, WireType::LengthDelimited, &mut message);
        encode_varint(bytes.len() as u64, &mut message);
        message.extend_from_slice(&bytes);
        origins.extend(host.origins().iter().cloned());
    }
    let origins = origins.into_iter().collect();
    Resource::new(ResourceType::InlineRoute, spec.name.clone(), &message, &[], origins)
}
