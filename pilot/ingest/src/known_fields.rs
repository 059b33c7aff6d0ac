//! The fields of Kubernetes' own kinds, as far down as the mesh reads them.
//!
//! Without a cluster nobody else tells a user that `selctor` is not a field. Parts that only a kubelet reads (containers' images,
//! volumes, probes) are not looked into.

use crate::schema::unknown_among;
use mesh_model::{Kind, Problem};
use serde_json::{Map, Value};

/// What may stand in a map.
struct Shape {
    /// Fields.
    names: &'static [&'static str],
    /// Shapes of those that are looked into; lists are looked into item by item.
    below: &'static [(&'static str, &'static Shape)],
}

const fn root(below: &'static [(&'static str, &'static Shape)]) -> Shape {
    Shape { names: &["apiVersion", "kind", "metadata", "spec", "status"], below }
}

static SERVICE: Shape = root(&[("spec", &SERVICE_SPEC)]);
static SERVICE_SPEC: Shape = Shape {
    names: &[
        "allocateLoadBalancerNodePorts",
        "clusterIP",
        "clusterIPs",
        "externalIPs",
        "externalName",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "ports",
        "publishNotReadyAddresses",
        "selector",
        "sessionAffinity",
        "sessionAffinityConfig",
        "trafficDistribution",
        "type",
    ],
    below: &[("ports", &SERVICE_PORT)],
};
static SERVICE_PORT: Shape =
    Shape { names: &["appProtocol", "name", "nodePort", "port", "protocol", "targetPort"], below: &[] };

static DEPLOYMENT: Shape = root(&[("spec", &DEPLOYMENT_SPEC)]);
static DEPLOYMENT_SPEC: Shape = Shape {
    names: &[
        "minReadySeconds",
        "paused",
        "progressDeadlineSeconds",
        "replicas",
        "revisionHistoryLimit",
        "selector",
        "strategy",
        "template",
    ],
    below: &[("template", &TEMPLATE)],
};
static TEMPLATE: Shape = Shape { names: &["metadata", "spec"], below: &[("spec", &POD_SPEC)] };
static POD: Shape = root(&[("spec", &POD_SPEC)]);
static POD_SPEC: Shape = Shape {
    names: &[
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "hostname",
        "hostnameOverride",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
        "workloadRef",
    ],
    below: &[("containers", &CONTAINER)],
};
static CONTAINER: Shape = Shape {
    names: &[
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "restartPolicyRules",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ],
    below: &[("ports", &CONTAINER_PORT)],
};
static CONTAINER_PORT: Shape =
    Shape { names: &["containerPort", "hostIP", "hostPort", "name", "protocol"], below: &[] };

static SLICE: Shape = Shape {
    names: &["addressType", "apiVersion", "endpoints", "kind", "metadata", "ports"],
    below: &[("endpoints", &ENDPOINT), ("ports", &SLICE_PORT)],
};
static ENDPOINT: Shape = Shape {
    names: &[
        "addresses",
        "conditions",
        "deprecatedTopology",
        "hints",
        "hostname",
        "nodeName",
        "targetRef",
        "zone",
    ],
    below: &[("conditions", &CONDITIONS)],
};
static CONDITIONS: Shape = Shape { names: &["ready", "serving", "terminating"], below: &[] };
static SLICE_PORT: Shape = Shape { names: &["appProtocol", "name", "port", "protocol"], below: &[] };

/// Fields of an object that its kind does not have.
pub fn check(kind: Kind, value: &Value) -> Vec<Problem> {
    let shape = match kind {
        Kind::Service => &SERVICE,
        Kind::Deployment => &DEPLOYMENT,
        Kind::Pod => &POD,
        Kind::EndpointSlice => &SLICE,
        // Only labels are read of these, or fields are told apart elsewhere.
        Kind::Node | Kind::Namespace | Kind::MeshConfig | Kind::Secret => return Vec::new(),
        Kind::VirtualService
        | Kind::DestinationRule
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::WorkloadGroup
        | Kind::Sidecar
        | Kind::ProxyConfig
        | Kind::PeerAuthentication => return Vec::new(),
    };
    let mut problems = Vec::new();
    look(shape, value, "", &mut problems);
    problems
}

fn look(shape: &Shape, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => look_at_fields(shape, fields, path, problems),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look(shape, item, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn look_at_fields(shape: &Shape, fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let Shape { names, below } = shape;
    for (name, value) in fields {
        let path = || if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if !names.contains(&name.as_str()) {
            problems.push(unknown_among(path(), name, names.iter().copied()));
        } else if let Some((_, shape)) = below.iter().find(|(field, _)| field == name) {
            look(shape, value, &path(), problems);
        }
    }
}
