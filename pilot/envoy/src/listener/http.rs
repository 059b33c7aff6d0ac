//! HTTP connection manager: routes requests. The same for every listener of a direction, apart from routes and names.

use crate::access_log::build_access_log;
use crate::config_source::ads;
use crate::envoy::hcm::http_connection_manager::{
    CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    SetCurrentClientCertDetails, UpgradeConfig,
};
use crate::envoy::hcm::{HttpConnectionManager, Rds, RequestIdExtension};
use crate::filters::build_filters;
use crate::route::build_inline_route_configuration;
use crate::value::{boolean, duration};
use mesh_model::{Duration, PathNormalization};
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
        path_normalization,
        access_log,
    } = spec;
    let mut manager = HttpConnectionManager {
        codec_type: CodecType::Auto as i32,
        stat_prefix: stat_prefix.to_string(),
        route_specifier: Some(build_routes(routes)),
        http_filters: build_filters(spec),
        access_log: build_access_log(access_log.as_deref()),
        server_name: SERVER_NAME.to_owned(),
        // A sidecar's peer is the application or another sidecar, never the client at the edge.
        use_remote_address: boolean(false),
        generate_request_id: boolean(true),
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
        Direction::Inbound => {
            manager.forward_client_cert_details = ForwardClientCertDetails::AppendForward as i32;
            manager.set_current_client_cert_details = Some(SetCurrentClientCertDetails {
                subject: boolean(true),
                dns: true,
                uri: true,
                ..Default::default()
            });
        }
    }
    manager
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
