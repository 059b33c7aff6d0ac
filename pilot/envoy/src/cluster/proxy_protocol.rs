//! `proxyProtocol`: the transport socket that writes the header, around the one that there would be otherwise.

use crate::envoy::cluster::Cluster;
use crate::envoy::core::{ProxyProtocolConfig, TransportSocket, proxy_protocol_config, transport_socket};
use crate::envoy::proxy_protocol::ProxyProtocolUpstreamTransport;
use crate::envoy::raw_buffer::RawBuffer;
use crate::names::{RAW_BUFFER, UPSTREAM_PROXY_PROTOCOL};
use mesh_model::ProxyProtocol;
use mesh_proto::pack;

/// Applies the header, whatever is sent after it.
pub(super) fn apply_proxy_protocol(version: Option<ProxyProtocol>, cluster: &mut Cluster) {
    let Some(version) = version else { return };
    let version = match version {
        ProxyProtocol::V1 => proxy_protocol_config::Version::V1,
        ProxyProtocol::V2 => proxy_protocol_config::Version::V2,
    };
    let wrap = |inner: TransportSocket| {
        let around = ProxyProtocolUpstreamTransport {
            config: Some(ProxyProtocolConfig { version: version as i32, ..Default::default() }),
            transport_socket: Some(inner),
            ..Default::default()
        };
        socket(UPSTREAM_PROXY_PROTOCOL, &around)
    };
    for choice in &mut cluster.transport_socket_matches {
        choice.transport_socket = choice.transport_socket.take().map(wrap);
    }
    match cluster.transport_socket.take() {
        Some(inner) => cluster.transport_socket = Some(wrap(inner)),
        None if cluster.transport_socket_matches.is_empty() => {
            cluster.transport_socket = Some(wrap(socket(RAW_BUFFER, &RawBuffer::default())));
        }
        None => {}
    }
}

fn socket(name: &str, config: &impl prost::Name) -> TransportSocket {
    TransportSocket {
        name: name.to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack(config))),
    }
}
