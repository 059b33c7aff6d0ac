//! What Sidecars import and Services select.

use super::{Found, scope::Scope};
use mesh_model::{Host, Problem, Reason, Registry, Service, Severity, Sidecar, Visibility};
use std::sync::Arc;

impl Scope<'_> {
    pub(super) fn check_sidecar(&self, value: &Sidecar, found: &mut Found) {
        let own = value.metadata.namespace();
        for (listener, egress) in value.egress.iter().enumerate() {
            for wanted in &egress.hosts {
                if wanted.host.as_str() == "*" {
                    continue;
                }
                let namespace = wanted.namespace_for(own);
                let imports = |service: &Service| {
                    namespace.is_none_or(|namespace| *namespace == **service.namespace())
                        && service.export_to.includes(own)
                        && wanted.host.overlaps(&service.host)
                };
                let any = match (wanted.host.is_wildcard(), namespace) {
                    (false, _) => self.visible(&wanted.host, own).into_iter().any(|service| imports(service)),
                    (true, Some(namespace)) => {
                        self.services_of_namespace(namespace).any(|service| imports(service))
                    }
                    (true, None) => self.services().any(|service| imports(service)),
                };
                if !any {
                    let namespace = namespace.unwrap_or("*");
                    let message = format!("`{namespace}/{}` imports nothing", wanted.host);
                    let path = format!("spec.egress[{listener}].hosts");
                    let problem = Problem::warning(Reason::NotFound, path, message);
                    let hint = self.why_not_imported(&wanted.host, own, namespace);
                    found.add(&value.metadata.object, problem.hint(hint));
                }
            }
        }
    }

    /// What to do about a host that is imported from `namespace` (`*`: any) into `own`, and is not there.
    fn why_not_imported(&self, host: &Host, own: &str, namespace: &str) -> String {
        let services = match host.is_wildcard() {
            true => Vec::new(),
            false => self.services_of_host(host),
        };
        let is_there = |service: &&&Arc<Service>| namespace == "*" || **service.namespace() == *namespace;
        if let Some(service) = services.iter().find(is_there) {
            return self.how_to_export(service, own);
        }
        match services.iter().find(|service| service.export_to.includes(own)) {
            Some(service) => format!("it is in another namespace: write {}/{host}", service.namespace()),
            None => "correct the name, or leave the entry out".to_owned(),
        }
    }
}

/// Selectors and names of container ports that no workload answers to.
pub(super) fn check_selectors(scope: &Scope<'_>, service: &Service, found: &mut Found) {
    if service.selector.is_none() {
        return;
    }
    let endpoints = scope.endpoints(service);
    let on_port = |number| endpoints.is_some_and(|endpoints| !endpoints.on_port(number).is_empty());
    let object = &service.metadata.object;
    if !service.ports.iter().any(|port| on_port(port.number)) {
        // Normal for what is scaled to zero, and what a misspelt label looks like.
        let message = "no workload is selected, so there are no endpoints";
        let path = match service.registry {
            Registry::Kubernetes => "spec.selector",
            Registry::External => "spec.workloadSelector",
        };
        found.add(object, Problem::new(Severity::Info, Reason::NotFound, path, message));
        return;
    }
    for port in &service.ports {
        if !port.target_name.is_empty() && !on_port(port.number) && port.protocol != mesh_model::Protocol::Udp
        {
            let message = format!(
                "no selected workload has a container port named `{}`, so port {} has no endpoints",
                port.target_name, port.number
            );
            let problem = Problem::warning(Reason::NotFound, "spec.ports", message);
            found
                .add(object, problem.hint("correct `targetPort`, or name the port of the container like it"));
        }
    }
}

/// ServiceEntries that the mesh lets fewer clients see than their authors may think.
pub(super) fn check_visibility(scope: &Scope<'_>, service: &Service, found: &mut Found) {
    let Some(policies) = scope.config().entry_visibility.as_ref() else { return };
    if service.registry != Registry::External {
        return;
    }
    let (severity, whom) = match policies.of(service.namespace()) {
        Visibility::Public => return,
        Visibility::Namespace => (Severity::Info, "its own namespace alone sees this"),
        Visibility::None => (Severity::Warning, "nobody sees this"),
    };
    let message = format!("by the mesh's serviceEntryVisibility {whom}, whatever `exportTo` says");
    found.add(
        &service.metadata.object,
        Problem::new(severity, Reason::Conflict, "spec.exportTo", message)
            .hint("who administers the mesh has a policy for each kind of namespace"),
    );
}
