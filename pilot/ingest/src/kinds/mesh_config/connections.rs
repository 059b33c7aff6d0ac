//! `connectionSettings` of a ProxyConfig: limits of the connections that clients make to the proxy.
//!
//! In: the block as written. Out: its values, over those of its profile. Out of range is what Envoy would refuse a listener for.

use super::later;
use crate::{
    at::At,
    values::{parse_duration, parse_positive_duration},
};
use mesh_api::Duration as ApiDuration;
use mesh_model::{ConnectionSettings, Duration, EscapedSlashes, Reason, Underscores};
use schemars::JsonSchema;
use serde::Deserialize;

/// The block as written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// Values for all that is not set.
    profile: Option<Profile>,
    /// What a connection from a client may buffer.
    listener_per_connection_buffer_limit_bytes: Option<i64>,
    /// What a connection to an endpoint may buffer.
    cluster_per_connection_buffer_limit_bytes: Option<i64>,
    /// How long a connection may be without requests.
    http_idle_timeout: Option<ApiDuration>,
    /// How long a connection may last.
    http_max_connection_duration: Option<ApiDuration>,
    /// How long a connection that ends still takes requests.
    http_drain_timeout: Option<ApiDuration>,
    /// How long a request may take to arrive.
    http_request_timeout: Option<ApiDuration>,
    /// How long the headers of a request may take.
    http_request_headers_timeout: Option<ApiDuration>,
    /// How long a request or its answer may stand still.
    http_stream_idle_timeout: Option<ApiDuration>,
    /// How long a request and its answer may last.
    http_max_stream_duration: Option<ApiDuration>,
    /// Requests at once on an HTTP/2 connection.
    http_max_concurrent_streams: Option<i64>,
    /// The window of an HTTP/2 stream.
    http2_initial_stream_window_size: Option<i64>,
    /// The window of an HTTP/2 connection.
    http2_initial_connection_window_size: Option<i64>,
    /// What becomes of headers with underscores.
    http_headers_with_underscores_action: Option<UnderscoresAction>,
    /// Several slashes of a path are one.
    http_merge_slashes: Option<bool>,
    /// What becomes of paths with escaped slashes.
    http_path_with_escaped_slashes_action: Option<SlashesAction>,
    /// How many connections a proxy takes.
    global_downstream_connection_limit: Option<i64>,
}

#[derive(Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Profile {
    Sidecar,
    Edge,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(clippy::enum_variant_names)] // Istio's names.
enum UnderscoresAction {
    HeadersWithUnderscoresUnspecified,
    HeadersWithUnderscoresAllow,
    HeadersWithUnderscoresRejectRequest,
    HeadersWithUnderscoresDropHeader,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SlashesAction {
    PathWithEscapedSlashesUnspecified,
    KeepUnchanged,
    RejectRequest,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

/// What Envoy's authors advise at the edge, as Istio's `EDGE` has it.
fn edge() -> ConnectionSettings {
    ConnectionSettings {
        listener_buffer: Some(32 * 1024),
        cluster_buffer: Some(32 * 1024),
        idle_timeout: Some(Duration::from_secs(3600)),
        request_timeout: Some(Duration::from_secs(300)),
        stream_idle_timeout: Some(Duration::from_secs(300)),
        max_concurrent_streams: Some(100),
        stream_window: Some(64 * 1024),
        connection_window: Some(1024 * 1024),
        underscores: Underscores::RejectRequest,
        merge_slashes: Some(true),
        escaped_slashes: Some(EscapedSlashes::UnescapeAndRedirect),
        max_connection_duration: None,
        drain_timeout: None,
        request_headers_timeout: None,
        max_stream_duration: None,
    }
}

const MOST: i64 = i32::MAX as i64;
/// The smallest window that HTTP/2 knows by default.
const WINDOW: i64 = 65_535;

/// Reads the block: what holds for listeners and clusters, and how many connections the whole proxy takes.
pub fn parse(settings: Connections, at: &At<'_>) -> (ConnectionSettings, Option<u32>) {
    let Connections {
        profile,
        listener_per_connection_buffer_limit_bytes,
        cluster_per_connection_buffer_limit_bytes,
        http_idle_timeout,
        http_max_connection_duration,
        http_drain_timeout,
        http_request_timeout,
        http_request_headers_timeout,
        http_stream_idle_timeout,
        http_max_stream_duration,
        http_max_concurrent_streams,
        http2_initial_stream_window_size,
        http2_initial_connection_window_size,
        http_headers_with_underscores_action,
        http_merge_slashes,
        http_path_with_escaped_slashes_action,
        global_downstream_connection_limit,
    } = settings;
    let usual = if profile == Some(Profile::Edge) { edge() } else { ConnectionSettings::default() };
    let number = |value: Option<i64>, name: &str, least: i64, usual: Option<u32>| {
        value.and_then(|value| parse_within(value, least, &at.field(name))).or(usual)
    };
    // Of most times Envoy takes zero for "no limit"; of these two a zero would end every connection at once.
    let time = |value: Option<ApiDuration>, name: &str, usual: Option<Duration>| {
        value.and_then(|value| parse_duration(value, &at.field(name))).or(usual)
    };
    let positive = |value: Option<ApiDuration>, name: &str| {
        value.and_then(|value| parse_positive_duration(value, &at.field(name)))
    };
    let at_limit = at.field("globalDownstreamConnectionLimit");
    let limit = global_downstream_connection_limit.and_then(|value| parse_within(value, 1, &at_limit));
    if limit.is_some() {
        later::report_injected(&at_limit);
    }
    let settings = ConnectionSettings {
        listener_buffer: number(
            listener_per_connection_buffer_limit_bytes,
            "listenerPerConnectionBufferLimitBytes",
            1,
            usual.listener_buffer,
        ),
        cluster_buffer: number(
            cluster_per_connection_buffer_limit_bytes,
            "clusterPerConnectionBufferLimitBytes",
            1,
            usual.cluster_buffer,
        ),
        idle_timeout: time(http_idle_timeout, "httpIdleTimeout", usual.idle_timeout),
        max_connection_duration: positive(http_max_connection_duration, "httpMaxConnectionDuration"),
        drain_timeout: positive(http_drain_timeout, "httpDrainTimeout"),
        request_timeout: time(http_request_timeout, "httpRequestTimeout", usual.request_timeout),
        request_headers_timeout: time(http_request_headers_timeout, "httpRequestHeadersTimeout", None),
        stream_idle_timeout: time(
            http_stream_idle_timeout,
            "httpStreamIdleTimeout",
            usual.stream_idle_timeout,
        ),
        max_stream_duration: time(http_max_stream_duration, "httpMaxStreamDuration", None),
        max_concurrent_streams: number(
            http_max_concurrent_streams,
            "httpMaxConcurrentStreams",
            1,
            usual.max_concurrent_streams,
        ),
        stream_window: number(
            http2_initial_stream_window_size,
            "http2InitialStreamWindowSize",
            WINDOW,
            usual.stream_window,
        ),
        connection_window: number(
            http2_initial_connection_window_size,
            "http2InitialConnectionWindowSize",
            WINDOW,
            usual.connection_window,
        ),
        underscores: match http_headers_with_underscores_action {
            None | Some(UnderscoresAction::HeadersWithUnderscoresUnspecified) => usual.underscores,
            Some(UnderscoresAction::HeadersWithUnderscoresAllow) => Underscores::Allow,
            Some(UnderscoresAction::HeadersWithUnderscoresRejectRequest) => Underscores::RejectRequest,
            Some(UnderscoresAction::HeadersWithUnderscoresDropHeader) => Underscores::DropHeader,
        },
        merge_slashes: http_merge_slashes.or(usual.merge_slashes),
        escaped_slashes: match http_path_with_escaped_slashes_action {
            None | Some(SlashesAction::PathWithEscapedSlashesUnspecified) => usual.escaped_slashes,
            Some(SlashesAction::KeepUnchanged) => Some(EscapedSlashes::KeepUnchanged),
            Some(SlashesAction::RejectRequest) => Some(EscapedSlashes::RejectRequest),
            Some(SlashesAction::UnescapeAndRedirect) => Some(EscapedSlashes::UnescapeAndRedirect),
            Some(SlashesAction::UnescapeAndForward) => Some(EscapedSlashes::UnescapeAndForward),
        },
    };
    (settings, limit)
}

fn parse_within(value: i64, least: i64, at: &At<'_>) -> Option<u32> {
    let value = Some(value).filter(|value| (least..=MOST).contains(value));
    if value.is_none() {
        at.error_hint(
            Reason::InvalidValue,
            format!("allowed are {least} to {MOST}"),
            format!("write a whole number from {least} to {MOST}"),
        );
    }
    value.and_then(|value| u32::try_from(value).ok())
}
