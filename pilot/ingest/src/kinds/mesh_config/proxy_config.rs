//! Istio's ProxyConfig, as `defaultConfig` of the mesh has it and as proxies bring it along: the part that shapes what they are served.
//!
//! In: the fields. Out: what they mean, and for each other field what it is about and that it has no effect here.

use super::{
    connections::{self, Connections},
    later,
    tracing::{self, Tracing},
};
use crate::{
    at::{At, Context, Shared},
    decode::decode,
};
use mesh_model::{
    ClientCertDetails, ForwardClientCert, ProxyHeaders, ProxySettings, ProxyStart, Reason, ServerHeader,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// The fields of [`Written`], to suggest the one that was meant.
const BUILT: &[&str] = &["concurrency", "connectionSettings", "proxyHeaders", "proxyMetadata", "tracing"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    proxy_headers: Option<Headers>,
    tracing: Option<Tracing>,
    connection_settings: Option<Connections>,
    concurrency: Option<u32>,
    #[serde(default)]
    proxy_metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Headers {
    forwarded_client_cert: Option<ForwardedClientCert>,
    set_current_client_cert_details: Option<Details>,
    request_id: Option<Switch>,
    server: Option<Server>,
    attempt_count: Option<Switch>,
    envoy_debug_headers: Option<Switch>,
    preserve_http1_header_case: Option<bool>,
    x_forwarded_host: Option<Extra>,
    x_forwarded_port: Option<Extra>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ForwardedClientCert {
    Undefined,
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly,
}

#[derive(Deserialize)]
struct Details {
    subject: Option<bool>,
    cert: Option<bool>,
    chain: Option<bool>,
    dns: Option<bool>,
    uri: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What is there unless it is `disabled`.
#[derive(Deserialize)]
struct Switch {
    disabled: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What is not there unless it is `enabled`.
#[derive(Deserialize)]
struct Extra {
    enabled: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
struct Server {
    disabled: Option<bool>,
    value: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Reads a ProxyConfig.
pub(super) fn parse(value: &Value, at: &At<'_>) -> (ProxySettings, ProxyStart) {
    let Some(written) = decode(value, at) else { return Default::default() };
    let Written { proxy_headers, tracing, connection_settings, concurrency, proxy_metadata, others } =
        written;
    later::report(&others, later::OF_PROXY, BUILT, at);
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
    let settings = ProxySettings {
        headers: proxy_headers
            .map(|headers| parse_headers(headers, &at.field("proxyHeaders")))
            .unwrap_or_default(),
        tracing,
        connections: Arc::new(connections),
    };
    let environment = proxy_metadata.into_iter().map(|(name, value)| (name.into(), value.into()));
    (settings, ProxyStart { concurrency, environment: environment.collect(), tracer, connection_limit })
}

/// Reads the ProxyConfig that a proxy brings along. What is wrong with it nobody can be told: it is not an object.
pub fn parse_proxy_config(value: &Value) -> ProxySettings {
    let context = Context::default();
    parse(value, &Shared::new(&context, "").root()).0
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
        mut others,
    } = headers;
    // That they are only sent within the mesh holds: Meltemi's proxies never send them.
    others.remove("metadataExchangeHeaders");
    later::report(&others, &[], KNOWN, at);
    let off = |setting: Option<Switch>, name: &str| {
        setting.is_some_and(|Switch { disabled, others }| {
            later::report(&others, &[], &["disabled"], &at.field(name));
            disabled == Some(true)
        })
    };
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
            let Details { subject, cert, chain, dns, uri, others } = details;
            let known = ["subject", "cert", "chain", "dns", "uri"];
            later::report(&others, &[], &known, &at.field("setCurrentClientCertDetails"));
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
        without_request_id: off(request_id, "requestId"),
        without_attempt_count: off(attempt_count, "attemptCount"),
        without_debug: off(envoy_debug_headers, "envoyDebugHeaders"),
        forwarded_port: x_forwarded_port.is_some_and(|setting| is_on(setting, &at.field("xForwardedPort"))),
        forwarded_host: x_forwarded_host.is_some_and(|setting| is_on(setting, &at.field("xForwardedHost"))),
        keeps_case: preserve_http1_header_case == Some(true),
    }
}

/// The fields of [`Headers`], to suggest the one that was meant.
const KNOWN: &[&str] = &[
    "attemptCount",
    "envoyDebugHeaders",
    "forwardedClientCert",
    "metadataExchangeHeaders",
    "preserveHttp1HeaderCase",
    "requestId",
    "server",
    "setCurrentClientCertDetails",
    "xForwardedHost",
    "xForwardedPort",
];

fn is_on(setting: Extra, at: &At<'_>) -> bool {
    let Extra { enabled, others } = setting;
    later::report(&others, &[], &["enabled"], at);
    enabled == Some(true)
}

fn parse_server(server: Server, at: &At<'_>) -> Option<ServerHeader> {
    let Server { disabled, value, others } = server;
    later::report(&others, &[], &["disabled", "value"], at);
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
