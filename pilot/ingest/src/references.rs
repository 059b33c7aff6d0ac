//! Problems that only the whole mesh shows: names that nothing answers to, and objects that claim the same thing.
//!
//! In: the mesh, and where in their objects the destinations stand. Out: problems by object. Pure; looks at each reference once.

use crate::nearest::nearest;
use mesh_model::{
    Destination, DestinationRule, Host, Mesh, ObjectRef, Problem, Reason, Service, Severity, Sidecar,
    VirtualService,
};
use std::{collections::BTreeMap, sync::Arc};

/// A destination as its author wrote it. The model has lost where that was: parts that cannot be used are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands, such as `spec.http[0].route[1].destination`.
    pub path: String,
    /// What it refers to.
    pub to: Destination,
}

/// Problems by object, each list in the order of the object.
pub fn references<'a>(
    mesh: &Mesh,
    destinations: impl Iterator<Item = (&'a ObjectRef, &'a [Reference])>,
) -> BTreeMap<ObjectRef, Vec<Problem>> {
    let mut found = Found::default();
    let index = Index::new(mesh);
    for (object, references) in destinations {
        for reference in references {
            index.check_destination(object, reference, &mut found);
        }
    }
    index.check_contested_hosts(&mut found);
    for value in mesh.destination_rules() {
        index.check_destination_rule(value, &mut found);
    }
    for value in mesh.sidecars() {
        index.check_sidecar(value, &mut found);
    }
    check_default_sidecars(mesh, &mut found);
    check_selectors(mesh, &mut found);
    found.0
}

#[derive(Default)]
struct Found(BTreeMap<ObjectRef, Vec<Problem>>);

impl Found {
    fn add(&mut self, object: &ObjectRef, problem: Problem) {
        self.0.entry(object.clone()).or_default().push(problem);
    }
}

/// The mesh, with wildcards at hand: all other look-ups it answers itself.
struct Index<'a> {
    mesh: &'a Mesh,
    wildcard_services: Vec<&'a Arc<Service>>,
    wildcard_rules: Vec<&'a Arc<DestinationRule>>,
}

impl<'a> Index<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        Self {
            mesh,
            wildcard_services: mesh.services().filter(|service| service.host.is_wildcard()).collect(),
            wildcard_rules: mesh.destination_rules().filter(|rule| rule.host.is_wildcard()).collect(),
        }
    }

    /// Services that `namespace` sees under exactly `host`, or under a wildcard that covers it.
    fn visible(&self, host: &Host, namespace: &str) -> Vec<&'a Arc<Service>> {
        let mut services = self.mesh.services_of_host(host);
        services.extend(self.wildcard_services.iter().copied().filter(|service| service.host.covers(host)));
        services.retain(|service| service.export_to.includes(namespace));
        services
    }

    fn check_destination(&self, object: &ObjectRef, reference: &Reference, found: &mut Found) {
        let Reference { path, to } = reference;
        let Destination { host, subset, port } = to;
        let namespace = &object.name.namespace;
        let services = self.visible(host, namespace);
        if services.is_empty() {
            let hidden = self.mesh.services_of_host(host);
            let problem = match hidden.first() {
                Some(service) => {
                    let message = format!("{host} is not visible from namespace {namespace}");
                    let hint = format!("{} exports it only to others", service.metadata.object);
                    Problem::error(Reason::NotFound, format!("{path}.host"), message).hint(hint)
                }
                None => {
                    let message = format!("there is no service {host}; requests to it fail");
                    let problem = Problem::error(Reason::NotFound, format!("{path}.host"), message);
                    match self.namesake(host, namespace) {
                        Some(other) => problem.hint(format!("did you mean {other}?")),
                        None => problem,
                    }
                }
            };
            return found.add(object, problem);
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

    fn check_subset(&self, object: &ObjectRef, reference: &Reference, found: &mut Found) {
        let Reference { path, to: Destination { host, subset, port: _ } } = reference;
        let rules = self.rules(host);
        let names: Vec<&str> =
            rules.iter().flat_map(|rule| &rule.subsets).map(|subset| &*subset.name).collect();
        if names.contains(&&**subset) {
            return;
        }
        let message =
            format!("no DestinationRule defines the subset `{subset}` of {host}; requests to it fail");
        let problem = Problem::error(Reason::NotFound, format!("{path}.subset"), message);
        let hint = match (rules.first(), names.is_empty()) {
            (Some(rule), false) => format!("{} defines {}", rule.metadata.object, names.join(", ")),
            (Some(rule), true) => format!("add it to {}, which defines no subsets", rule.metadata.object),
            (None, _) => format!("add a DestinationRule for {host} with that subset"),
        };
        found.add(object, problem.hint(hint));
    }

    fn rules(&self, host: &Host) -> Vec<&'a Arc<DestinationRule>> {
        let mut rules = self.mesh.destination_rules_of_host(host);
        rules.extend(self.wildcard_rules.iter().copied().filter(|rule| rule.host.covers(host)));
        rules
    }

    /// A service of the same name in another namespace, which is what a forgotten namespace looks like, or one of a similar name in
    /// this one.
    fn namesake(&self, host: &Host, namespace: &str) -> Option<Host> {
        let domain = &self.mesh.config().domain;
        let own = format!(".{namespace}.svc.{domain}");
        let name = host.as_str().strip_suffix(own.as_str())?;
        let suffix = format!(".svc.{domain}");
        let prefix = format!("{name}.");
        // Services are in order of their hosts, but this only happens when something is wrong.
        let elsewhere = self
            .mesh
            .services()
            .map(|service| &service.host)
            .find(|other| other.as_str().starts_with(&prefix) && other.as_str().ends_with(&suffix));
        elsewhere.cloned().or_else(|| self.misspelt(host, namespace))
    }

    fn misspelt(&self, host: &Host, namespace: &str) -> Option<Host> {
        let names: Vec<&str> =
            self.mesh.services_of_namespace(namespace).map(|service| service.host.as_str()).collect();
        // The domain is most of the letters, and nobody misspells that.
        let name = host.as_str().split('.').next()?;
        let near = nearest(name, names.iter().filter_map(|name| name.split('.').next()))?;
        let near = names.into_iter().find(|name| name.split('.').next() == Some(near))?;
        Some(Host::new(near))
    }

    /// Of several VirtualServices that sidecars use for one host, the oldest counts.
    fn check_contested_hosts(&self, found: &mut Found) {
        for host in self.mesh.virtual_service_hosts() {
            let mut claims = self.mesh.virtual_services_of_host(host);
            claims.retain(|value| value.for_mesh());
            let Some((winner, others)) = claims.split_first() else { continue };
            for other in others {
                // Each may be for namespaces that the other is not for.
                if !overlap(winner, other) {
                    continue;
                }
                let message = format!(
                    "{} routes {host} already; this VirtualService has no effect on it where both apply",
                    winner.metadata.object
                );
                let problem = Problem::warning(Reason::Conflict, "spec.hosts", message);
                found.add(&other.metadata.object, problem.hint("merge them into one VirtualService"));
                let message = format!("{} routes {host}, too; this one counts", other.metadata.object);
                let problem = Problem::new(Severity::Info, Reason::Conflict, "spec.hosts", message);
                found.add(&winner.metadata.object, problem);
            }
        }
    }

    fn check_destination_rule(&self, value: &DestinationRule, found: &mut Found) {
        let namespace = value.metadata.namespace();
        let any = match value.host.is_wildcard() {
            true => self.mesh.services().any(|service| value.host.overlaps(&service.host)),
            false => !self.visible(&value.host, namespace).is_empty(),
        };
        let object = &value.metadata.object;
        if !any {
            let message = format!("there is no service {}, so this rule has no effect", value.host);
            let problem = Problem::warning(Reason::NotFound, "spec.host", message);
            found.add(
                object,
                match self.namesake(&value.host, namespace) {
                    Some(other) => problem.hint(format!("did you mean {other}?")),
                    None => problem,
                },
            );
            return;
        }
        self.check_subset_labels(value, found);
    }

    /// A subset without endpoints answers 503, which is seldom what its author wants.
    fn check_subset_labels(&self, value: &DestinationRule, found: &mut Found) {
        if value.host.is_wildcard() || value.subsets.is_empty() {
            return;
        }
        let services = self.mesh.services_of_host(&value.host);
        let endpoints: Vec<_> = services.iter().filter_map(|service| self.mesh.endpoints(service)).collect();
        let all =
            || endpoints.iter().flat_map(|endpoints| endpoints.ports.values()).flat_map(|list| list.iter());
        // Endpoints that nobody knows labels of, or none at all: there is nothing to compare with.
        if all().all(|endpoint| endpoint.labels.is_empty()) {
            return;
        }
        for subset in &value.subsets {
            let chosen = |labels: &mesh_model::Labels| {
                subset.labels.iter().all(|(key, wanted)| labels.get(key) == Some(wanted))
            };
            if !all().any(|endpoint| chosen(&endpoint.labels)) {
                let message =
                    format!("no endpoint of {} has the labels of subset `{}`", value.host, subset.name);
                found
                    .add(&value.metadata.object, Problem::warning(Reason::NotFound, "spec.subsets", message));
            }
        }
    }

    fn check_sidecar(&self, value: &Sidecar, found: &mut Found) {
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
                        self.mesh.services_of_namespace(namespace).any(|service| imports(service))
                    }
                    (true, None) => self.mesh.services().any(|service| imports(service)),
                };
                if !any {
                    let namespace = namespace.unwrap_or("*");
                    let message = format!("`{namespace}/{}` imports nothing", wanted.host);
                    let path = format!("spec.egress[{listener}].hosts");
                    found.add(&value.metadata.object, Problem::warning(Reason::NotFound, path, message));
                }
            }
        }
    }
}

fn overlap(left: &VirtualService, right: &VirtualService) -> bool {
    match (&left.export_to, &right.export_to) {
        (mesh_model::ExportTo::Namespaces(left), mesh_model::ExportTo::Namespaces(right)) => {
            left.intersection(right).next().is_some()
        }
        (mesh_model::ExportTo::All, _) | (_, mesh_model::ExportTo::All) => true,
    }
}

/// Of several Sidecars for a whole namespace the oldest counts.
fn check_default_sidecars(mesh: &Mesh, found: &mut Found) {
    let mut defaults: BTreeMap<&str, Vec<&Arc<Sidecar>>> = BTreeMap::new();
    for value in mesh.sidecars().filter(|value| value.selector.is_none()) {
        defaults.entry(value.metadata.namespace()).or_default().push(value);
    }
    for values in defaults.values_mut() {
        values.sort_by_key(|value| value.metadata.precedence());
        let Some((winner, others)) = values.split_first() else { continue };
        for other in others {
            let message = format!(
                "{} is for the whole namespace already; this one has no effect",
                winner.metadata.object
            );
            let problem = Problem::warning(Reason::Conflict, "spec", message);
            found.add(&other.metadata.object, problem.hint("merge them, or add a workloadSelector"));
        }
    }
}

/// Selectors and names of container ports that no workload answers to.
fn check_selectors(mesh: &Mesh, found: &mut Found) {
    for service in mesh.services().filter(|service| service.selector.is_some()) {
        let endpoints = mesh.endpoints(service);
        let on_port = |number| endpoints.is_some_and(|endpoints| !endpoints.on_port(number).is_empty());
        let object = &service.metadata.object;
        if !service.ports.iter().any(|port| on_port(port.number)) {
            // Normal for what is scaled to zero, and what a misspelt label looks like.
            let message = "no workload is selected, so there are no endpoints";
            found.add(object, Problem::new(Severity::Info, Reason::NotFound, "spec.selector", message));
            continue;
        }
        for port in &service.ports {
            if !port.target_name.is_empty()
                && !on_port(port.number)
                && port.protocol != mesh_model::Protocol::Udp
            {
                let message = format!(
                    "no selected workload has a container port named `{}`, so port {} has no endpoints",
                    port.target_name, port.number
                );
                found.add(object, Problem::warning(Reason::NotFound, "spec.ports", message));
            }
        }
    }
}
