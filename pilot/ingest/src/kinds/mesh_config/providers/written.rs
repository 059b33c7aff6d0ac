//! `extensionProviders` and `defaultProviders` as they are written.

use super::{access_log, log_services};
use mesh_api::Duration as ApiDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// One of `extensionProviders`.
#[derive(Deserialize, JsonSchema)]
pub struct Provider {
    /// What refers to it calls it so.
    #[serde(default)]
    pub name: String,
    /// Zipkin takes spans.
    pub zipkin: Option<Zipkin>,
    /// A Datadog agent takes spans.
    pub datadog: Option<Plain>,
    /// SkyWalking takes spans.
    pub skywalking: Option<SkyWalking>,
    /// A collector takes spans by OTLP.
    pub opentelemetry: Option<OpenTelemetry>,
    /// A file takes accesses.
    #[serde(rename = "envoyFileAccessLog")]
    pub file: Option<access_log::FileProvider>,
    /// A service takes accesses of requests.
    #[serde(rename = "envoyHttpAls")]
    pub http_log: Option<log_services::HttpProvider>,
    /// A service takes accesses of connections.
    #[serde(rename = "envoyTcpAls")]
    pub tcp_log: Option<log_services::TcpProvider>,
    /// A collector takes accesses by OTLP.
    #[serde(rename = "envoyOtelAls")]
    pub otlp_log: Option<log_services::OtlpProvider>,
}

/// `defaultProviders`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Who is told of requests; the first counts.
    #[serde(default)]
    pub tracing: Vec<String>,
    /// Who is told of accesses.
    #[serde(default)]
    pub access_logging: Vec<String>,
}

/// `zipkin`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Zipkin {
    #[serde(flatten)]
    pub to: To,
    /// Traces have short ids.
    #[serde(rename = "enable64bitTraceId", default)]
    pub short_ids: bool,
    /// Where spans are posted.
    pub path: Option<String>,
    /// By which headers traces go on.
    pub trace_context_option: Option<TraceContext>,
    /// How long that may take.
    pub timeout: Option<ApiDuration>,
    /// Headers that spans are sent with.
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// `traceContextOption`.
#[derive(Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(clippy::enum_variant_names)] // Istio's names.
pub enum TraceContext {
    UseB3,
    #[serde(rename = "USE_B3_WITH_W3C_PROPAGATION")]
    UseB3WithW3c,
}

/// A provider with nothing but where it is.
#[derive(Deserialize, JsonSchema)]
pub struct Plain {
    #[serde(flatten)]
    pub to: To,
}

/// `skywalking`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkyWalking {
    #[serde(flatten)]
    pub to: To,
    /// By which SkyWalking knows its clients.
    #[serde(default)]
    pub access_token: String,
}

/// `opentelemetry`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenTelemetry {
    #[serde(flatten)]
    pub to: To,
    /// How it is called over HTTP.
    pub http: Option<Http>,
    /// How it is called over gRPC.
    pub grpc: Option<Grpc>,
    /// What describes the proxy.
    pub resource_detectors: Option<Detectors>,
    /// Dynatrace says how many requests are traced.
    pub dynatrace_sampler: Option<Value>,
    /// By which rules spans name the service.
    pub service_attribute_enrichment: Option<String>,
}

/// Where a provider is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct To {
    /// Its service, as `namespace/host` or `host`.
    #[serde(default)]
    pub service: String,
    /// Its port.
    #[serde(default)]
    pub port: i64,
    /// How much of a path is told.
    pub max_tag_length: Option<u32>,
}

/// `http` of `opentelemetry`.
#[derive(Deserialize, JsonSchema)]
pub struct Http {
    /// Where spans are posted.
    pub path: Option<String>,
    /// How long that may take.
    pub timeout: Option<ApiDuration>,
    /// Headers that spans are sent with.
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// `grpc` of `opentelemetry`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grpc {
    /// How long a call may take.
    pub timeout: Option<ApiDuration>,
    /// Metadata of the call.
    #[serde(default)]
    pub initial_metadata: Vec<Header>,
}

/// `resourceDetectors`.
#[derive(Deserialize, JsonSchema)]
pub struct Detectors {
    /// The proxy's variable `OTEL_RESOURCE_ATTRIBUTES`.
    pub environment: Option<Detector>,
    /// Files of Dynatrace on the proxy's machine.
    pub dynatrace: Option<Detector>,
}

/// That it is there says all.
#[derive(Deserialize, JsonSchema)]
pub struct Detector {}

/// A header of requests to the provider.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Of the header.
    #[serde(default)]
    pub name: String,
    /// What it says.
    pub value: Option<String>,
    /// A variable that holds what it says.
    pub env_name: Option<String>,
}
