//! Settings that Istio has and that shape nothing here yet: each with the part of a mesh that it belongs to.
//!
//! In: settings as written, and what of them is read. Out: of the others that they have no effect and why, or that there is none of the name. Whoever
//! builds a part takes its rows away.

use crate::{at::At, nearest::nearest, schema::below};
use mesh_model::{Problem, Reason, Severity};
use serde_json::Value;

/// A setting without effect.
pub struct Later {
    /// Below its place.
    pub name: &'static str,
    /// The value that says what happens anyway; empty when there is none.
    as_is: &'static str,
    /// What it is about.
    part: &'static str,
}

const fn later(name: &'static str, as_is: &'static str, part: &'static str) -> Later {
    Later { name, as_is, part }
}

const CERTIFICATES: &str =
    "certificates and keys that others make, which Meltemi does not take by this setting";
const TELEMETRY: &str = "providers of metrics, which Meltemi does not have yet";
const AUTHORIZATION: &str = "policies that ask who may do what, which Meltemi does not have yet";
const INGRESS: &str = "gateways and Ingress, which Meltemi does not serve yet";
const CLUSTERS: &str = "meshes of several clusters, which Meltemi does not join yet";
const BOOTSTRAP: &str = "how a proxy is started, of which Meltemi's agents do not do this";
const AGENT: &str = "how a proxy is started: agents take it from PROXY_CONFIG, which is up to sidecar injection, and Meltemi does not do that yet";
const INJECTION: &str = "sidecar injection, which Meltemi does not do yet";
const GATEWAYS: &str = "gateways, which Meltemi does not serve yet";
const NO_TRACER: &str = "a tracer that Envoy has no longer: send spans by a provider `opentelemetry`";
const SINGLE: &str = "single services: for all of a mesh Istio takes connectionPool and outlierDetection";

/// All, by the place of the block that they stand in.
pub const ROWS: &[(&str, &[Later])] = &[
    ("", OF_MESH),
    ("defaultConfig", OF_PROXY),
    ("defaultConfig.connectionSettings", OF_CONNECTIONS),
    ("defaultConfig.tracing", OF_TRACING),
    ("defaultProviders", OF_DEFAULT_PROVIDERS),
    ("defaultTrafficPolicy", OF_DEFAULT_POLICY),
    ("extensionProviders[]", PROVIDERS),
];

/// Of the mesh.
const OF_MESH: &[Later] = &[
    later(
        "ca",
        "",
        "an authority elsewhere, which a flag of the control plane names here: --external-ca-address",
    ),
    later("certificates", "", CERTIFICATES),
    later("configSources", "", "other sources of configuration: Meltemi reads one API server, or files"),
    later(
        "enablePrometheusMerge",
        "false",
        "sidecar injection, which Meltemi does not do yet: the agent merges what it is told to by its own settings",
    ),
    later("hboneIdleTimeout", "", "ambient meshes, which Meltemi does not serve"),
    later("ingressClass", "", INGRESS),
    later("ingressControllerMode", "OFF", INGRESS),
    later("ingressSelector", "", INGRESS),
    later("ingressService", "", INGRESS),
    later("serviceScopeConfigs", "", CLUSTERS),
    later("serviceSettings", "", CLUSTERS),
    later("verifyCertificateAtClient", "", CERTIFICATES),
];

/// Of proxies: `defaultConfig`, or the annotation `proxy.istio.io/config`.
const OF_PROXY: &[Later] = &[
    later("availabilityZone", "", "nothing: Istio does not use it either"),
    later("binaryPath", "", AGENT),
    later("configPath", "", AGENT),
    later("controlPlaneAuthPolicy", "", "nothing: agents call the control plane by TLS, whatever it says"),
    later("customConfigFile", "", BOOTSTRAP),
    later("discoveryAddress", "", AGENT),
    later("drainDuration", "", AGENT),
    later("gatewayTopology", "", GATEWAYS),
    later("holdApplicationUntilProxyStarts", "false", INJECTION),
    later("image", "", INJECTION),
    later("interceptionMode", "", INJECTION),
    later("meshId", "", CLUSTERS),
    later("privateKeyProvider", "", CERTIFICATES),
    later("proxyAdminPort", "", AGENT),
    later("proxyBootstrapTemplatePath", "", BOOTSTRAP),
    later("proxyStatsMatcher", "", AGENT),
    later("readinessProbe", "", AGENT),
    later("runtimeValues", "", AGENT),
    later("sds", "", CERTIFICATES),
    later("serviceCluster", "", AGENT),
    later("statNameLength", "", BOOTSTRAP),
    later("statusPort", "", AGENT),
    later("terminationDrainDuration", "", AGENT),
];

/// Of `connectionSettings`: what Envoy takes from its bootstrap alone.
const OF_CONNECTIONS: &[Later] = &[later("listenerConnectionLimit", "", BOOTSTRAP)];

/// Of `defaultConfig.tracing`.
const OF_TRACING: &[Later] = &[
    later("lightstep", "", NO_TRACER),
    later("openCensusAgent", "", NO_TRACER),
    later("stackdriver", "", NO_TRACER),
];

/// Of `defaultTrafficPolicy`.
const OF_DEFAULT_POLICY: &[Later] = &[
    later("loadBalancer", "", SINGLE),
    later("portLevelSettings", "", SINGLE),
    later("proxyProtocol", "", SINGLE),
    later("retryBudget", "", SINGLE),
    later("tls", "", SINGLE),
    later("tunnel", "", SINGLE),
];

/// Of `defaultProviders`.
const OF_DEFAULT_PROVIDERS: &[Later] = &[later("metrics", "", TELEMETRY)];

/// Of `extensionProviders[]`: those that take neither spans nor access logs from here.
const PROVIDERS: &[Later] = &[
    later("envoyExtAuthzGrpc", "", AUTHORIZATION),
    later("envoyExtAuthzHttp", "", AUTHORIZATION),
    later("lightstep", "", NO_TRACER),
    later("opencensus", "", NO_TRACER),
    later("prometheus", "", TELEMETRY),
    later("sds", "", CERTIFICATES),
    later("stackdriver", "", NO_TRACER),
];

/// Says that what is here is handed to proxies when they are started.
pub fn report_injected(at: &At<'_>) {
    let message = "this holds for the proxies of `meltemi up`; in a cluster it is up to sidecar injection, which Meltemi does not do yet";
    at.report(Problem::new(Severity::Info, Reason::NotSupported, at.path(), message));
}

/// Says of all that is `written` and that nothing reads that it has no effect, or that there is no such setting. `block` is the schema of
/// what is read here, `place` where that stands: items of lists are `[]` there, values of maps `{}`.
pub fn report(written: &Value, block: &Value, place: &str, at: &At<'_>) {
    match written {
        Value::Object(fields) => {
            let known = block.get("properties").and_then(Value::as_object);
            for (name, value) in fields {
                let at = at.field(name);
                let field = known.and_then(|known| known.get(name));
                match (field, block.get("additionalProperties")) {
                    (Some(schema), _) => report(value, schema, &below(place, name), &at),
                    (None, Some(schema)) => report(value, schema, &format!("{place}{{}}"), &at),
                    // Nothing is known of what may be here.
                    (None, None) if block.get("type").is_none() => {}
                    (None, None) => {
                        let known = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                        unread(name, value, (place, known), &at);
                    }
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = block.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                report(item, schema, &format!("{place}[]"), &at.index(index));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Says of one, which is among `known` ones of its place.
fn unread<'a>(name: &str, value: &Value, known: (&str, impl Iterator<Item = &'a str>), at: &At<'_>) {
    let (place, known) = known;
    let rows = ROWS.iter().find(|(block, _)| *block == place).map_or(&[][..], |(_, rows)| rows);
    if let Some(Later { name: _, as_is, part }) = rows.iter().find(|row| row.name == name) {
        let written = match value {
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            other => other.as_str().unwrap_or_default(),
        };
        if as_is.is_empty() || written != *as_is {
            let message = format!("this has no effect: it is about {part}");
            at.report(Problem::warning(Reason::NotSupported, at.path(), message));
        }
        return;
    }
    let message = format!("`{name}` is not a mesh setting");
    match nearest(name, known.chain(rows.iter().map(|row| row.name))) {
        Some(near) => at.warning_hint(Reason::UnknownField, message, format!("did you mean {near}?")),
        None => at.warning_hint(Reason::UnknownField, message, "leave it out"),
    }
}
