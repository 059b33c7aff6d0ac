//! The replicas of the proxy's own workload: what Envoy compares with those of a service to see how many of the requests its zone can keep.
//!
//! In: the mesh and who asks. Out: a load assignment that is never sent any request.

use crate::{
    Proxy,
    spec::{EndpointsSpec, Preference},
};
use mesh_model::{Endpoint, EndpointAddress, Health, Labels, Mesh, Str, Workload};
use std::sync::Arc;

/// What Envoy's bootstrap calls the cluster of its own replicas.
pub const LOCAL_CLUSTER: &str = "local_cluster";

/// Labels by which the replicas of one template differ, beside those of where they run.
const OWN: [&str; 4] = [
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "istio-locality",
];

/// The replicas of `proxy`'s workload, if its Envoy asks for them.
pub fn replicas(mesh: &Mesh, proxy: &Proxy) -> Option<EndpointsSpec> {
    if !proxy.self_discovery {
        return None;
    }
    let port = mesh.config().inbound_port;
    let all = mesh.workloads_of_namespace(&proxy.namespace).filter(|workload| is_replica(proxy, workload));
    let mut endpoints: Vec<Endpoint> = all.filter_map(|workload| endpoint(workload, port)).collect();
    endpoints.sort();
    Some(EndpointsSpec {
        cluster: LOCAL_CLUSTER.into(),
        endpoints: endpoints.into(),
        preference: Preference::None,
    })
}

/// Whether `workload` and that of `proxy` are made from one template: then they have the same labels.
pub fn is_replica(proxy: &Proxy, workload: &Workload) -> bool {
    workload.object.name.namespace == proxy.namespace
        && (Arc::ptr_eq(&workload.labels, &proxy.labels)
            || of_template(&workload.labels).eq(of_template(&proxy.labels)))
}

fn of_template(labels: &Labels) -> impl Iterator<Item = (&Str, &Str)> {
    let own = |key: &str| OWN.contains(&key) || key.starts_with("topology.");
    labels.iter().filter(move |(key, _)| !own(key))
}

fn endpoint(workload: &Workload, port: u16) -> Option<Endpoint> {
    Some(Endpoint {
        address: EndpointAddress::Ip(*workload.addresses.first()?),
        port,
        weight: 1,
        health: if workload.ready { Health::Healthy } else { Health::Unhealthy },
        locality: workload.locality.clone(),
        labels: Arc::default(),
        service_account: Str::default(),
        workload: workload.object.name.name.clone(),
        namespace: workload.object.name.namespace.clone(),
        network: workload.network.clone(),
        node: Str::default(),
        hostname: Str::default(),
        mtls: false,
    })
}
