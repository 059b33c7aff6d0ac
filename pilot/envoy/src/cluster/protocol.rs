//! What is spoken upstream, and the HTTP settings of those connections.

use crate::envoy::cluster::Cluster;
use crate::envoy::predicate::match_predicate::{MatchSet, Rule};
use crate::envoy::predicate::{HttpHeadersMatch, MatchPredicate};
use crate::envoy::route::header_matcher::HeaderMatchSpecifier;
use crate::envoy::upstream_http::HttpProtocolOptions;
use crate::envoy::upstream_http::http_protocol_options::{
    ExplicitHttpConfig, OutlierDetection, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    explicit_http_config::ProtocolConfig,
};
use crate::envoy::{core, route};
use crate::header_case::http1_options;
use crate::names::HTTP_PROTOCOL_OPTIONS;
use crate::value::{duration, string_matcher, uint32};
use mesh_model::{ConnectionPool, Duration, Http2Keepalive, HttpPool, StringMatch, TcpPool, UpgradePolicy};
use mesh_proto::pack;
use pilot_view::spec::{ClusterSpec, UpstreamProtocol, UpstreamTls};

/// Applies the protocol and what `connectionPool` says of HTTP connections.
pub(super) fn apply_protocol(spec: &ClusterSpec, error_codes: &[u16], cluster: &mut Cluster) {
    let ConnectionPool { tcp, http } = &spec.connection_pool;
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
        http2_keepalive,
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
        connection_keepalive: http2_keepalive.as_ref().map(build_keepalive),
        ..Default::default()
    };
    let by_host = spec.socket.tls().and_then(build_by_host);
    let outlier_detection = build_error_matcher(error_codes);
    let http1 = http1_options(spec.keeps_header_case);
    let is_usual = http1 == core::Http1ProtocolOptions::default();
    let upstream = match effective(spec.protocol, *h2_upgrade, *use_client_protocol) {
        UpstreamProtocol::Tcp => return,
        // HTTP/1.1 is what Envoy speaks when nothing is said.
        UpstreamProtocol::Http1
            if is_usual && common.is_none() && outlier_detection.is_none() && by_host.is_none() =>
        {
            return;
        }
        UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(http1)),
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(http2)),
        UpstreamProtocol::Downstream => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(http1),
                http2_protocol_options: Some(http2),
                ..Default::default()
            })
        }
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_http_protocol_options: by_host,
        upstream_protocol_options: Some(upstream),
        outlier_detection,
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

/// What of TLS depends on the host of the request.
fn build_by_host(tls: &UpstreamTls) -> Option<core::UpstreamHttpProtocolOptions> {
    let auto_sni = tls.server_name.is_none();
    (auto_sni || tls.checks_host).then(|| core::UpstreamHttpProtocolOptions {
        auto_sni,
        auto_san_validation: tls.checks_host,
        ..Default::default()
    })
}

/// Envoy refuses less than a millisecond.
fn build_keepalive(keepalive: &Http2Keepalive) -> core::KeepaliveSettings {
    let Http2Keepalive { interval, timeout } = keepalive;
    let shortest = Duration::from_millis(1);
    core::KeepaliveSettings {
        interval: Some(duration((*interval).max(shortest))),
        timeout: Some(duration((*timeout).max(shortest))),
        ..Default::default()
    }
}

/// What counts as an error for outlier detection, in place of 5xx.
fn build_error_matcher(codes: &[u16]) -> Option<OutlierDetection> {
    let one = |code: &u16| {
        let exact = string_matcher(&StringMatch::Exact(code.to_string().into()))?;
        let status = route::HeaderMatcher {
            name: ":status".to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(exact)),
            ..Default::default()
        };
        Some(MatchPredicate {
            rule: Some(Rule::HttpResponseHeadersMatch(HttpHeadersMatch { headers: vec![status] })),
        })
    };
    let mut rules: Vec<MatchPredicate> = codes.iter().filter_map(one).collect();
    let error_matcher = match rules.len() {
        0 => return None,
        // Envoy refuses alternatives of which there is only one.
        1 => rules.pop(),
        _ => Some(MatchPredicate { rule: Some(Rule::OrMatch(MatchSet { rules })) }),
    };
    Some(OutlierDetection { error_matcher })
}

fn explicit(config: ProtocolConfig) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
}
