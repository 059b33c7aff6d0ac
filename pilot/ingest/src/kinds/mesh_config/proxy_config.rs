//! Istio's ProxyConfig, as `defaultConfig` of the mesh has it and as proxies bring it along: the part that shapes what they are served.
//!
//! In: the fields. Out: what they mean, and for each other field what it is about and that it has no effect here.

use super::{
    connections::{self, Connections},
    later, proxy_start, schema,
    tracing::{self, Tracing},
};
use crate::{
    at::{At, Context, Finished, Shared},
    decode::decode,
    document,
};
use mesh_model::{
    ClientCertDetails, ForwardClientCert, Problem, ProxyHeaders, ProxySettings, ProxyStart, Reason,
    ServerHeader,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// The block as written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Headers that proxies add, change or leave as they are.
    proxy_headers: Option<Headers>,
    /// What proxies tell of requests.
    tracing: Option<Tracing>,
    /// Limits of the connections that clients make to proxies.
    connection_settings: Option<Connections>,
    /// Worker threads; 0: one for each processor.
    concurrency: Option<u32>,
    /// Environment of proxies, and metadata of their nodes.
    #[serde(default)]
    proxy_metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    start: proxy_start::Written,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Headers {
    /// What becomes of `x-forwarded-client-cert` of requests.
    forwarded_client_cert: Option<ForwardedClientCert>,
    /// What `x-forwarded-client-cert` says of the client's certificate.
    set_current_client_cert_details: Option<Details>,
    /// `x-request-id`.
    request_id: Option<Switch>,
    /// `server` of responses.
    server: Option<Server>,
    /// `x-envoy-attempt-count`.
    attempt_count: Option<Switch>,
    /// Headers by which Envoy tells what it did, such as `x-envoy-upstream-service-time`.
    envoy_debug_headers: Option<Switch>,
    /// Names of headers keep their capitals.
    preserve_http1_header_case: Option<bool>,
    /// `x-forwarded-host`.
    x_forwarded_host: Option<Extra>,
    /// `x-forwarded-port`.
    x_forwarded_port: Option<Extra>,
    /// Headers by which the proxies of an older Istio tell each other whose they are.
    #[expect(dead_code, reason = "that they are sent within the mesh only holds: no proxy sends them")]
    metadata_exchange_headers: Option<Exchange>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ForwardedClientCert {
    Undefined,
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly,
}

#[derive(Deserialize, JsonSchema)]
struct Details {
    /// Its subject.
    subject: Option<bool>,
    /// The certificate.
    cert: Option<bool>,
    /// The certificate with those that signed it.
    chain: Option<bool>,
    /// Its DNS names.
    dns: Option<bool>,
    /// Its URI, which is the client's identity.
    uri: Option<bool>,
}

/// What is there unless it is `disabled`.
#[derive(Deserialize, JsonSchema)]
struct Switch {
    /// It is not sent.
    disabled: Option<bool>,
}

/// What is not there unless it is `enabled`.
#[derive(Deserialize, JsonSchema)]
struct Extra {
    /// It is sent.
    enabled: Option<bool>,
}

/// `metadataExchangeHeaders`.
#[derive(Deserialize, JsonSchema)]
struct Exchange {
    /// To whom they are sent.
    #[expect(dead_code, reason = "nobody sends them")]
    mode: Option<ExchangeMode>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ExchangeMode {
    Undefined,
    InMesh,
}

#[derive(Deserialize, JsonSchema)]
struct Server {
    /// What the workload says is left as it is.
    disabled: Option<bool>,
    /// What it says; `istio-envoy` if it is not said.
    value: Option<String>,
}

/// Reads a ProxyConfig.
pub(super) fn parse(value: &Value, at: &At<'_>) -> (ProxySettings, ProxyStart) {
    decode(value, at).map(|written| parse_written(written, at)).unwrap_or_default()
}

fn parse_written(written: Written, at: &At<'_>) -> (ProxySettings, ProxyStart) {
    let Written { proxy_headers, tracing, connection_settings, concurrency, proxy_metadata, start } = written;
    let (connections, connection_limit) = connection_settings
        .map(|settings| connections::parse(settings, &at.field("connectionSettings")))
        .unwrap_or_default();
    let (tracing, tracer) =
        tracing.map(|tracing| tracing::parse(tracing, &at.field("tracing"))).unwrap_or_default();
    for (name, set) in [("concurrency", concurrency.is_some()), ("proxyMetadata", !proxy_metadata.is_empty())]
    {
        if set {
            later::report_injected(&at.field(name));
        }
    }
    let environment = proxy_metadata.into_iter().map(|(name, value)| (name.into(), value.into()));
    let start = ProxyStart {
        concurrency,
        environment: environment.collect(),
        connection_limit,
        ..proxy_start::parse(start, tracer, at)
    };
    let settings = ProxySettings {
        access_log_service: start.access_log_service.is_some(),
        headers: proxy_headers
            .map(|headers| parse_headers(headers, &at.field("proxyHeaders")))
            .unwrap_or_default(),
        tracing,
        connections: Arc::new(connections),
    };
    (settings, start)
}

/// Reads the ProxyConfig that a proxy brings along. What is wrong with it nobody can be told: it is not an object.
pub fn parse_proxy_config(value: &Value) -> ProxySettings {
    let context = Context::default();
    parse(value, &Shared::new(&context, "").root()).0
}

/// What is wrong with the ProxyConfig that an annotation has as text. Whether a setting has an effect is up to who starts the proxy.
pub fn check_annotation(text: &str) -> Vec<Problem> {
    let settings = match document::parse_text(text) {
        Ok(Value::Null) => return Vec::new(),
        Ok(settings) => settings,
        Err(problem) => return vec![problem],
    };
    let context = Context::default();
    let shared = Shared::new(&context, "");
    let at = shared.root();
    let (schema, place) = schema::of_proxies();
    if let Some(written) = schema::read::<Written>(&settings, schema, place, &at) {
        parse_written(written, &at);
    }
    let Finished { mut problems, references: _, undecodable: _ } = shared.finish();
    problems.retain(|problem| problem.reason != Reason::NotSupported);
    problems
}

fn parse_headers(headers: Headers, at: &At<'_>) -> ProxyHeaders {
    let Headers {
        forwarded_client_cert,
        set_current_client_cert_details,
        request_id,
        server,
        attempt_count,
        envoy_debug_headers,
        preserve_http1_header_case,
        x_forwarded_host,
        x_forwarded_port,
        metadata_exchange_headers: _,
    } = headers;
    let off = |setting: Option<Switch>| setting.is_some_and(|Switch { disabled }| disabled == Some(true));
    let on = |setting: Option<Extra>| setting.is_some_and(|Extra { enabled }| enabled == Some(true));
    ProxyHeaders {
        client_cert: match forwarded_client_cert {
            None | Some(ForwardedClientCert::Undefined) => None,
            Some(ForwardedClientCert::Sanitize) => Some(ForwardClientCert::Sanitize),
            Some(ForwardedClientCert::ForwardOnly) => Some(ForwardClientCert::ForwardOnly),
            Some(ForwardedClientCert::AppendForward) => Some(ForwardClientCert::AppendForward),
            Some(ForwardedClientCert::SanitizeSet) => Some(ForwardClientCert::SanitizeSet),
            Some(ForwardedClientCert::AlwaysForwardOnly) => Some(ForwardClientCert::AlwaysForwardOnly),
        },
        client_cert_details: set_current_client_cert_details.map(|details| {
            let Details { subject, cert, chain, dns, uri } = details;
            let on = |setting: Option<bool>| setting == Some(true);
            ClientCertDetails {
                subject: on(subject),
                cert: on(cert),
                chain: on(chain),
                dns: on(dns),
                uri: on(uri),
            }
        }),
        server: server.and_then(|server| parse_server(server, &at.field("server"))),
        without_request_id: off(request_id),
        without_attempt_count: off(attempt_count),
        without_debug: off(envoy_debug_headers),
        forwarded_port: on(x_forwarded_port),
        forwarded_host: on(x_forwarded_host),
        keeps_case: preserve_http1_header_case == Some(true),
    }
}

fn parse_server(server: Server, at: &At<'_>) -> Option<ServerHeader> {
    let Server { disabled, value } = server;
    if disabled == Some(true) {
        return Some(ServerHeader::PassThrough);
    }
    let value = value.filter(|value| !value.is_empty())?;
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        at.field("value").error_hint(
            Reason::InvalidValue,
            "this cannot be the value of a header; `istio-envoy` is sent",
            "write printable ASCII",
        );
        return None;
    }
    Some(ServerHeader::Named(value.into()))
}
