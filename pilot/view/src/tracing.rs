//! How the proxies of a scope trace requests.
//!
//! In: what the mesh and the proxies say. Out: a spec, or none where nothing is traced. A provider counts only where its service is seen:
//! Envoy refuses a listener that names a cluster that it does not have.

use crate::{
    Scope,
    spec::{TracerSpec, TracingSpec},
};
use mesh_model::{MeshTracing, Protocol, TracingProvider, TracingSettings};
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
        let TracingProvider { namespace, host, port, max_path_length: _, protocol } = provider;
        let service = self.service(host)?;
        let in_place = namespace.as_ref().is_none_or(|namespace| service.namespace() == namespace);
        let port =
            service.ports.iter().find(|own| own.number == *port && own.protocol != Protocol::Udp)?.number;
        (in_place && service.alias_of().is_none()).then(|| TracerSpec {
            host: host.to_shared(),
            cluster: format!("outbound|{port}||{host}").into(),
            protocol: Arc::new(protocol.clone()),
            service_name: self.key.traced_as.clone(),
        })
    }
}
