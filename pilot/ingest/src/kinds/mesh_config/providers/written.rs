//! `extensionProviders` and `defaultProviders` as they are written.

use super::access_log;
use mesh_api::Duration as ApiDuration;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One of `extensionProviders`.
#[derive(Deserialize)]
pub struct Provider {
    #[serde(default)]
    pub name: String,
    pub zipkin: Option<Zipkin>,
    pub datadog: Option<Plain>,
    pub skywalking: Option<SkyWalking>,
    pub opentelemetry: Option<OpenTelemetry>,
    #[serde(rename = "envoyFileAccessLog")]
    pub file: Option<access_log::FileProvider>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `defaultProviders`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    #[serde(default)]
    pub tracing: Vec<String>,
    #[serde(default)]
    pub access_logging: Vec<String>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `zipkin`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zipkin {
    #[serde(flatten)]
    pub to: To,
    #[serde(rename = "enable64bitTraceId", default)]
    pub short_ids: bool,
    pub path: Option<String>,
    pub trace_context_option: Option<TraceContext>,
    pub timeout: Option<ApiDuration>,
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// `traceContextOption`.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(clippy::enum_variant_names)] // Istio's names.
pub enum TraceContext {
    UseB3,
    #[serde(rename = "USE_B3_WITH_W3C_PROPAGATION")]
    UseB3WithW3c,
}

/// A provider with nothing but where it is.
#[derive(Deserialize)]
pub struct Plain {
    #[serde(flatten)]
    pub to: To,
}

/// `skywalking`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkyWalking {
    #[serde(flatten)]
    pub to: To,
    #[serde(default)]
    pub access_token: String,
}

/// `opentelemetry`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTelemetry {
    #[serde(flatten)]
    pub to: To,
    pub http: Option<Http>,
    pub grpc: Option<Grpc>,
    pub resource_detectors: Option<Detectors>,
    pub dynatrace_sampler: Option<Value>,
    pub service_attribute_enrichment: Option<String>,
}

/// Where a provider is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct To {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: i64,
    pub max_tag_length: Option<u32>,
}

/// `http` of `opentelemetry`.
#[derive(Deserialize)]
pub struct Http {
    pub path: Option<String>,
    pub timeout: Option<ApiDuration>,
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// `grpc` of `opentelemetry`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grpc {
    pub timeout: Option<ApiDuration>,
    #[serde(default)]
    pub initial_metadata: Vec<Header>,
}

/// `resourceDetectors`.
#[derive(Deserialize)]
pub struct Detectors {
    pub environment: Option<Map<String, Value>>,
    pub dynatrace: Option<Map<String, Value>>,
}

/// A header of requests to the provider.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    #[serde(default)]
    pub name: String,
    pub value: Option<String>,
    pub env_name: Option<String>,
}
