//! Settings that Istio has and that shape nothing here yet: each with the part of a mesh that it belongs to.
//!
//! In: a setting's name and value. Out: that it has no effect, and why. Whoever builds the part takes its rows away.

use crate::{at::At, nearest::nearest};
use mesh_model::{Problem, Reason, Severity};
use serde_json::{Map, Value};

/// A setting without effect.
pub struct Later {
    name: &'static str,
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
const TELEMETRY: &str = "telemetry providers other than tracers, which Meltemi does not have yet";
const AUTHORIZATION: &str = "policies that ask who may do what, which Meltemi does not have yet";
const INGRESS: &str = "gateways and Ingress, which Meltemi does not serve yet";
const CLUSTERS: &str = "meshes of several clusters, which Meltemi does not join yet";
const BOOTSTRAP: &str = "how a proxy is started, which is decided before it asks for configuration";
const INJECTION: &str = "sidecar injection, which Meltemi does not do yet";
const GATEWAYS: &str = "gateways, which Meltemi does not serve yet";

/// Of the mesh.
pub const OF_MESH: &[Later] = &[
    later(
        "ca",
        "",
        "an authority elsewhere, which a flag of the control plane names here: --external-ca-address",
    ),
    later("certificates", "", CERTIFICATES),
    later("configSources", "", "other sources of configuration: Meltemi reads one API server, or files"),
    later("enableEnvoyAccessLogService", "false", TELEMETRY),
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
pub const OF_PROXY: &[Later] = &[
    later("availabilityZone", "", "nothing: Istio does not use it either"),
    later("binaryPath", "", BOOTSTRAP),
    later("caCertificatesPem", "", CERTIFICATES),
    later("configPath", "", BOOTSTRAP),
    later("controlPlaneAuthPolicy", "", BOOTSTRAP),
    later("customConfigFile", "", BOOTSTRAP),
    later("discoveryAddress", "", BOOTSTRAP),
    later("drainDuration", "", BOOTSTRAP),
    later("envoyAccessLogService", "", TELEMETRY),
    later("envoyMetricsService", "", TELEMETRY),
    later("envoyMetricsServiceAddress", "", TELEMETRY),
    later("extraStatTags", "", BOOTSTRAP),
    later("fileFlushInterval", "", BOOTSTRAP),
    later("fileFlushMinSizeKb", "", BOOTSTRAP),
    later("gatewayTopology", "", GATEWAYS),
    later("holdApplicationUntilProxyStarts", "false", INJECTION),
    later("image", "", INJECTION),
    later("interceptionMode", "", INJECTION),
    later("meshId", "", CLUSTERS),
    later("privateKeyProvider", "", CERTIFICATES),
    later("proxyAdminPort", "", BOOTSTRAP),
    later("proxyBootstrapTemplatePath", "", BOOTSTRAP),
    later("proxyStatsMatcher", "", BOOTSTRAP),
    later("readinessProbe", "", INJECTION),
    later("runtimeValues", "", BOOTSTRAP),
    later("sds", "", CERTIFICATES),
    later("serviceCluster", "", BOOTSTRAP),
    later("statNameLength", "", BOOTSTRAP),
    later("statsCompression", "", BOOTSTRAP),
    later("statsdUdpAddress", "", TELEMETRY),
    later("statusPort", "", BOOTSTRAP),
    later("terminationDrainDuration", "", BOOTSTRAP),
    later("tracingServiceName", "", TELEMETRY),
    later("zipkinAddress", "", TELEMETRY),
];

/// Of `connectionSettings`: what Envoy takes from its bootstrap alone.
pub const OF_CONNECTIONS: &[Later] = &[later("listenerConnectionLimit", "", BOOTSTRAP)];

/// Of `defaultProviders`.
pub const OF_DEFAULT_PROVIDERS: &[Later] = &[later("metrics", "", TELEMETRY)];

/// Of `extensionProviders[]`: those that take neither spans nor access logs from here.
pub const PROVIDERS: &[Later] = &[
    later("envoyExtAuthzGrpc", "", AUTHORIZATION),
    later("envoyExtAuthzHttp", "", AUTHORIZATION),
    later("envoyHttpAls", "", TELEMETRY),
    later("envoyOtelAls", "", TELEMETRY),
    later("envoyTcpAls", "", TELEMETRY),
    later("lightstep", "", "a tracer that Envoy has no longer: send spans by `opentelemetry`"),
    later("opencensus", "", "a tracer that Envoy has no longer: send spans by `opentelemetry`"),
    later("prometheus", "", TELEMETRY),
    later("sds", "", CERTIFICATES),
    later("stackdriver", "", "a tracer that Envoy has no longer: send spans by `opentelemetry`"),
];

/// Says that what is here is handed to proxies when they are started.
pub fn report_injected(at: &At<'_>) {
    let message = "this holds for the proxies of `meltemi up`; in a cluster it is up to sidecar injection, which Meltemi does not do yet";
    at.report(Problem::new(Severity::Info, Reason::NotSupported, at.path(), message));
}

/// Says of each of `fields` that it has no effect, or that there is no such setting. `known` are those that have one.
pub fn report(fields: &Map<String, Value>, rows: &[Later], known: &[&str], at: &At<'_>) {
    for (name, value) in fields {
        let at = at.field(name);
        if let Some(row) = rows.iter().find(|row| row.name == name) {
            let Later { name: _, as_is, part } = row;
            let written = match value {
                Value::Bool(true) => "true",
                Value::Bool(false) => "false",
                other => other.as_str().unwrap_or_default(),
            };
            if as_is.is_empty() || written != *as_is {
                let message = format!("this has no effect: it is about {part}");
                at.report(Problem::warning(Reason::NotSupported, at.path(), message));
            }
            continue;
        }
        let message = format!("`{name}` is not a mesh setting");
        match nearest(name, known.iter().copied().chain(rows.iter().map(|row| row.name))) {
            Some(near) => at.warning_hint(Reason::UnknownField, message, format!("did you mean {near}?")),
            None => at.warning_hint(Reason::UnknownField, message, "leave it out"),
        }
    }
}
