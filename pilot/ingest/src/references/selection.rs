//! What Sidecars import and Services select.

use super::{Found, scope::Scope};
use mesh_model::{
    EgressHost, Host, Problem, Reason, Registry, Service, Severity, Sidecar, SidecarEgress, SidecarListener,
    Visibility,
};
use std::{collections::BTreeSet, sync::Arc};

/// More ports than this are not listed.
const SHOWN: usize = 8;

impl Scope<'_> {
    pub(super) fn check_sidecar(&self, value: &Sidecar, found: &mut Found) {
        let own = value.metadata.namespace();
        for (index, egress) in value.egress.iter().enumerate() {
            let mut all_import = true;
            for wanted in egress.hosts.iter().filter(|wanted| wanted.host.as_str() != "*") {
                if self.imported(wanted, own).next().is_some() {
                    continue;
                }
                all_import = false;
                let namespace = wanted.namespace_for(own).unwrap_or("*");
                let message = format!("`{namespace}/{}` imports nothing", wanted.host);
                let path = format!("spec.egress[{index}].hosts");
                let problem = Problem::warning(Reason::NotFound, path, message);
                let hint = self.why_not_imported(&wanted.host, own, namespace);
                found.add(&value.metadata.object, problem.hint(hint));
            }
            let listener = egress.listener.as_ref().filter(|listener| all_import && !listener.is_proxy);
            if let Some(port) = listener.and_then(SidecarListener::port) {
                let path = format!("spec.egress[{index}].port.number");
                if let Some(problem) = self.check_listener(egress, port.number, own) {
                    found.add(&value.metadata.object, Problem { path, ..problem });
                }
            }
        }
    }

    /// A listener for a port that none of its services has, so that there is none.
    fn check_listener(&self, egress: &SidecarEgress, port: u16, own: &str) -> Option<Problem> {
        let services = egress.hosts.iter().flat_map(|wanted| self.imported(wanted, own));
        let ports: BTreeSet<u16> =
            services.flat_map(|service| service.ports.iter().map(|port| port.number)).collect();
        if ports.is_empty() || ports.contains(&port) {
            return None;
        }
        let message =
            format!("none of the services that are imported here has a port {port}, so nothing listens");
        let mut known: Vec<_> = ports.iter().take(SHOWN).map(u16::to_string).collect();
        if ports.len() > SHOWN {
            known.push("..".to_owned());
        }
        let hint = format!("write a port of theirs: {}", known.join(", "));
        Some(Problem::warning(Reason::NotFound, "", message).hint(hint))
    }

    /// The services that an entry of a Sidecar in namespace `own` imports.
    fn imported<'s>(
        &'s self,
        wanted: &'s EgressHost,
        own: &'s str,
    ) -> impl Iterator<Item = &'s Arc<Service>> {
        let namespace = wanted.namespace_for(own);
        let all: Box<dyn Iterator<Item = &'s Arc<Service>>> = match (wanted.host.is_wildcard(), namespace) {
            (false, _) => Box::new(self.visible(&wanted.host, own).into_iter()),
            (true, Some(namespace)) => Box::new(self.services_of_namespace(namespace)),
            (true, None) => Box::new(self.services()),
        };
        all.filter(move |service| {
            namespace.is_none_or(|namespace| *namespace == **service.namespace())
                && service.export_to.includes(own)
                && wanted.host.overlaps(&service.host)
        })
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
