//! The providers `envoyHttpAls`, `envoyTcpAls` and `envoyOtelAls`: services that take accesses.
//!
//! In: these as written. Out: whom to tell, and what entries say. A format that Envoy does not understand would make it refuse every listener.

use super::{access_log::check_format, parse_service};
use crate::{at::At, values::parse_header_name};
use mesh_model::{LogProtocol, LogService, Reason, Str};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `envoyHttpAls`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpProvider {
    #[serde(flatten)]
    to: To,
    /// Objects of Envoy's filter state that entries hold.
    #[serde(default)]
    filter_state_objects_to_log: Vec<String>,
    /// Headers of requests that entries hold, besides the usual.
    #[serde(default)]
    additional_request_headers_to_log: Vec<String>,
    /// Headers of responses that entries hold.
    #[serde(default)]
    additional_response_headers_to_log: Vec<String>,
    /// Trailers of responses that entries hold.
    #[serde(default)]
    additional_response_trailers_to_log: Vec<String>,
}

/// `envoyTcpAls`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpProvider {
    #[serde(flatten)]
    to: To,
    /// Objects of Envoy's filter state that entries hold.
    #[serde(default)]
    filter_state_objects_to_log: Vec<String>,
}

/// `envoyOtelAls`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtlpProvider {
    #[serde(flatten)]
    to: To,
    /// What records say.
    log_format: Option<Format>,
}

/// Where a service is, and what it calls the log.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct To {
    /// Its service, as `namespace/host` or `host`.
    #[serde(default)]
    service: String,
    /// Its port.
    #[serde(default)]
    port: i64,
    /// Which of its logs this is.
    #[serde(default)]
    log_name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Format {
    /// The body of a record.
    text: Option<String>,
    /// The attributes of a record.
    labels: Option<Map<String, Value>>,
}

/// Reads `envoyHttpAls`.
pub fn parse_http(provider: HttpProvider, at: &At<'_>) -> Option<LogService> {
    let HttpProvider {
        to,
        filter_state_objects_to_log,
        additional_request_headers_to_log,
        additional_response_headers_to_log,
        additional_response_trailers_to_log,
    } = provider;
    let headers = |names: Vec<String>, field: &str| -> Vec<Str> {
        let at = at.field(field);
        let names = names.iter().enumerate();
        names.filter_map(|(index, name)| parse_header_name(name, &at.index(index))).collect()
    };
    let protocol = LogProtocol::Http {
        filter_state: texts(filter_state_objects_to_log),
        request_headers: headers(additional_request_headers_to_log, "additionalRequestHeadersToLog"),
        response_headers: headers(additional_response_headers_to_log, "additionalResponseHeadersToLog"),
        response_trailers: headers(additional_response_trailers_to_log, "additionalResponseTrailersToLog"),
    };
    parse_to(to, "http_envoy_accesslog", protocol, at)
}

/// Reads `envoyTcpAls`.
pub fn parse_tcp(provider: TcpProvider, at: &At<'_>) -> Option<LogService> {
    let TcpProvider { to, filter_state_objects_to_log } = provider;
    let protocol = LogProtocol::Tcp { filter_state: texts(filter_state_objects_to_log) };
    parse_to(to, "tcp_envoy_accesslog", protocol, at)
}

/// Reads `envoyOtelAls`.
pub fn parse_otlp(provider: OtlpProvider, at: &At<'_>) -> Option<LogService> {
    let OtlpProvider { to, log_format } = provider;
    let Format { text, labels } = log_format.unwrap_or(Format { text: None, labels: None });
    let at_format = at.field("logFormat");
    let text = text.filter(|text| !text.is_empty());
    let usual = "Istio's format is used instead";
    let good = |text: &String| check_format(text, usual, &at_format.field("text")).is_some();
    let body = text.filter(good).map(Str::from);
    let attributes = parse_labels(labels.unwrap_or_default(), &at_format.field("labels"));
    parse_to(to, "otel_envoy_accesslog", LogProtocol::Otlp { body, attributes }, at)
}

/// What cannot be used is left out: the others are worth telling.
fn parse_labels(labels: Map<String, Value>, at: &At<'_>) -> BTreeMap<Str, Str> {
    let parse = |(name, value): (String, Value)| {
        let at = at.field(&name);
        let Value::String(text) = value else {
            let found = crate::decode::describe(&value);
            at.error_hint(
                Reason::InvalidType,
                format!("a label of a record is a text, this is {found}; it is left out"),
                "put it in quotes, as in \"%RESPONSE_CODE%\"",
            );
            return None;
        };
        check_format(&text, "it is left out", &at)?;
        Some((name.into(), text.into()))
    };
    labels.into_iter().filter_map(parse).collect()
}

/// Istio's names of logs hold where there is none.
fn parse_to(to: To, usual: &str, protocol: LogProtocol, at: &At<'_>) -> Option<LogService> {
    let To { service, port, log_name } = to;
    let name = if log_name.is_empty() { usual.into() } else { log_name.into() };
    Some(LogService { to: parse_service(&service, port, at)?, name, protocol })
}

fn texts(texts: Vec<String>) -> Vec<Str> {
    texts.into_iter().filter(|text| !text.is_empty()).map(Str::from).collect()
}
