//! Tracing: what a connection manager tells of requests, and to whom. In: a [`TracingSpec`]. Out: `HttpConnectionManager.tracing`.

use crate::envoy::hcm::http_connection_manager::Tracing;
use crate::envoy::{core, trace, tracing, wkt};
use crate::grpc::build_grpc_service;
use crate::value::{boolean, duration, percent, uint32};
use mesh_model::{Percent, ResourceDetectors, SpanTag, Str, TracingProtocol, TracingRequest};
use mesh_proto::pack;
use pilot_view::spec::{TracerSpec, TracingSpec};
use std::collections::BTreeMap;

/// What the spec says.
pub(crate) fn build_tracing(spec: &TracingSpec) -> Tracing {
    let TracingSpec { tracer, sampling, tags, max_path_length, workload_namespace } = spec;
    let skywalking = |tracer: &TracerSpec| matches!(*tracer.protocol, TracingProtocol::SkyWalking { .. });
    Tracing {
        // Whoever asks for a trace gets it; nothing limits all of them together.
        client_sampling: Some(percent(Percent::ALL)),
        overall_sampling: Some(percent(Percent::ALL)),
        random_sampling: Some(percent(*sampling)),
        max_path_tag_length: max_path_length.and_then(uint32),
        custom_tags: build_tags(tags, workload_namespace.as_deref()),
        // Each hop is a span of its own there.
        spawn_upstream_span: tracer.as_ref().filter(|tracer| skywalking(tracer)).and(boolean(true)),
        provider: tracer.as_ref().map(build_provider),
        ..Default::default()
    }
}

/// Istio's tags of the workload, and the user's, by name; a user's wins.
fn build_tags(tags: &BTreeMap<Str, SpanTag>, namespace: Option<&str>) -> Vec<tracing::CustomTag> {
    use tracing::custom_tag::{Environment, Header, Literal, Type};
    let literal = |value: &str| Type::Literal(Literal { value: value.to_owned() });
    let mut all: BTreeMap<String, Type> = BTreeMap::new();
    if let Some(namespace) = namespace {
        // The proxy itself knows who it is, so that all proxies of a namespace can share their listeners.
        let label = |label: &str, absent: &str| {
            known("xds.node.metadata.LABELS", &format!("service.istio.io/{label}"), absent)
        };
        let metadata = |key: &str| known("xds.node.metadata", key, "unknown");
        all.extend([
            ("istio.canonical_revision".to_owned(), label("canonical-revision", "latest")),
            ("istio.canonical_service".to_owned(), label("canonical-name", "unknown")),
            ("istio.mesh_id".to_owned(), metadata("MESH_ID")),
            ("istio.cluster_id".to_owned(), metadata("CLUSTER_ID")),
            ("istio.namespace".to_owned(), literal(namespace)),
        ]);
    }
    all.extend(tags.iter().map(|(name, tag)| {
        let value = match tag {
            SpanTag::Literal(value) => literal(value),
            SpanTag::Environment(variable, absent) => Type::Environment(Environment {
                name: variable.to_string(),
                default_value: absent.to_string(),
            }),
            SpanTag::Header(header, absent) => {
                Type::RequestHeader(Header { name: header.to_string(), default_value: absent.to_string() })
            }
        };
        (name.to_string(), value)
    }));
    all.into_iter()
        .map(|(tag, value)| tracing::CustomTag { tag, r#type: Some(value), ..Default::default() })
        .collect()
}

/// The value at `key` of a map of CEL, or else `absent`. None of the three is a user's text.
fn known(map: &str, key: &str, absent: &str) -> tracing::custom_tag::Type {
    tracing::custom_tag::Type::Value(format!("%CEL('{key}' in {map} ? {map}['{key}'] : '{absent}')%"))
}

fn build_provider(tracer: &TracerSpec) -> trace::tracing::Http {
    let TracerSpec { host, cluster, protocol, service_name } = tracer;
    let (name, config) = match &**protocol {
        TracingProtocol::Zipkin { request, short_ids, w3c } => {
            let config = trace::ZipkinConfig {
                collector_endpoint_version: trace::zipkin_config::CollectorEndpointVersion::HttpJson as i32,
                trace_id_128bit: !short_ids,
                shared_span_context: boolean(false),
                trace_context_option: if *w3c {
                    trace::zipkin_config::TraceContextOption::UseB3WithW3cPropagation as i32
                } else {
                    trace::zipkin_config::TraceContextOption::UseB3 as i32
                },
                collector_service: Some(build_http_service(request, host, cluster)),
                ..Default::default()
            };
            ("zipkin", pack(&config))
        }
        TracingProtocol::Datadog => {
            let config = trace::DatadogConfig {
                collector_cluster: cluster.to_string(),
                collector_hostname: host.to_string(),
                service_name: service_name.to_string(),
                ..Default::default()
            };
            ("datadog", pack(&config))
        }
        TracingProtocol::SkyWalking { token } => {
            let token = Some(token).filter(|token| !token.is_empty());
            let config = trace::SkyWalkingConfig {
                grpc_service: Some(build_grpc_service(host, cluster)),
                client_config: token.map(|token| trace::ClientConfig {
                    backend_token_specifier: Some(trace::client_config::BackendTokenSpecifier::BackendToken(
                        token.to_string(),
                    )),
                    ..Default::default()
                }),
            };
            ("skywalking", pack(&config))
        }
        TracingProtocol::OtlpHttp { request, detectors } => {
            let config = trace::OpenTelemetryConfig {
                http_service: Some(build_http_service(request, host, cluster)),
                service_name: service_name.to_string(),
                resource_detectors: build_detectors(*detectors),
                ..Default::default()
            };
            ("opentelemetry", pack(&config))
        }
        TracingProtocol::OtlpGrpc { timeout, metadata, detectors } => {
            let config = trace::OpenTelemetryConfig {
                grpc_service: Some(core::GrpcService {
                    timeout: timeout.map(duration),
                    initial_metadata: metadata.iter().map(|(name, value)| header(name, value)).collect(),
                    ..build_grpc_service(host, cluster)
                }),
                service_name: service_name.to_string(),
                resource_detectors: build_detectors(*detectors),
                ..Default::default()
            };
            ("opentelemetry", pack(&config))
        }
    };
    trace::tracing::Http {
        name: format!("envoy.tracers.{name}"),
        config_type: Some(trace::tracing::http::ConfigType::TypedConfig(config)),
    }
}

fn build_http_service(request: &TracingRequest, host: &str, cluster: &str) -> core::HttpService {
    let TracingRequest { path, timeout, headers } = request;
    let headers = headers.iter().map(|(name, value)| core::HeaderValueOption {
        header: Some(header(name, value)),
        append_action: core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd as i32,
        ..Default::default()
    });
    core::HttpService {
        http_uri: Some(core::HttpUri {
            uri: format!("http://{host}{path}"),
            timeout: Some(duration(*timeout)),
            http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster(cluster.to_owned())),
        }),
        request_headers_to_add: headers.collect(),
        ..Default::default()
    }
}

fn header(name: &str, value: &str) -> core::HeaderValue {
    core::HeaderValue { key: name.to_owned(), value: value.to_owned(), ..Default::default() }
}

/// Neither has settings, so that a message without fields is all of its configuration.
fn build_detectors(detectors: ResourceDetectors) -> Vec<core::TypedExtensionConfig> {
    let ResourceDetectors { environment, dynatrace } = detectors;
    let detector = |name: &str, message: &str| core::TypedExtensionConfig {
        name: format!("envoy.tracers.opentelemetry.resource_detectors.{name}"),
        typed_config: Some(wkt::Any {
            type_url: format!(
                "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.{message}"
            ),
            value: Default::default(),
        }),
    };
    [
        environment.then(|| detector("environment", "EnvironmentResourceDetectorConfig")),
        dynatrace.then(|| detector("dynatrace", "DynatraceResourceDetectorConfig")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
