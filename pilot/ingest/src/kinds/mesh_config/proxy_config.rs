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
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
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
    #[schemars(skip)]
    others: Map<String, Value>,
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
    metadata_exchange_headers: Option<Value>,
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Value>,
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
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Value>,
}

/// What is there unless it is `disabled`.
#[derive(Deserialize, JsonSchema)]
struct Switch {
    /// It is not sent.
    disabled: Option<bool>,
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Value>,
}

/// What is not there unless it is `enabled`.
#[derive(Deserialize, JsonSchema)]
struct Extra {
    /// It is sent.
    enabled: Option<bool>,
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
struct Server {
    /// What the workload says is left as it is.
    disabled: Option<bool>,
    /// What it says; `istio-envoy` if it is not said.
    value: Option<String>,
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Value>,
}

/// Reads a ProxyConfig.
pub(super) fn parse(value: &Value, at: &At<'_>) -> (ProxySettings, ProxyStart) {
    let Some(written) = decode(value, at) else { return Default::default() };
    let Written { proxy_headers, tracing, connection_settings, concurrency, proxy_metadata, others } =
        written;
    later::report(&others, "defaultConfig", at);
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
        metadata_exchange_headers: _,
        others,
    } = headers;
    later::report(&others, "defaultConfig.proxyHeaders", at);
    let off = |setting: Option<Switch>, name: &str| {
        setting.is_some_and(|Switch { disabled, others }| {
            later::report(&others, &below(name), &at.field(name));
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
            let name = "setCurrentClientCertDetails";
            later::report(&others, &below(name), &at.field(name));
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
        forwarded_port: x_forwarded_port.is_some_and(|setting| is_on(setting, "xForwardedPort", at)),
        forwarded_host: x_forwarded_host.is_some_and(|setting| is_on(setting, "xForwardedHost", at)),
        keeps_case: preserve_http1_header_case == Some(true),
    }
}

/// The place of a header's settings.
fn below(name: &str) -> String {
    format!("defaultConfig.proxyHeaders.{name}")
}

fn is_on(setting: Extra, name: &str, at: &At<'_>) -> bool {
    let Extra { enabled, others } = setting;
    later::report(&others, &below(name), &at.field(name));
    enabled == Some(true)
}

fn parse_server(server: Server, at: &At<'_>) -> Option<ServerHeader> {
    let Server { disabled, value, others } = server;
    later::report(&others, &below("server"), at);
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
