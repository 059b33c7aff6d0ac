//! In: a workload of the model. Out: the names it goes by. Knows nothing of processes.

use std::sync::Arc;

use mesh_model::Workload;
use serde::{Deserialize, Serialize};

/// Labels that may hold the version, in Istio's order of precedence.
const VERSION_LABELS: [&str; 3] =
    ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];

/// Labels that may hold the name of the application, likewise.
const APP_LABELS: [&str; 3] = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];

/// Who a replica is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The pod's name, such as `reviews-v1-0`.
    pub pod: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The Deployment it is a replica of, such as `reviews-v1`.
    pub workload: Arc<str>,
    /// The application that the workload is a version of, such as `reviews`; the workload's name when no label says.
    pub app: Arc<str>,
    /// Its version; empty when no label says one.
    pub version: Arc<str>,
}

impl Identity {
    /// The identity of `workload`.
    pub fn of(workload: &Workload) -> Self {
        let name = &workload.object.name;
        let deployment: Arc<str> = deployment_of(&name.name).into();
        let label = |names: [&str; 3]| names.into_iter().find_map(|name| workload.labels.get(name)).cloned();
        Self {
            pod: name.name.clone(),
            namespace: name.namespace.clone(),
            app: label(APP_LABELS).unwrap_or_else(|| deployment.clone()),
            workload: deployment,
            version: label(VERSION_LABELS).unwrap_or_default(),
        }
    }
}

/// Replicas are called `<deployment>-<index>`.
fn deployment_of(pod: &str) -> &str {
    match pod.rsplit_once('-') {
        Some((deployment, index)) if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) => {
            deployment
        }
        _ => pod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_named_after_its_deployment() {
        assert_eq!(deployment_of("reviews-v1-0"), "reviews-v1");
        assert_eq!(deployment_of("reviews-v1"), "reviews-v1");
        assert_eq!(deployment_of("reviews-"), "reviews-");
        assert_eq!(deployment_of("reviews"), "reviews");
    }
}
