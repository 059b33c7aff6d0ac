//! Providers of the mesh, as the proxies of a scope see them.
//!
//! In: where the mesh settings say that providers are. Out: their clusters, and who is told of accesses: nobody whose service is not seen, and so has
//! no cluster.

use crate::{Scope, outbound::cluster_name};
use mesh_model::{AccessLog, AccessLogger, Protocol, ProviderService, Str};
use std::sync::Arc;

/// The name of a provider's cluster.
pub fn provider_cluster(to: &ProviderService) -> Str {
    let ProviderService { namespace: _, host, port } = to;
    cluster_name(*port, "", host)
}

impl Scope<'_> {
    /// Whether proxies see a provider, and so have its cluster.
    pub(crate) fn sees_provider(&self, to: &ProviderService) -> bool {
        let ProviderService { namespace, host, port } = to;
        let Some(service) = self.service(host) else { return false };
        let in_place = namespace.as_ref().is_none_or(|namespace| service.namespace() == namespace);
        let has_port = service.ports.iter().any(|own| own.number == *port && own.protocol != Protocol::Udp);
        in_place && has_port && service.alias_of().is_none()
    }

    /// Whom the proxies tell of accesses; `None`: nobody.
    pub(crate) fn access_log(&self) -> Option<Arc<AccessLog>> {
        let log = self.mesh.config().access_log.as_ref()?;
        let told = |logger: &AccessLogger| match logger {
            AccessLogger::File(_) => true,
            // Whoever has been started without one has no cluster for it.
            AccessLogger::Bootstrap => self.settings().access_log_service,
            AccessLogger::Service(service) => self.sees_provider(&service.to),
        };
        if log.loggers.iter().all(told) {
            return Some(log.clone());
        }
        let loggers: Vec<_> = log.loggers.iter().filter(|logger| told(logger)).cloned().collect();
        (!loggers.is_empty()).then(|| Arc::new(AccessLog { loggers, listeners: log.listeners }))
    }
}
