//! What VirtualServices route to and DestinationRules are about.

use super::{Found, Reference, routes::missing_ports, scope::Scope};
use mesh_model::{
    Destination, DestinationRule, ExportTo, Kind, ObjectRef, PLACE_LABELS, Problem, Reason, Registry,
    Service, Visibility,
};

/// What to do about a host that is called nothing like one that is known.
const UNKNOWN_HOST: &str = "add a Service or a ServiceEntry for it, or correct the name";

impl Scope<'_> {
    pub(super) fn check_destination(&self, object: &ObjectRef, reference: &Reference, found: &mut Found) {
        let Reference { path, to } = reference;
        let Destination { host, subset, port } = to;
        let namespace = &object.name.namespace;
        let mut services = self.visible(host, namespace);
        if host.is_wildcard() {
            // A service for any name below it, not one that takes in more.
            services.retain(|service| service.host == *host);
        }
        if services.is_empty() {
            let hidden = self.services_of_host(host);
            let problem = match hidden.first() {
                Some(service) => {
                    let message = format!("{host} is not visible from namespace {namespace}");
                    let hint = self.how_to_export(service, namespace);
                    Problem::error(Reason::NotFound, format!("{path}.host"), message).hint(hint)
                }
                None if host.is_wildcard() => {
                    let message =
                        format!("`{host}` is a wildcard, and no ServiceEntry has it; requests to it fail");
                    let problem = Problem::error(Reason::NotFound, format!("{path}.host"), message);
                    problem.hint("name one host, or add a ServiceEntry with `resolution: DYNAMIC_DNS`")
                }
                None => {
                    let message = format!("there is no service {host}; requests to it fail");
                    let problem = Problem::error(Reason::NotFound, format!("{path}.host"), message);
                    match self.namesake(host, namespace) {
                        Some(other) => problem.hint(format!("did you mean {other}?")),
                        None => problem.hint(UNKNOWN_HOST),
                    }
                }
            };
            return found.add(object, problem);
        }
        self.check_exported(object, reference, found);
        let named = services;
        let services = self.meant(host, namespace);
        if services.is_empty() {
            let message = format!(
                "{host} is only another name, and what it stands for is no service that is seen; requests to it fail"
            );
            let problem = Problem::error(Reason::NotFound, format!("{path}.host"), message);
            let target = named.iter().find_map(|service| service.alias_of());
            return found.add(
                object,
                match target {
                    Some(target) => problem.hint(format!("add a ServiceEntry for {target}")),
                    None => problem.hint(UNKNOWN_HOST),
                },
            );
        }
        if port.is_none() {
            self.check_ports(object, reference, &services, found);
        }
        if let Some(port) = port
            && services.iter().all(|service| service.port(*port).is_none())
        {
            let ports: Vec<String> = services
                .iter()
                .flat_map(|service| &service.ports)
                .map(|port| match port.name.is_empty() {
                    true => port.number.to_string(),
                    false => format!("{} ({})", port.number, port.name),
                })
                .collect();
            let message = format!("{host} has no port {port}; requests to it fail");
            let problem = Problem::error(Reason::NotFound, format!("{path}.port"), message);
            found.add(object, problem.hint(format!("its ports are {}", ports.join(", "))));
        }
        if !subset.is_empty() {
            self.check_subset(object, reference, found);
        }
    }

    /// What lets `namespace` see a service that it does not see.
    pub(super) fn how_to_export(&self, service: &Service, namespace: &str) -> String {
        let object = &service.metadata.object;
        let policies = self.config().entry_visibility.as_ref();
        if service.registry == Registry::External
            && policies.is_some_and(|policies| policies.of(service.namespace()) != Visibility::Public)
        {
            return format!("serviceEntryVisibility of the mesh hides {object}: ask who administers that");
        }
        let place = match service.registry {
            Registry::Kubernetes => "its annotation `networking.istio.io/exportTo`",
            Registry::External => "its `exportTo`",
        };
        format!("{object} is exported to others only: let {place} name {namespace}, too")
    }

    /// Routes for clients of other namespaces lead to what those see.
    fn check_exported(&self, object: &ObjectRef, reference: &Reference, found: &mut Found) {
        if object.kind != Kind::VirtualService {
            return;
        }
        let Some(value) = self.virtual_service(&object.name) else { return };
        let ExportTo::Namespaces(namespaces) = &value.export_to else { return };
        let Reference { path, to: Destination { host, subset: _, port: _ } } = reference;
        let others = namespaces.iter().filter(|namespace| **namespace != object.name.namespace);
        let blind: Vec<&str> =
            others.filter(|namespace| self.visible(host, namespace).is_empty()).map(|name| &**name).collect();
        if !blind.is_empty() {
            let message = format!(
                "{host} is not visible from {}, which `exportTo` names: requests from there fail",
                blind.join(", ")
            );
            let problem = Problem::warning(Reason::NotFound, format!("{path}.host"), message);
            found.add(object, problem.hint("correct `exportTo`, here or of what it leads to"));
        }
    }

    pub(super) fn check_destination_rule(&self, value: &DestinationRule, found: &mut Found) {
        let namespace = value.metadata.namespace();
        let any = match value.host.is_wildcard() {
            true => self.services().any(|service| value.host.overlaps(&service.host)),
            false => !self.visible(&value.host, namespace).is_empty(),
        };
        let object = &value.metadata.object;
        if !any {
            let hidden = self.services_of_host(&value.host);
            let (what, hint) = match hidden.first() {
                Some(service) => (
                    format!("{} is not visible from namespace {namespace}", value.host),
                    self.how_to_export(service, namespace),
                ),
                None => (
                    format!("there is no service {}", value.host),
                    match self.namesake(&value.host, namespace) {
                        Some(other) => format!("did you mean {other}?"),
                        None => UNKNOWN_HOST.to_owned(),
                    },
                ),
            };
            let message = format!("{what}, so this rule has no effect");
            let problem = Problem::warning(Reason::NotFound, "spec.host", message);
            found.add(object, problem.hint(hint));
            return;
        }
        let target = self.visible(&value.host, namespace).into_iter().find_map(|service| service.alias_of());
        if let Some(target) = target.filter(|_| !value.host.is_wildcard()) {
            let message =
                format!("{} is only another name of {target}, so this rule has no effect", value.host);
            let problem = Problem::warning(Reason::Unreachable, "spec.host", message);
            return found.add(object, problem.hint(format!("write `host: {target}`")));
        }
        if !value.host.is_wildcard() {
            let services = self.visible(&value.host, namespace);
            let of_subsets = value.subsets.iter().flat_map(|subset| subset.policy.ports.keys());
            let wanted = value.policy.ports.keys().chain(of_subsets).copied().collect();
            for problem in missing_ports(&wanted, &services, &value.host) {
                found.add(object, problem);
            }
        }
        self.check_subset_labels(value, found);
    }

    /// A subset without endpoints answers 503, which is seldom what its author wants.
    fn check_subset_labels(&self, value: &DestinationRule, found: &mut Found) {
        if value.host.is_wildcard() || value.subsets.is_empty() {
            return;
        }
        let services = self.services_of_host(&value.host);
        let endpoints: Vec<_> = services.iter().filter_map(|service| self.endpoints(service)).collect();
        let all =
            || endpoints.iter().flat_map(|endpoints| endpoints.ports.values()).flat_map(|list| list.iter());
        // Endpoints that nobody knows labels of, or none at all: there is nothing to compare with, but for where they run.
        let no_labels = all().all(|endpoint| endpoint.labels.is_empty());
        let cluster = &self.config().cluster;
        for subset in &value.subsets {
            let by_place = subset.labels.keys().all(|key| PLACE_LABELS.contains(&&**key));
            if all().next().is_none() || (no_labels && !by_place) {
                continue;
            }
            if !all().any(|endpoint| endpoint.has_labels(&subset.labels, cluster)) {
                let message =
                    format!("no endpoint of {} has the labels of subset `{}`", value.host, subset.name);
                let problem = Problem::warning(Reason::NotFound, "spec.subsets", message);
                let hint = "correct its labels, unless workloads with them are still to come";
                found.add(&value.metadata.object, problem.hint(hint));
            }
        }
    }
}
