//! Tells the server's proxy by ALPN what is spoken to it, where that is the client's choice. In Istio a filter of its own (`istio.alpn`),
//! which a stock Envoy does not have: the same is done by filter state, which overrides what the cluster would ask for.
//!
//! Only clusters that speak what their clients do need it, and say so in their metadata; the others have the right list themselves.

use super::Filter;
use crate::cluster::ALPN_METADATA;
use crate::envoy::core::{DataSource, SubstitutionFormatString, data_source, substitution_format_string};
use mesh_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use mesh_proto::envoy::extensions::filters::http::set_filter_state::v3::Config;
use mesh_proto::pack;

/// Well known to Envoy: the list of protocols that a connection to the cluster asks for.
const KEY: &str = "envoy.network.application_protocols";

pub(super) const FILTER: Filter = Filter {
    name: "envoy.filters.http.set_filter_state",
    build: |spec| {
        spec.alpn_by_request.then(|| {
            let protocols = format!(
                "%CEL('{ALPN_METADATA}' in xds.cluster_metadata.filter_metadata ? \
                 (request.protocol == 'HTTP/2' ? 'istio-h2,istio,h2' : 'istio-http/1.1,istio,http/1.1') : '')%"
            );
            let format = SubstitutionFormatString {
                omit_empty_values: true,
                format: Some(substitution_format_string::Format::TextFormatSource(DataSource {
                    specifier: Some(data_source::Specifier::InlineString(protocols)),
                    ..Default::default()
                })),
                ..Default::default()
            };
            pack(&Config {
                on_request_headers: vec![FilterStateValue {
                    key: Some(filter_state_value::Key::ObjectKey(KEY.to_owned())),
                    value: Some(filter_state_value::Value::FormatString(format)),
                    skip_if_empty: true,
                    ..Default::default()
                }],
                ..Default::default()
            })
        })
    },
};
