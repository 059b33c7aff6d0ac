//! In: a sidecar's spec. Out: who its Envoy says it is, and what it is started with. The bootstrap itself is the agent's, as in a cluster.

use std::net::SocketAddr;

use meltemi_agent::envoy::{
    self, Bootstrap, Inclusion, Listen, Locality, Node, Role, ServiceName, Source, bootstrap,
};
use serde_json::{Map, Value, json};

use super::{EnvoySettings, SidecarSpec, telemetry::telemetry};
use crate::HTTP_PROXY_PORT;

/// The bootstrap of one sidecar that has no agent: it asks the control plane in plaintext.
pub fn build_bootstrap(spec: &SidecarSpec, settings: &EnvoySettings) -> Value {
    envoy::build_bootstrap(&Bootstrap {
        node: node(spec, settings),
        admin: spec.admin(),
        source: Source::ControlPlane(settings.xds),
        stats: Inclusion::default(),
        runtime: std::collections::BTreeMap::new(),
        telemetry: telemetry(&spec.start),
    })
}

/// Who a sidecar says it is.
pub(super) fn node(spec: &SidecarSpec, settings: &EnvoySettings) -> Node {
    let SidecarSpec { identity, pod_address, application, labels, service_account, locality, start } = spec;
    let (pod, namespace) = (&identity.pod, &identity.namespace);
    let label = |name: &str| labels.get(name).map(|value| &**value);
    let cluster = start.service_name.map_or_else(
        || format!("{}.{namespace}", identity.workload),
        |name| service_name(name).of(label, &identity.workload, namespace),
    );
    let told: Map<String, Value> =
        labels.iter().map(|(key, value)| (key.to_string(), Value::from(value.as_ref()))).collect();
    let metadata = [
        ("NAME", pod.as_ref().into()),
        ("NAMESPACE", namespace.as_ref().into()),
        ("LABELS", json!(told)),
        ("SERVICE_ACCOUNT", service_account.as_ref().into()),
        ("INSTANCE_IPS", pod_address.to_string().into()),
        ("CLUSTER_ID", settings.cluster_id.as_str().into()),
        // Nothing captures traffic here: requests come to the proxy port or to explicit listeners.
        ("INTERCEPTION_MODE", "NONE".into()),
        ("HTTP_PROXY_PORT", HTTP_PROXY_PORT.to_string().into()),
        ("WORKLOAD_NAME", identity.workload.as_ref().into()),
        ("MELTEMI_APPLICATION_ADDRESS", application.to_string().into()),
    ];
    let mut metadata: Map<String, Value> =
        metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    // As Istio's agents: what is said for the metadata of nodes. Who a workload is and where its traffic comes in is not for users to say.
    for (name, value) in &start.environment {
        if let Some(key) = name.strip_prefix("ISTIO_META_") {
            metadata.entry(key).or_insert_with(|| value.as_ref().into());
        }
    }
    if let Some(limit) = start.connection_limit {
        metadata.insert("GLOBAL_DOWNSTREAM_MAX_CONNECTIONS".to_owned(), limit.to_string().into());
    }
    if settings.agents.is_none() {
        // There is nothing beside it that would hand it a certificate.
        metadata.insert("MELTEMI_WITHOUT_IDENTITY".to_owned(), "true".into());
    }
    Node {
        role: Role::Sidecar,
        address: *pod_address,
        pod: pod.to_string(),
        namespace: namespace.to_string(),
        domain: format!("{namespace}.svc.{}", settings.domain),
        cluster,
        locality: Locality {
            region: locality.region.to_string(),
            zone: locality.zone.to_string(),
            sub_zone: locality.sub_zone.to_string(),
        },
        metadata,
    }
}

fn service_name(name: mesh_model::ServiceName) -> ServiceName {
    match name {
        mesh_model::ServiceName::AppLabelAndNamespace => ServiceName::AppLabelAndNamespace,
        mesh_model::ServiceName::CanonicalNameOnly => ServiceName::CanonicalNameOnly,
        mesh_model::ServiceName::CanonicalNameAndNamespace => ServiceName::CanonicalNameAndNamespace,
    }
}

/// Everything of a sidecar is at its pod's address: nothing else on this machine is there.
pub(super) fn listen(spec: &SidecarSpec) -> Listen {
    let at = |port| SocketAddr::new(spec.pod_address, port);
    Listen {
        admin: spec.admin(),
        status: at(bootstrap::STATUS_PORT),
        health: at(bootstrap::HEALTH_PORT),
        prometheus: at(bootstrap::PROMETHEUS_PORT),
    }
}
