//! Limits of the connections that clients make. In: [`ConnectionSettings`]. Out: parts of a connection manager. What is not set is left as it is.

use crate::envoy::core::{self, http_protocol_options::HeadersWithUnderscoresAction};
use crate::envoy::hcm::HttpConnectionManager;
use crate::envoy::hcm::http_connection_manager::PathWithEscapedSlashesAction;
use crate::value::{duration, uint32};
use mesh_model::{ConnectionSettings, EscapedSlashes, Underscores};

/// Applies what is set.
pub(super) fn apply_connections(settings: &ConnectionSettings, manager: &mut HttpConnectionManager) {
    let ConnectionSettings {
        listener_buffer: _, // The listener's.
        cluster_buffer: _,  // The clusters'.
        idle_timeout,
        max_connection_duration,
        drain_timeout,
        request_timeout,
        request_headers_timeout,
        stream_idle_timeout,
        max_stream_duration,
        max_concurrent_streams,
        stream_window,
        connection_window,
        underscores,
        merge_slashes,
        escaped_slashes,
    } = settings;
    let common = core::HttpProtocolOptions {
        idle_timeout: idle_timeout.map(duration),
        max_connection_duration: max_connection_duration.map(duration),
        max_stream_duration: max_stream_duration.map(duration),
        headers_with_underscores_action: match underscores {
            Underscores::Allow => HeadersWithUnderscoresAction::Allow,
            Underscores::RejectRequest => HeadersWithUnderscoresAction::RejectRequest,
            Underscores::DropHeader => HeadersWithUnderscoresAction::DropHeader,
        } as i32,
        ..Default::default()
    };
    if common != core::HttpProtocolOptions::default() {
        manager.common_http_protocol_options = Some(common);
    }
    let http2 = core::Http2ProtocolOptions {
        max_concurrent_streams: max_concurrent_streams.and_then(uint32),
        initial_stream_window_size: stream_window.and_then(uint32),
        initial_connection_window_size: connection_window.and_then(uint32),
        ..Default::default()
    };
    if http2 != core::Http2ProtocolOptions::default() {
        manager.http2_protocol_options = Some(http2);
    }
    manager.drain_timeout = drain_timeout.map(duration).or(manager.drain_timeout);
    manager.request_timeout = request_timeout.map(duration).or(manager.request_timeout);
    manager.request_headers_timeout =
        request_headers_timeout.map(duration).or(manager.request_headers_timeout);
    manager.stream_idle_timeout = stream_idle_timeout.map(duration).or(manager.stream_idle_timeout);
    manager.merge_slashes = merge_slashes.unwrap_or(manager.merge_slashes);
    if let Some(action) = escaped_slashes {
        manager.path_with_escaped_slashes_action = match action {
            EscapedSlashes::KeepUnchanged => PathWithEscapedSlashesAction::KeepUnchanged,
            EscapedSlashes::RejectRequest => PathWithEscapedSlashesAction::RejectRequest,
            EscapedSlashes::UnescapeAndRedirect => PathWithEscapedSlashesAction::UnescapeAndRedirect,
            EscapedSlashes::UnescapeAndForward => PathWithEscapedSlashesAction::UnescapeAndForward,
        } as i32;
    }
}
