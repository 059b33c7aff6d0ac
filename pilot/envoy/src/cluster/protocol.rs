//! What is spoken upstream, and the HTTP settings of those connections.

use crate::envoy::cluster::Cluster;
use crate::envoy::core;
use crate::envoy::upstream_http::HttpProtocolOptions;
use crate::envoy::upstream_http::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    explicit_http_config::ProtocolConfig,
};
use crate::names::HTTP_PROTOCOL_OPTIONS;
use crate::value::{duration, uint32};
use mesh_model::{ConnectionPool, HttpPool, TcpPool, UpgradePolicy};
use mesh_proto::pack;
use pilot_view::spec::UpstreamProtocol;

/// Applies the protocol and what `connectionPool` says of HTTP connections.
pub(super) fn apply_protocol(protocol: UpstreamProtocol, pool: &ConnectionPool, cluster: &mut Cluster) {
    let ConnectionPool { tcp, http } = pool;
    let TcpPool {
        max_connections: _, // Applied for whatever protocol, as the next two.
        connect_timeout: _,
        keepalive: _,
        max_connection_duration,
        idle_timeout: _, // HTTP has its own.
    } = tcp;
    let HttpPool {
        max_pending_requests: _, // Circuit breakers, as the next two.
        max_requests: _,
        max_retries: _,
        max_requests_per_connection,
        idle_timeout,
        h2_upgrade,
        use_client_protocol,
        max_concurrent_streams,
    } = http;
    let common = core::HttpProtocolOptions {
        idle_timeout: idle_timeout.map(duration),
        max_connection_duration: max_connection_duration.map(duration),
        max_requests_per_connection: max_requests_per_connection.filter(|count| *count > 0).and_then(uint32),
        ..Default::default()
    };
    let common = (common != core::HttpProtocolOptions::default()).then_some(common);
    let http2 = core::Http2ProtocolOptions {
        max_concurrent_streams: max_concurrent_streams.filter(|count| *count > 0).and_then(uint32),
        ..Default::default()
    };
    let upstream = match effective(protocol, *h2_upgrade, *use_client_protocol) {
        UpstreamProtocol::Tcp => return,
        // HTTP/1.1 is what Envoy speaks when nothing is said.
        UpstreamProtocol::Http1 if common.is_none() => return,
        UpstreamProtocol::Http1 => {
            explicit(ProtocolConfig::HttpProtocolOptions(core::Http1ProtocolOptions::default()))
        }
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(http2)),
        UpstreamProtocol::Downstream => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(core::Http1ProtocolOptions::default()),
                http2_protocol_options: Some(http2),
                ..Default::default()
            })
        }
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_protocol_options: Some(upstream),
        ..Default::default()
    };
    cluster.typed_extension_protocol_options.insert(HTTP_PROTOCOL_OPTIONS.to_owned(), pack(&options));
}

/// The protocol after what the user asked for. `useClientProtocol` is the stronger wish: it keeps what the client chose.
fn effective(protocol: UpstreamProtocol, upgrade: UpgradePolicy, use_client: bool) -> UpstreamProtocol {
    match (protocol, upgrade) {
        (UpstreamProtocol::Tcp, _) => UpstreamProtocol::Tcp,
        _ if use_client => UpstreamProtocol::Downstream,
        (_, UpgradePolicy::Upgrade) => UpstreamProtocol::Http2,
        (protocol, UpgradePolicy::Default | UpgradePolicy::DoNotUpgrade) => protocol,
    }
}

fn explicit(config: ProtocolConfig) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
}
