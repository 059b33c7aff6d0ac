//! Filter chains: which connections, and what is done with them.

use super::{http, tcp_proxy};
use crate::address::cidr_range;
use crate::dns_cache::build_dns_cache;
use crate::envoy::{listener, wkt};
use crate::names::{HTTP_CONNECTION_MANAGER, MONGO_PROXY, SNI_DYNAMIC_FORWARD_PROXY, TCP_PROXY};
use crate::tls::build_downstream_tls;
use crate::value::uint32;
use mesh_model::Str;
use mesh_proto::envoy::extensions::filters::network::mongo_proxy::v3::MongoProxy;
use mesh_proto::envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3::FilterConfig;
use mesh_proto::envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3::filter_config::PortSpecifier;
use mesh_proto::pack;
use pilot_view::spec::{ChainMatch, FilterChainSpec, NetworkSpec, SniLookup, TcpSpec, Transport};

/// The filter chain that the spec describes.
pub(super) fn build_chain(spec: &FilterChainSpec) -> listener::FilterChain {
    let FilterChainSpec { name, matches, tls, network } = spec;
    let filters = match network {
        NetworkSpec::Http(http) => vec![filter(HTTP_CONNECTION_MANAGER, pack(&http::build_http(http)))],
        NetworkSpec::Tcp(tcp) => {
            let lookup = tcp
                .sni_lookup
                .as_ref()
                .map(|lookup| filter(SNI_DYNAMIC_FORWARD_PROXY, pack(&build_sni_lookup(lookup))));
            let mongo = tcp.mongo.then(|| filter(MONGO_PROXY, pack(&build_mongo(tcp))));
            let proxy = filter(TCP_PROXY, pack(&tcp_proxy::build_tcp_proxy(tcp)));
            lookup.into_iter().chain(mongo).chain([proxy]).collect()
        }
    };
    listener::FilterChain {
        name: name.to_string(),
        filter_chain_match: build_match(matches),
        filters,
        transport_socket: tls.as_deref().map(build_downstream_tls),
        ..Default::default()
    }
}

/// Counts operations; what it cannot read it lets pass.
fn build_mongo(spec: &TcpSpec) -> MongoProxy {
    MongoProxy { stat_prefix: spec.stat_prefix.to_string(), ..Default::default() }
}

/// Looks the name up that the client asks for.
fn build_sni_lookup(spec: &SniLookup) -> FilterConfig {
    let SniLookup { lookup, port } = spec;
    FilterConfig {
        dns_cache_config: Some(build_dns_cache(lookup)),
        port_specifier: Some(PortSpecifier::PortValue(u32::from(*port))),
        ..Default::default()
    }
}

fn filter(name: &str, config: wkt::Any) -> listener::Filter {
    listener::Filter {
        name: name.to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(config)),
    }
}

/// `None` when the chain takes everything.
fn build_match(matches: &ChainMatch) -> Option<listener::FilterChainMatch> {
    let ChainMatch {
        destination_port,
        prefix_ranges,
        source_ranges,
        server_names,
        application_protocols,
        transport,
    } = matches;
    let built = listener::FilterChainMatch {
        destination_port: destination_port.and_then(|port| uint32(port.into())),
        prefix_ranges: prefix_ranges.iter().map(cidr_range).collect(),
        source_prefix_ranges: source_ranges.iter().map(cidr_range).collect(),
        server_names: strings(server_names),
        application_protocols: strings(application_protocols),
        transport_protocol: match transport {
            Some(Transport::Tls) => "tls".to_owned(),
            Some(Transport::RawBuffer) => "raw_buffer".to_owned(),
            None => String::new(),
        },
        ..Default::default()
    };
    (built != listener::FilterChainMatch::default()).then_some(built)
}

fn strings(list: &[Str]) -> Vec<String> {
    list.iter().map(Str::to_string).collect()
}
