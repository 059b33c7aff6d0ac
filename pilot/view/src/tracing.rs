//! How the proxies of a scope trace requests.
//!
//! In: what the mesh and the proxies say. Out: a spec, or none where nothing is traced. A provider counts only where its service is seen:
//! Envoy refuses a listener that names a cluster that it does not have.

use crate::{
    Scope, provider_cluster,
    spec::{TracerSpec, TracingSpec},
};
use mesh_model::{MeshTracing, TracingProvider, TracingSettings};
use std::sync::Arc;

impl Scope<'_> {
    /// What connection managers tell of requests; `None`: nothing.
    pub(crate) fn tracing(&self) -> Option<Arc<TracingSpec>> {
        let (tracer, length) = match &self.mesh.config().tracing {
            MeshTracing::Off => return None,
            MeshTracing::Bootstrap => (None, None),
            MeshTracing::Provider(provider) => (Some(self.tracer(provider)?), provider.max_path_length),
        };
        let TracingSettings { sampling, tags, max_path_length, without_workload_tags } =
            &self.settings().tracing;
        Some(Arc::new(TracingSpec {
            tracer,
            sampling: *sampling,
            tags: tags.clone(),
            max_path_length: length.or(*max_path_length),
            workload_namespace: (!without_workload_tags).then(|| self.key.namespace.clone()),
        }))
    }

    fn tracer(&self, provider: &TracingProvider) -> Option<TracerSpec> {
        let TracingProvider { to, max_path_length: _, protocol } = provider;
        self.sees_provider(to).then(|| TracerSpec {
            host: to.host.to_shared(),
            cluster: provider_cluster(to),
            protocol: Arc::new(protocol.clone()),
            service_name: self.key.traced_as.clone(),
        })
    }
}
