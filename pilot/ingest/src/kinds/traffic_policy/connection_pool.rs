//! `connectionPool`.

use crate::{
    at::At,
    values::{parse_duration, parse_positive_duration},
};
use mesh_api::networking::traffic_policy::connection_pool as api;
use mesh_model::{ConnectionPool, Http2Keepalive, HttpPool, Reason, TcpKeepalive, TcpPool, UpgradePolicy};

/// Reads the block. Limits of zero mean "not set", as in Istio.
pub fn parse_connection_pool(block: api::ConnectionPoolSettings, at: &At<'_>) -> ConnectionPool {
    let api::ConnectionPoolSettings { tcp, http } = block;
    if tcp.is_none() && http.is_none() {
        at.warning_hint(
            Reason::Required,
            "no limit is set; Istio refuses this",
            "set `tcp` or `http`, or leave it out",
        );
    }
    ConnectionPool {
        tcp: tcp.map(|tcp| parse_tcp(tcp, &at.field("tcp"))).unwrap_or_default(),
        http: http.map(|http| parse_http(http, &at.field("http"))).unwrap_or_default(),
    }
}

fn parse_tcp(tcp: api::TcpSettings, at: &At<'_>) -> TcpPool {
    let api::TcpSettings {
        max_connections,
        connect_timeout,
        tcp_keepalive,
        max_connection_duration,
        idle_timeout,
    } = tcp;
    TcpPool {
        max_connections: parse_limit(max_connections, &at.field("maxConnections")),
        connect_timeout: connect_timeout
            .and_then(|value| parse_positive_duration(value, &at.field("connectTimeout"))),
        keepalive: tcp_keepalive.map(|value| parse_keepalive(value, &at.field("tcpKeepalive"))),
        max_connection_duration: max_connection_duration
            .and_then(|value| parse_positive_duration(value, &at.field("maxConnectionDuration"))),
        idle_timeout: idle_timeout.and_then(|value| parse_duration(value, &at.field("idleTimeout"))),
    }
}

/// `tcpKeepalive`, of a destination or of the mesh.
pub fn parse_keepalive(keepalive: api::TcpKeepalive, at: &At<'_>) -> TcpKeepalive {
    let api::TcpKeepalive { probes, time, interval } = keepalive;
    TcpKeepalive {
        probes: probes.filter(|probes| *probes > 0),
        time: time.and_then(|value| parse_positive_duration(value, &at.field("time"))),
        interval: interval.and_then(|value| parse_positive_duration(value, &at.field("interval"))),
    }
}

fn parse_http(http: api::HttpSettings, at: &At<'_>) -> HttpPool {
    let api::HttpSettings {
        http1_max_pending_requests,
        http2_max_requests,
        max_requests_per_connection,
        max_retries,
        idle_timeout,
        h2_upgrade_policy,
        use_client_protocol,
        max_concurrent_streams,
        http2_keep_alive,
    } = http;
    let upgrades = matches!(h2_upgrade_policy, Some(api::H2UpgradePolicy::Upgrade));
    if upgrades && use_client_protocol == Some(true) {
        at.field("h2UpgradePolicy").warning_hint(
            Reason::Conflict,
            "`useClientProtocol` keeps what the client speaks, and this has no effect; Istio refuses both",
            "leave one of the two out",
        );
    }
    HttpPool {
        max_pending_requests: parse_limit(http1_max_pending_requests, &at.field("http1MaxPendingRequests")),
        max_requests: parse_limit(http2_max_requests, &at.field("http2MaxRequests")),
        max_requests_per_connection: parse_limit(
            max_requests_per_connection,
            &at.field("maxRequestsPerConnection"),
        ),
        max_retries: parse_limit(max_retries, &at.field("maxRetries")),
        idle_timeout: idle_timeout.and_then(|value| parse_duration(value, &at.field("idleTimeout"))),
        h2_upgrade: match h2_upgrade_policy {
            None | Some(api::H2UpgradePolicy::Default) => UpgradePolicy::Default,
            Some(api::H2UpgradePolicy::DoNotUpgrade) => UpgradePolicy::DoNotUpgrade,
            Some(api::H2UpgradePolicy::Upgrade) => UpgradePolicy::Upgrade,
        },
        use_client_protocol: use_client_protocol.unwrap_or(false),
        max_concurrent_streams: parse_limit(max_concurrent_streams, &at.field("maxConcurrentStreams")),
        http2_keepalive: http2_keep_alive
            .and_then(|block| parse_http2_keepalive(block, &at.field("http2KeepAlive"))),
    }
}

/// Envoy needs both times, and neither has a default there.
fn parse_http2_keepalive(block: api::Http2KeepAlive, at: &At<'_>) -> Option<Http2Keepalive> {
    let api::Http2KeepAlive { interval, timeout } = block;
    let required = |value: Option<_>, name: &str| {
        let at = at.field(name);
        match value {
            Some(value) => parse_positive_duration(value, &at),
            None => {
                at.error_hint(
                    Reason::Required,
                    "pings need both `interval` and `timeout`",
                    "write one such as 10s, or leave http2KeepAlive out",
                );
                None
            }
        }
    };
    let (interval, timeout) = (required(interval, "interval"), required(timeout, "timeout"));
    Some(Http2Keepalive { interval: interval?, timeout: timeout? })
}

fn parse_limit(value: Option<i32>, at: &At<'_>) -> Option<u32> {
    let value = value?;
    match u32::try_from(value) {
        Ok(0) => None,
        Ok(limit) => Some(limit),
        Err(_) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("{value} is negative"),
                "write a number above zero, or leave the field out for no limit",
            );
            None
        }
    }
}
