//! Subsets that routes lead to: whether a DestinationRule defines them, and whether it is the one that counts for the clients of the route.
//!
//! In: a reference with a subset. Out: an error where nobody defines it, and a warning where that is done by a rule that those clients do not follow.

use super::{Found, Reference, scope::Scope};
use mesh_model::{
    Destination, DestinationRule, ExportTo, Kind, MergedRule, ObjectRef, Problem, Reason, Registry, Service,
    Severity, Str, VirtualService,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why clients do not get a subset that some rule defines.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    severity: Severity,
    /// What is said before the names of their namespaces.
    before: &'static str,
    /// And after them.
    after: String,
    hint: String,
}

impl Scope<'_> {
    pub(super) fn check_subset(&self, object: &ObjectRef, reference: &Reference, found: &mut Found) {
        let Reference { path, to: Destination { host, subset, port: _ } } = reference;
        let services = self.meant(host, &object.name.namespace);
        let meant = services.first().map(|service| &service.host).filter(|found| !found.is_wildcard());
        let meant = meant.unwrap_or(host);
        let rules = self.rules(meant);
        let names: Vec<&str> =
            rules.iter().flat_map(|rule| &rule.subsets).map(|subset| &*subset.name).collect();
        if names.contains(&&**subset) {
            return self.check_subset_seen(object, reference, &rules, found);
        }
        let message =
            format!("no DestinationRule defines the subset `{subset}` of {meant}; requests to it fail");
        let problem = Problem::error(Reason::NotFound, format!("{path}.subset"), message);
        let hint = match (rules.first(), names.is_empty()) {
            (Some(rule), false) => format!("{} defines {}", rule.metadata.object, names.join(", ")),
            (Some(rule), true) => format!("add it to {}, which defines no subsets", rule.metadata.object),
            (None, _) => format!("add a DestinationRule for {meant} with that subset"),
        };
        found.add(object, problem.hint(hint));
    }

    /// Each client follows the rules of one namespace only: its own, the service's, or the root namespace.
    fn check_subset_seen(
        &self,
        object: &ObjectRef,
        reference: &Reference,
        rules: &[&Arc<DestinationRule>],
        found: &mut Found,
    ) {
        let Reference { path, to: Destination { host, subset, port: _ } } = reference;
        let mut causes: BTreeMap<Cause, Vec<Str>> = BTreeMap::new();
        for (client, severity) in self.clients_of(object, reference, rules) {
            let mut services = self.meant(host, &client);
            // As clients prefer them.
            services.sort_by_key(|service| {
                let is_own = *service.namespace() == client;
                (!is_own, service.registry != Registry::Kubernetes, service.metadata.precedence())
            });
            let Some(service) = services.first().filter(|found| !found.host.is_wildcard()) else { continue };
            if let Some(cause) = self.cause(&client, service, subset, rules) {
                let cause = Cause { severity: severity.min(cause.severity), ..cause };
                causes.entry(cause).or_default().push(client);
            }
        }
        for (Cause { severity, before, after, hint }, clients) in causes {
            let message = format!("{before} {} {after}", in_words(&clients));
            let problem = Problem::new(severity, Reason::NotFound, format!("{path}.subset"), message);
            found.add(object, problem.hint(hint));
        }
    }

    /// The namespaces whose clients take the route, as far as objects name them, and how sure it is that there are some. Without a name:
    /// all others.
    fn clients_of(
        &self,
        object: &ObjectRef,
        reference: &Reference,
        rules: &[&Arc<DestinationRule>],
    ) -> BTreeMap<Str, Severity> {
        let own = &object.name.namespace;
        if object.kind != Kind::VirtualService {
            // The root namespace's are for others.
            let any = *own != self.config().root_namespace;
            return any.then(|| (own.clone(), Severity::Warning)).into_iter().collect();
        }
        // Whom a delegate is for its delegators say.
        let value = self.virtual_service(&object.name).filter(|value| !value.hosts.is_empty());
        let Some(value) = value.filter(|value| value.for_mesh()) else { return BTreeMap::new() };
        let mut clients = BTreeMap::new();
        match (named_clients(value, &reference.path), &value.export_to) {
            (Some(named), export_to) => {
                let named = named.into_iter().filter(|client| export_to.includes(client));
                clients.extend(named.map(|client| (client, Severity::Warning)));
            }
            (None, ExportTo::Namespaces(names)) => {
                clients.extend(names.iter().map(|client| (client.clone(), Severity::Warning)));
            }
            (None, ExportTo::All | ExportTo::Default) => {
                // Whoever else may call it, the service's neighbours are likeliest to.
                let services = self.meant(&reference.to.host, own);
                clients.extend(services.iter().map(|service| (service.namespace().clone(), Severity::Info)));
                clients.insert(own.clone(), Severity::Warning);
                // Whoever has a rule about the host, calls it. One about many hosts may be there for others of them.
                for rule in rules {
                    let (client, exact) = (rule.metadata.namespace(), !rule.host.is_wildcard());
                    let severity = if exact { Severity::Warning } else { Severity::Info };
                    if !clients.contains_key(client) && self.workloads_of_namespace(client).next().is_some() {
                        clients.insert(client.clone(), severity);
                    }
                }
                let known = clients.keys().cloned().collect();
                if self.has_workloads_besides(&known) {
                    clients.insert(Str::default(), Severity::Info);
                }
            }
        }
        clients
    }

    /// Why clients in `client` do not get `subset` of `service`, which one of `rules` defines; `None` where they do.
    fn cause(
        &self,
        client: &Str,
        service: &Service,
        subset: &str,
        rules: &[&Arc<DestinationRule>],
    ) -> Option<Cause> {
        let host = &service.host;
        let deciding = self.rules_for(client, service);
        let (for_some, for_all): (Vec<_>, Vec<_>) =
            deciding.iter().copied().partition(|rule| rule.selector.is_some());
        let merged = MergedRule::of_all(for_all.iter().copied());
        let defines = |rule: &&Arc<DestinationRule>| rule.subsets.iter().any(|one| &*one.name == subset);
        if merged.is_some_and(|merged| merged.subset(subset).is_some()) {
            let without = for_some.iter().find(|rule| {
                !for_some.iter().any(|other| other.selector == rule.selector && defines(other))
            })?;
            let object = &without.metadata.object;
            return Some(Cause {
                severity: Severity::Info,
                before: "for workloads of",
                after: format!(
                    "that {object} selects that rule alone counts, and it lacks the subset `{subset}` of {host}: their requests fail"
                ),
                hint: format!("add the subset to {object}, too"),
            });
        }
        if let Some(rule) = for_some.iter().find(|rule| defines(rule)) {
            let object = &rule.metadata.object;
            return Some(Cause {
                severity: Severity::Warning,
                before: "only workloads of",
                after: format!(
                    "that {object} selects have the subset `{subset}` of {host}; requests of others there fail"
                ),
                hint: "add a DestinationRule without `workloadSelector` that has it, too".to_owned(),
            });
        }
        let places = [client, service.namespace(), &self.config().root_namespace];
        // Of several, the one that is nearest to being followed.
        let lacks = |rule: &&&Arc<DestinationRule>| {
            (!rule.export_to.includes(client), !places.contains(&rule.metadata.namespace()))
        };
        let rule = rules.iter().filter(|rule| rule.host.covers(host) && defines(rule)).min_by_key(lacks)?;
        let object = &rule.metadata.object;
        let hint = if !rule.export_to.includes(client) {
            format!("{object} defines it, but its `exportTo` leaves them out: name them there, too")
        } else if !places.contains(&rule.metadata.namespace()) {
            format!(
                "{object} defines it, but only rules of their own namespace, {} and {} count for them: move it to namespace {}",
                places[1], places[2], places[1]
            )
        } else if let Some(first) = for_all.last().or(deciding.first()) {
            let first = &first.metadata.object;
            match for_all.is_empty() {
                true => format!(
                    "{object} defines it, but {first}, though it selects only some, hides that: add a rule without `workloadSelector` to namespace {}",
                    first.name.namespace
                ),
                false => {
                    format!("{object} defines it, but for them {first} counts instead: add the subset there")
                }
            }
        } else {
            return None;
        };
        let after =
            format!("follow no DestinationRule with the subset `{subset}` of {host}; their requests fail");
        Some(Cause { severity: Severity::Warning, before: "clients in", after, hint })
    }
}

/// Namespaces one after the other; that without a name is all others.
fn in_words(namespaces: &[Str]) -> String {
    let named: Vec<&str> = namespaces.iter().map(|name| &**name).filter(|name| !name.is_empty()).collect();
    let others = named.len() < namespaces.len();
    match (named.is_empty(), others) {
        (true, _) => "other namespaces".to_owned(),
        (false, true) => format!("{} and in other namespaces", named.join(", ")),
        (false, false) => named.join(", "),
    }
}

/// The namespaces that the matches of the route at `path` name; `None` when one of them names none.
fn named_clients(value: &VirtualService, path: &str) -> Option<BTreeSet<Str>> {
    let is_at = |kind: &str, index: usize| path.starts_with(&format!("spec.{kind}[{index}]."));
    let for_mesh = |only_at: &[Str]| only_at.is_empty() || only_at.iter().any(|name| &**name == "mesh");
    let http = value.http.iter().filter(|route| route.delegate.is_none());
    if let Some(route) = http.into_iter().find(|route| is_at("http", route.index)) {
        let matches = route.matches.iter().filter(|wanted| for_mesh(&wanted.gateways));
        return named(route.matches.is_empty(), matches.map(|wanted| &wanted.source_namespace));
    }
    for (kind, routes) in [("tls", &value.tls), ("tcp", &value.tcp)] {
        if let Some(route) = routes.iter().find(|route| is_at(kind, route.index)) {
            let matches = route.matches.iter().filter(|wanted| for_mesh(&wanted.gateways));
            return named(route.matches.is_empty(), matches.map(|wanted| &wanted.source_namespace));
        }
    }
    None
}

fn named<'m>(is_for_all: bool, mut matches: impl Iterator<Item = &'m Option<Str>>) -> Option<BTreeSet<Str>> {
    if is_for_all {
        return None;
    }
    matches.try_fold(BTreeSet::new(), |mut named, wanted| {
        named.insert(wanted.clone()?);
        Some(named)
    })
}
