//! HTTP connection manager: routes requests. The same for every listener of a direction, apart from routes and names.

use super::connections::apply_connections;
use crate::access_log::{Told, build_access_log};
use crate::config_source::ads;
use crate::envoy::hcm::http_connection_manager::{
    CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    ServerHeaderTransformation, SetCurrentClientCertDetails, UpgradeConfig,
};
use crate::envoy::hcm::{HttpConnectionManager, Rds, RequestIdExtension};
use crate::filters::build_filters;
use crate::header_case::http1_options;
use crate::route::build_inline_route_configuration;
use crate::tracing::build_tracing;
use crate::value::{boolean, duration};
use mesh_model::{
    ClientCertDetails, Duration, ForwardClientCert, PathNormalization, ProxyHeaders, ServerHeader,
};
use mesh_proto::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use mesh_proto::pack;
use pilot_view::spec::{Direction, HttpSpec, RouteSource};

/// The `server` header of answers; clients of Istio meshes look for it.
const SERVER_NAME: &str = "istio-envoy";

/// The connection manager that the spec describes.
pub(super) fn build_http(spec: &HttpSpec) -> HttpConnectionManager {
    let HttpSpec {
        stat_prefix,
        direction,
        routes,
        lookup: _, // A filter's business, as the next.
        alpn_by_request: _,
        grpc_web: _,
        path_normalization,
        headers,
        accepts_http10,
        connections,
        tracing,
        access_log,
    } = spec;
    let mut manager = HttpConnectionManager {
        codec_type: CodecType::Auto as i32,
        stat_prefix: stat_prefix.to_string(),
        route_specifier: Some(build_routes(routes)),
        http_filters: build_filters(spec),
        access_log: build_access_log(access_log.as_deref(), Told::Requests),
        tracing: tracing.as_deref().map(build_tracing),
        // A sidecar's peer is the application or another sidecar, never the client at the edge.
        use_remote_address: boolean(false),
        request_id_extension: Some(request_ids()),
        proxy_100_continue: true,
        // Streams of any length are the application's business: route timeouts limit requests.
        stream_idle_timeout: Some(duration(Duration::ZERO)),
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    apply_path_normalization(*path_normalization, &mut manager);
    match direction {
        Direction::Outbound => {}
        // The application learns who called it: the identity in the client's certificate, added to what came before.
        Direction::Inbound => apply_client_cert(headers, &mut manager),
    }
    apply_headers(headers, &mut manager);
    if *accepts_http10 {
        manager.http_protocol_options.get_or_insert_default().accept_http_10 = true;
    }
    apply_connections(connections, &mut manager);
    manager
}

/// What is told of the client's certificate.
fn apply_client_cert(headers: &ProxyHeaders, manager: &mut HttpConnectionManager) {
    let forward = headers.client_cert.unwrap_or(ForwardClientCert::AppendForward);
    let (forward, adds) = match forward {
        ForwardClientCert::Sanitize => (ForwardClientCertDetails::Sanitize, false),
        ForwardClientCert::ForwardOnly => (ForwardClientCertDetails::ForwardOnly, false),
        ForwardClientCert::AppendForward => (ForwardClientCertDetails::AppendForward, true),
        ForwardClientCert::SanitizeSet => (ForwardClientCertDetails::SanitizeSet, true),
        ForwardClientCert::AlwaysForwardOnly => (ForwardClientCertDetails::AlwaysForwardOnly, false),
    };
    manager.forward_client_cert_details = forward as i32;
    let usual = ClientCertDetails { subject: true, cert: false, chain: false, dns: true, uri: true };
    let ClientCertDetails { subject, cert, chain, dns, uri } = headers.client_cert_details.unwrap_or(usual);
    let subject = boolean(subject);
    manager.set_current_client_cert_details =
        adds.then_some(SetCurrentClientCertDetails { subject, cert, chain, dns, uri, ..Default::default() });
}

/// What is added to requests and answers besides.
fn apply_headers(headers: &ProxyHeaders, manager: &mut HttpConnectionManager) {
    let ProxyHeaders {
        client_cert: _, // Of requests that come in.
        client_cert_details: _,
        server,
        without_request_id,
        without_attempt_count: _, // A virtual host's business.
        without_debug: _,         // The router's.
        forwarded_port,
        forwarded_host: _, // A route's business.
        keeps_case,
    } = headers;
    match server {
        None => manager.server_name = SERVER_NAME.to_owned(),
        Some(ServerHeader::Named(name)) => manager.server_name = name.to_string(),
        Some(ServerHeader::PassThrough) => {
            manager.server_header_transformation = ServerHeaderTransformation::PassThrough as i32;
        }
    }
    manager.generate_request_id = boolean(!without_request_id);
    manager.append_x_forwarded_port = *forwarded_port;
    manager.http_protocol_options = keeps_case.then(|| http1_options(true));
}

/// The same on all hops, so that all of them decide about the same path.
fn apply_path_normalization(normalization: PathNormalization, manager: &mut HttpConnectionManager) {
    manager.normalize_path = boolean(normalization != PathNormalization::None);
    manager.merge_slashes = normalization >= PathNormalization::MergeSlashes;
    if normalization == PathNormalization::DecodeAndMergeSlashes {
        manager.path_with_escaped_slashes_action = PathWithEscapedSlashesAction::UnescapeAndForward as i32;
    }
}

fn build_routes(routes: &RouteSource) -> RouteSpecifier {
    match routes {
        RouteSource::Rds(name) => {
            RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: name.to_string() })
        }
        RouteSource::Inline(spec) => RouteSpecifier::RouteConfig(build_inline_route_configuration(spec)),
    }
}

/// UUIDs that also carry the decision to trace, so that one request is traced everywhere or nowhere.
fn request_ids() -> RequestIdExtension {
    let config =
        UuidRequestIdConfig { use_request_id_for_trace_sampling: boolean(true), ..Default::default() };
    RequestIdExtension { typed_config: Some(pack(&config)) }
}
