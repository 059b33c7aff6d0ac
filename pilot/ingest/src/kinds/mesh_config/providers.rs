//! `extensionProviders`, `defaultProviders` and `enableTracing`: who is told of requests.
//!
//! In: the three as written. Out: the provider of spans and the access logs that hold for the mesh, and what of the rest has no effect. Without Telemetry
//! objects only the default providers are used.

use super::access_log;
use crate::{
    at::At,
    values::{
        parse_duration, parse_header_name, parse_header_value, parse_host, parse_port,
        parse_positive_duration,
    },
};
use mesh_api::Duration as ApiDuration;
use mesh_model::{
    AccessLogger, Destination, Duration, Host, MeshTracing, ProviderService, Reason, ResourceDetectors, Str,
    TracingProtocol, TracingProvider, TracingRequest,
};
use std::sync::Arc;

mod log_services;
mod written;

pub use written::{Defaults, Provider};
use written::{Grpc, Header, Http, OpenTelemetry, Plain, SkyWalking, To, TraceContext, Zipkin};

/// Envoy needs some limit; Istio's.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who is told.
pub struct Told {
    /// Of requests, as spans.
    pub tracing: MeshTracing,
    /// Of accesses; `None`: `accessLogFile` says it.
    pub access_log: Option<Vec<AccessLogger>>,
}

/// What a provider takes.
struct Takes {
    spans: Option<TracingProvider>,
    accesses: Option<AccessLogger>,
}

/// Reads the three. `at` is the place of the mesh settings.
pub fn parse(
    providers: Vec<Provider>,
    defaults: Option<Defaults>,
    enable_tracing: Option<bool>,
    at: &At<'_>,
) -> Told {
    let at_providers = at.field("extensionProviders");
    let mut known = Vec::new();
    for (index, provider) in providers.into_iter().enumerate() {
        let at = at_providers.index(index);
        let name = provider.name.clone();
        if name.is_empty() {
            at.field("name").error_hint(
                Reason::Required,
                "without a name nothing can refer to this",
                "write one, as in `name: zipkin`",
            );
        }
        // Istio refuses all settings then.
        if let Some(first) = known.iter().position(|(other, _)| *other == name && !name.is_empty()) {
            at.field("name").error_hint(
                Reason::Duplicate,
                format!("extensionProviders[{first}] is called `{name}`, too, and that one counts; Istio refuses this"),
                "give each provider a name of its own",
            );
        }
        known.push((name, parse_provider(provider, &at)));
    }
    let at = at.field("defaultProviders");
    let none = Defaults { tracing: Vec::new(), access_logging: Vec::new() };
    let Defaults { tracing, access_logging } = defaults.unwrap_or(none);
    Told {
        access_log: logs(&access_logging, &known, &at.field("accessLogging")),
        tracing: spans(tracing, known, enable_tracing, &at.field("tracing")),
    }
}

/// Those of `wanted`. `None` when there is none among them: then nobody is told instead of `accessLogFile`.
fn logs(wanted: &[String], known: &[(String, Takes)], at: &At<'_>) -> Option<Vec<AccessLogger>> {
    let mut told: Vec<AccessLogger> = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        let at = at.index(index);
        match known.iter().find(|(name, _)| name == wanted) {
            Some((_, Takes { accesses: Some(logger), spans: _ })) if !told.contains(logger) => {
                told.push(logger.clone());
            }
            Some((_, Takes { accesses: Some(_), spans: _ })) => {}
            Some((_, Takes { accesses: None, spans: _ })) => at.error_hint(
                Reason::InvalidValue,
                format!("`{wanted}` takes no accesses, or cannot be used as it is written: it is not told of them"),
                "name a provider that is envoyFileAccessLog, envoyHttpAls, envoyTcpAls or envoyOtelAls, without errors of its own",
            ),
            None => at.error_hint(
                Reason::NotFound,
                format!("there is no provider `{wanted}`: it is not told of accesses"),
                "name one of `extensionProviders`",
            ),
        }
    }
    (!told.is_empty()).then_some(told)
}

fn spans(
    wanted: Vec<String>,
    known: Vec<(String, Takes)>,
    enable_tracing: Option<bool>,
    at: &At<'_>,
) -> MeshTracing {
    let mut wanted = wanted.into_iter().enumerate();
    let Some((_, first)) = wanted.next() else {
        return if enable_tracing == Some(true) { MeshTracing::Bootstrap } else { MeshTracing::Off };
    };
    // As Istio: one takes all.
    wanted.for_each(|(index, _)| {
        at.index(index).warning_hint(
            Reason::NotSupported,
            "only the first provider is told of requests, as in Istio",
            "leave the others out",
        );
    });
    let at = at.index(0);
    match known.into_iter().find(|(name, _)| *name == first) {
        Some((_, Takes { spans: Some(provider), accesses: _ })) => MeshTracing::Provider(Arc::new(provider)),
        Some((_, Takes { spans: None, accesses: _ })) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{first}` takes no spans: requests are not traced"),
                "name a provider that is zipkin, opentelemetry, datadog or skywalking",
            );
            MeshTracing::Off
        }
        None => {
            at.error_hint(
                Reason::NotFound,
                format!("there is no provider `{first}`: requests are not traced"),
                "name one of `extensionProviders`",
            );
            MeshTracing::Off
        }
    }
}

fn parse_provider(provider: Provider, at: &At<'_>) -> Takes {
    let Provider { name: _, zipkin, datadog, skywalking, opentelemetry, file, http_log, tcp_log, otlp_log } =
        provider;
    let file = file.map(|file| access_log::parse_provider(file, &at.field("envoyFileAccessLog")));
    let http = http_log.and_then(|log| log_services::parse_http(log, &at.field("envoyHttpAls")));
    let tcp = tcp_log.and_then(|log| log_services::parse_tcp(log, &at.field("envoyTcpAls")));
    let otlp = otlp_log.and_then(|log| log_services::parse_otlp(log, &at.field("envoyOtelAls")));
    let service = http.or(tcp).or(otlp).map(AccessLogger::Service);
    let accesses = file.map(AccessLogger::File).or(service);
    Takes { spans: parse_tracer(zipkin, datadog, skywalking, opentelemetry, at), accesses }
}

/// `None` when it takes no spans, or cannot be used.
fn parse_tracer(
    zipkin: Option<Zipkin>,
    datadog: Option<Plain>,
    skywalking: Option<SkyWalking>,
    opentelemetry: Option<OpenTelemetry>,
    at: &At<'_>,
) -> Option<TracingProvider> {
    if let Some(Zipkin { to, short_ids, path, trace_context_option, timeout, headers }) = zipkin {
        let at = at.field("zipkin");
        let request = parse_request(path, "/api/v2/spans", timeout, headers, &at)?;
        if request.timeout != TIMEOUT {
            at.field("timeout").warning_hint(
                Reason::NotSupported,
                "Envoy gives collectors of Zipkin five seconds, whatever it is told",
                "leave it out, or use `opentelemetry` with `http`, whose timeout holds",
            );
        }
        let w3c = trace_context_option == Some(TraceContext::UseB3WithW3c);
        return parse_to(to, TracingProtocol::Zipkin { request, short_ids, w3c }, &at);
    }
    if let Some(Plain { to }) = datadog {
        return parse_to(to, TracingProtocol::Datadog, &at.field("datadog"));
    }
    if let Some(SkyWalking { to, access_token }) = skywalking {
        let at = at.field("skywalking");
        let token = parse_header_value(&access_token, &at.field("accessToken"))?;
        return parse_to(to, TracingProtocol::SkyWalking { token }, &at);
    }
    let OpenTelemetry { to, http, grpc, resource_detectors, dynatrace_sampler, service_attribute_enrichment } =
        opentelemetry?;
    let at = at.field("opentelemetry");
    at.not_supported("dynatraceSampler", dynatrace_sampler.is_some());
    let enriched = service_attribute_enrichment.is_some_and(|by| by != "ISTIO_CANONICAL");
    at.not_supported("serviceAttributeEnrichment", enriched);
    let detectors = resource_detectors.map_or(ResourceDetectors::default(), |found| ResourceDetectors {
        environment: found.environment.is_some(),
        dynatrace: found.dynatrace.is_some(),
    });
    let protocol = match (http, grpc) {
        (Some(Http { path, timeout, headers }), grpc) => {
            if grpc.is_some() {
                at.field("grpc").warning_hint(
                    Reason::Conflict,
                    "with `http` this has no effect",
                    "leave one of the two out",
                );
            }
            let request = parse_request(path, "/", timeout, headers, &at.field("http"))?;
            TracingProtocol::OtlpHttp { request, detectors }
        }
        (None, grpc) => {
            let Grpc { timeout, initial_metadata } =
                grpc.unwrap_or(Grpc { timeout: None, initial_metadata: Vec::new() });
            let at = at.field("grpc");
            let timeout = timeout.and_then(|value| parse_duration(value, &at.field("timeout")));
            if timeout.is_some() {
                at.field("timeout").warning_hint(
                    Reason::NotSupported,
                    "Envoy waits for collectors that it calls by gRPC as long as they take, whatever it is told",
                    "leave it out, or use `http`, whose timeout holds",
                );
            }
            let metadata = parse_headers(initial_metadata, &at.field("initialMetadata"))?;
            TracingProtocol::OtlpGrpc { timeout, metadata, detectors }
        }
    };
    parse_to(to, protocol, &at)
}

fn parse_to(to: To, protocol: TracingProtocol, at: &At<'_>) -> Option<TracingProvider> {
    let To { service, port, max_tag_length } = to;
    let to = parse_service(&service, port, at)?;
    let max_path_length = max_tag_length.filter(|length| *length != 0);
    Some(TracingProvider { to, max_path_length, protocol })
}

/// `service` and `port` of a provider.
fn parse_service(service: &str, port: i64, at: &At<'_>) -> Option<ProviderService> {
    let at_service = at.field("service");
    let (namespace, name) = match service.split_once('/') {
        Some((namespace, name)) => (Some(Str::from(namespace)), name),
        None => (None, service),
    };
    let host: Host = parse_host(name, &at_service)?;
    let port = parse_port(port, &at.field("port"))?;
    at_service.refer(&Destination { host: host.clone(), subset: "".into(), port: Some(port) });
    Some(ProviderService { namespace, host, port })
}

fn parse_request(
    path: Option<String>,
    usual: &str,
    timeout: Option<ApiDuration>,
    headers: Vec<Header>,
    at: &At<'_>,
) -> Option<TracingRequest> {
    let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| usual.to_owned());
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        at.field("path").error_hint(
            Reason::InvalidValue,
            "a path is printable ASCII without spaces",
            "write one such as /api/v2/spans, with %20 for a space",
        );
        return None;
    }
    let timeout = timeout.and_then(|value| parse_positive_duration(value, &at.field("timeout")));
    let headers = parse_headers(headers, &at.field("headers"))?;
    Some(TracingRequest { path: path.into(), timeout: timeout.unwrap_or(TIMEOUT), headers })
}

/// `None` when one cannot be used: it may be what the provider knows its clients by.
fn parse_headers(headers: Vec<Header>, at: &At<'_>) -> Option<Vec<(Str, Str)>> {
    let parse = |(index, Header { name, value, env_name }): (usize, Header)| {
        let at = at.index(index);
        at.not_supported("envName", env_name.is_some());
        let name = parse_header_name(&name, &at.field("name"))?;
        // What stands for something in Envoy's formats is meant as it stands, as in Istio.
        let value = value.filter(|_| env_name.is_none())?.replace('%', "%%");
        Some((name, parse_header_value(&value, &at.field("value"))?))
    };
    headers.into_iter().enumerate().map(parse).collect()
}
