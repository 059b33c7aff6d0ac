//! Istio's annotations: misspelt ones, ones on objects of a kind where they mean nothing, and ones with a value that means nothing.
//!
//! In: an object's annotations. Out: problems. An annotation that nobody reads looks like one that works.

mod values;

use crate::{kinds::check_annotation, nearest::nearest, schema::below};
use mesh_model::{Kind, Problem, Reason, Severity};
use serde_json::{Map, Value};

/// Settings of the proxy of one pod, over those of the mesh.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// Lets an AuthorizationPolicy refuse nothing yet; on anything else it does nothing, and what says it is in effect.
const DRY_RUN: &str = "istio.io/dry-run";

/// On what an annotation has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Pod,
    Service,
    ServiceOrEntry,
    WorkloadEntry,
    Namespace,
    Ingress,
    Any,
}

impl On {
    fn is(self, kind: Kind) -> bool {
        match self {
            // Templates of pods are looked at where they are read.
            Self::Pod => kind == Kind::Pod,
            Self::Service => kind == Kind::Service,
            Self::ServiceOrEntry => matches!(kind, Kind::Service | Kind::ServiceEntry),
            Self::WorkloadEntry => kind == Kind::WorkloadEntry,
            Self::Namespace => kind == Kind::Namespace,
            // Which are not read.
            Self::Ingress => false,
            Self::Any => true,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Service => "Services",
            Self::ServiceOrEntry => "Services and ServiceEntries",
            Self::WorkloadEntry => "WorkloadEntries",
            Self::Namespace => "namespaces",
            Self::Ingress => "Ingresses",
            Self::Any => "anything",
        }
    }
}

/// What Istio reads, by prefix. Of other prefixes (gateways, policies, installation) nothing is said here.
const KNOWN: &[(&str, On, &[&str])] = &[
    ("networking.istio.io/", On::ServiceOrEntry, &["traffic-distribution"]),
    ("networking.istio.io/", On::Service, &["exportTo"]),
    ("alpha.istio.io/", On::Service, &["canonical-serviceaccounts", "kubernetes-serviceaccounts"]),
    ("networking.istio.io/", On::Any, &["address-type", "service-type"]),
    (
        "sidecar.istio.io/",
        On::Pod,
        &[
            "agentLogLevel",
            "bootstrapOverride",
            "componentLogLevel",
            "enableCoreDump",
            "extraStatTags",
            "inject",
            "interceptionMode",
            "logLevel",
            "nativeSidecar",
            "proxyCPU",
            "proxyCPULimit",
            "proxyImage",
            "proxyImageType",
            "proxyMemory",
            "proxyMemoryLimit",
            "rewriteAppHTTPProbers",
            "statsCompression",
            "statsHistogramBuckets",
            "statsInclusionPrefixes",
            "statsInclusionRegexps",
            "statsInclusionSuffixes",
            "status",
            "userVolume",
            "userVolumeMount",
            "controlPlaneAuthPolicy",
            "discoveryAddress",
        ],
    ),
    ("status.sidecar.istio.io/", On::Pod, &["port"]),
    (
        "readiness.status.sidecar.istio.io/",
        On::Pod,
        &["applicationPorts", "failureThreshold", "initialDelaySeconds", "periodSeconds"],
    ),
    (
        "traffic.sidecar.istio.io/",
        On::Pod,
        &[
            "excludeInboundPorts",
            "excludeInterfaces",
            "excludeOutboundIPRanges",
            "excludeOutboundPorts",
            "includeInboundPorts",
            "includeOutboundIPRanges",
            "includeOutboundPorts",
            "kubevirtInterfaces",
        ],
    ),
    ("proxy.istio.io/", On::Pod, &["config", "overrides"]),
    ("proxy.istio.io/", On::WorkloadEntry, &["health-checks-enabled"]),
    ("galley.istio.io/", On::Any, &["analyze-suppress"]),
    ("prometheus.istio.io/", On::Pod, &["merge-metrics"]),
    ("inject.istio.io/", On::Pod, &["templates"]),
    ("topology.istio.io/", On::Namespace, &["controlPlaneClusters"]),
    ("kubernetes.io/", On::Ingress, &["ingress.class"]),
    (
        "istio.io/",
        On::WorkloadEntry,
        &["autoRegistrationGroup", "connectedAt", "disconnectedAt", "workloadController"],
    ),
];

/// Prefixes under which every annotation is known; newer versions of Istio may have more.
const COMPLETE: &[&str] = &[
    "networking.istio.io/",
    "sidecar.istio.io/",
    "status.sidecar.istio.io/",
    "readiness.status.sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "prometheus.istio.io/",
];

/// Older annotations, each with what is written instead.
const DEPRECATED: &[(&str, &str)] = &[
    ("sidecar.istio.io/controlPlaneAuthPolicy", "nothing reads it any more"),
    ("sidecar.istio.io/discoveryAddress", "write `discoveryAddress` in the annotation proxy.istio.io/config"),
    (
        "sidecar.istio.io/statsInclusionPrefixes",
        "write `proxyStatsMatcher` in the annotation proxy.istio.io/config",
    ),
    (
        "sidecar.istio.io/statsInclusionRegexps",
        "write `proxyStatsMatcher` in the annotation proxy.istio.io/config",
    ),
    (
        "sidecar.istio.io/statsInclusionSuffixes",
        "write `proxyStatsMatcher` in the annotation proxy.istio.io/config",
    ),
];

/// The annotations of Istio that something reads, here or in Istio.
pub fn known() -> impl Iterator<Item = String> {
    KNOWN.iter().flat_map(|(prefix, _, names)| names.iter().map(move |name| format!("{prefix}{name}")))
}

/// Looks at the annotations of an object of `kind`, which stand at `path`.
pub fn check(kind: Kind, annotations: Option<&Map<String, Value>>, path: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, value) in annotations.into_iter().flatten() {
        let path = format!("{path}[{key:?}]");
        let wrong = check_key(kind, key, &path);
        problems.extend(wrong.or_else(|| check_value(key, value.as_str()?, &path)));
        if let (PROXY_CONFIG, Kind::Pod, Some(text)) = (&**key, kind, value.as_str()) {
            let found = check_annotation(text).into_iter();
            problems.extend(found.map(|problem| Problem { path: below(&path, &problem.path), ..problem }));
        }
    }
    problems
}

fn check_value(key: &str, value: &str, path: &str) -> Option<Problem> {
    let hint = values::hint(key, value)?;
    let message = format!("`{value}` is no value of this; Istio does not start a pod with it");
    Some(Problem::warning(Reason::InvalidValue, path, message).hint(hint))
}

fn check_key(kind: Kind, key: &str, path: &str) -> Option<Problem> {
    if key == DRY_RUN {
        let message =
            format!("`{key}` is for AuthorizationPolicies: this {kind} is in effect; Istio refuses it");
        let problem = Problem::warning(Reason::InvalidValue, path, message);
        return Some(
            problem
                .hint("leave it out; what is wrong with a file says `meltemi analyze` before it is applied"),
        );
    }
    let (prefix, name) = key.split_at(key.find('/')? + 1);
    let of_prefix = || KNOWN.iter().filter(|(known, ..)| *known == prefix);
    match of_prefix().find(|(_, _, names)| names.contains(&name)) {
        Some((_, on, _)) if !on.is(kind) => {
            let message = format!("`{key}` has a meaning only on {}", on.words());
            let problem = Problem::warning(Reason::InvalidValue, path, message);
            Some(match (on, kind) {
                (On::Pod, Kind::Deployment) => problem.hint("write it in spec.template.metadata.annotations"),
                _ => problem.hint(format!("write it on {}, or leave it out", on.words())),
            })
        }
        Some(_) => {
            let (_, instead) = DEPRECATED.iter().find(|(old, _)| *old == key)?;
            let message = format!("`{key}` is deprecated");
            Some(Problem::new(Severity::Info, Reason::InvalidValue, path, message).hint(*instead))
        }
        None => {
            let names = || of_prefix().flat_map(|(_, _, names)| names.iter().copied());
            let near = nearest(name, names());
            if near.is_none() && !COMPLETE.contains(&prefix) {
                return None;
            }
            let problem = |severity, message| Problem::new(severity, Reason::UnknownField, path, message);
            Some(match near {
                Some(near) => problem(Severity::Warning, format!("there is no annotation `{key}`"))
                    .hint(format!("did you mean {prefix}{near}?")),
                None => problem(Severity::Info, format!("Meltemi knows no annotation `{key}`")),
            })
        }
    }
}
