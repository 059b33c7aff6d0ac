//! Access logs that services take: Envoy's own protocol, or OpenTelemetry's.

use super::{Told, format};
use crate::envoy::{core, wkt};
use crate::grpc::build_grpc_service;
use crate::names::{ACCESS_LOG_CLUSTER, HTTP_GRPC_ACCESS_LOG, OTLP_ACCESS_LOG, TCP_GRPC_ACCESS_LOG};
use mesh_model::{LogProtocol, LogService, Str};
use mesh_proto::envoy::extensions::access_loggers::{
    grpc::v3::{CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig, TcpGrpcAccessLogConfig},
    open_telemetry::v3::OpenTelemetryAccessLogConfig,
};
use mesh_proto::opentelemetry::proto::common::v1::{AnyValue, KeyValue, KeyValueList, any_value};
use mesh_proto::pack;
use pilot_view::provider_cluster;
use std::collections::BTreeMap;

/// The logger of the service that bootstraps lead to: its entries are of what passes. Istio's names.
pub(super) fn build_of_bootstrap(told: Told) -> (&'static str, wkt::Any) {
    let common = |name: &str| build_common(name, build_grpc_service("", ACCESS_LOG_CLUSTER), &[]);
    match told {
        Told::Requests => {
            let common_config = Some(common("http_envoy_accesslog"));
            let config = HttpGrpcAccessLogConfig { common_config, ..Default::default() };
            (HTTP_GRPC_ACCESS_LOG, pack(&config))
        }
        Told::Connections => {
            let common_config = Some(common("tcp_envoy_accesslog"));
            (TCP_GRPC_ACCESS_LOG, pack(&TcpGrpcAccessLogConfig { common_config }))
        }
    }
}

/// The logger of a provider. As in Istio it is the same for requests and for connections: what is not there is empty.
pub(super) fn build(service: &LogService) -> (&'static str, wkt::Any) {
    let LogService { to, name, protocol } = service;
    let grpc = build_grpc_service(&to.host.to_shared(), &provider_cluster(to));
    match protocol {
        LogProtocol::Http { filter_state, request_headers, response_headers, response_trailers } => {
            let config = HttpGrpcAccessLogConfig {
                common_config: Some(build_common(name, grpc, filter_state)),
                additional_request_headers_to_log: texts(request_headers),
                additional_response_headers_to_log: texts(response_headers),
                additional_response_trailers_to_log: texts(response_trailers),
            };
            (HTTP_GRPC_ACCESS_LOG, pack(&config))
        }
        LogProtocol::Tcp { filter_state } => {
            let common_config = Some(build_common(name, grpc, filter_state));
            (TCP_GRPC_ACCESS_LOG, pack(&TcpGrpcAccessLogConfig { common_config }))
        }
        LogProtocol::Otlp { body, attributes } => {
            let body = body.as_deref().unwrap_or(format::TEXT);
            let mut formats = std::iter::once(body).chain(attributes.values().map(|value| &**value));
            let config = OpenTelemetryAccessLogConfig {
                grpc_service: Some(grpc),
                log_name: name.to_string(),
                // As Istio: attributes are what the mesh says, and nothing else.
                disable_builtin_labels: true,
                formatters: format::build_formatters(&mut formats),
                body: Some(any(body)),
                attributes: build_attributes(attributes),
                ..Default::default()
            };
            (OTLP_ACCESS_LOG, pack(&config))
        }
    }
}

fn build_common(name: &str, grpc: core::GrpcService, filter_state: &[Str]) -> CommonGrpcAccessLogConfig {
    CommonGrpcAccessLogConfig {
        log_name: name.to_owned(),
        grpc_service: Some(grpc),
        transport_api_version: core::ApiVersion::V3 as i32,
        // Istio's defaults are objects of filters that a stock Envoy does not have.
        filter_state_objects_to_log: texts(filter_state),
        ..Default::default()
    }
}

fn build_attributes(attributes: &BTreeMap<Str, Str>) -> Option<KeyValueList> {
    let values = attributes.iter();
    let values = values.map(|(name, value)| KeyValue { key: name.to_string(), value: Some(any(value)) });
    (!attributes.is_empty()).then(|| KeyValueList { values: values.collect() })
}

fn any(text: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }
}

fn texts(texts: &[Str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
