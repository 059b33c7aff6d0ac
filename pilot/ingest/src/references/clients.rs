//! Matches for clients that are not there, and for names that lead to other routes.
//!
//! In: a VirtualService. Out: a warning for each match that no request of the mesh meets as it is. Workloads that are still to come may meet it, so
//! nothing is said where there are none at all.

use super::{Found, claims::NOBODY, scope::Scope};
use crate::names::label_fault;
use mesh_model::{
    ConnectionMatch, Host, HttpMatch, Labels, Problem, Protocol, Reason, ShortNameOf, Str, StringMatch,
    VirtualService, resolve_short_name,
};
use std::net::IpAddr;

impl Scope<'_> {
    /// Whom the matches of routes are for, of requests and of connections.
    pub(super) fn check_clients(&self, value: &VirtualService, found: &mut Found) {
        let VirtualService { http, tls, tcp, .. } = value;
        for route in http.iter().filter(|route| route.delegate.is_none()) {
            for HttpMatch { index, source_labels, source_namespace, .. } in &route.matches {
                let path = format!("spec.http[{}].match[{index}]", route.index);
                self.check_client(value, &path, (source_namespace, source_labels), found);
            }
        }
        for (kind, routes) in [("tls", tls), ("tcp", tcp)] {
            for route in routes {
                for ConnectionMatch { index, source_labels, source_namespace, .. } in &route.matches {
                    let path = format!("spec.{kind}[{}].match[{index}]", route.index);
                    self.check_client(value, &path, (source_namespace, source_labels), found);
                }
            }
        }
    }

    fn check_client(
        &self,
        value: &VirtualService,
        path: &str,
        (namespace, labels): (&Option<Str>, &Labels),
        found: &mut Found,
    ) {
        if namespace.is_none() && labels.is_empty() {
            return;
        }
        let has = |wanted: &Labels| labels.iter().all(|(key, value)| wanted.get(key) == Some(value));
        let (field, message) = match namespace {
            // What keeps them from seeing this is said of `exportTo`.
            Some(namespace) if !value.export_to.includes(namespace) => return,
            // That nobody is in such a namespace has been said.
            Some(namespace) if label_fault(namespace).is_some() => return,
            Some(namespace) => {
                let mut there = self.workloads_of_namespace(namespace).peekable();
                if there.peek().is_none() && self.has_workloads() {
                    (
                        "sourceNamespace",
                        format!("no workload is in namespace {namespace}, so nobody is meant"),
                    )
                } else if there.peek().is_some() && !there.any(|workload| has(&workload.labels)) {
                    ("sourceLabels", format!("no workload of namespace {namespace} has these labels"))
                } else {
                    return;
                }
            }
            None => {
                let mut there = self.workloads().peekable();
                if there.peek().is_none() || there.any(|workload| has(&workload.labels)) {
                    return;
                }
                ("sourceLabels", "no workload has these labels, so nobody is meant".to_owned())
            }
        };
        let hint = if field == "sourceLabels" {
            NOBODY
        } else {
            "correct the name, unless workloads are still to come"
        };
        let problem = Problem::warning(Reason::Unreachable, format!("{path}.{field}"), message);
        found.add(&value.metadata.object, problem.hint(hint));
    }

    /// Requests come to a VirtualService by the names of its hosts; under another one they never do.
    pub(super) fn check_authorities(&self, value: &VirtualService, found: &mut Found) {
        let namespace = value.metadata.namespace();
        for route in value.http.iter().filter(|route| route.delegate.is_none()) {
            for HttpMatch { index, authority, .. } in &route.matches {
                let Some(StringMatch::Exact(authority)) = authority else { continue };
                let name = without_port(authority);
                // An address may be that of one of the hosts.
                let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
                if is_address || self.leads_to(&name, namespace, &value.hosts) {
                    continue;
                }
                let hosts: Vec<&str> = value.hosts.iter().map(Host::as_str).collect();
                let path = format!("spec.http[{}].match[{index}].authority", route.index);
                let message =
                    format!("requests to `{authority}` do not come here: `hosts` has {}", hosts.join(", "));
                let problem = Problem::warning(Reason::Unreachable, path, message);
                found.add(
                    &value.metadata.object,
                    problem.hint(format!("add {name} to `hosts`, or match on a name of theirs")),
                );
            }
        }
    }

    /// Whether a request for `name` may come to the routes of one of `hosts`.
    fn leads_to(&self, name: &str, namespace: &str, hosts: &[Host]) -> bool {
        let domain = &self.config().domain;
        let asked = Host::new(name);
        let is_below =
            |text: &str| name.strip_suffix(text).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let is_own = |host: &Host| {
            let short =
                host.as_str().strip_suffix(&format!(".svc.{domain}")).and_then(|rest| rest.split_once('.'));
            let short = short.map(|(name, namespace)| ShortNameOf { name, namespace }.names(namespace));
            host.covers(&asked)
                || is_below(host.as_str())
                || short.iter().flatten().any(|text| is_below(text))
        };
        // What is another name of a service is routed like it; what nobody has declared is found out, whatever name it is asked under.
        let other = self.services_of_host(&resolve_short_name(name, namespace, domain));
        hosts.iter().any(is_own)
            || other.iter().any(|service| service.alias_of().is_some())
            || hosts.iter().any(|host| {
                let ports = self.visible(host, namespace).into_iter().flat_map(|service| &service.ports);
                ports.into_iter().any(|port| port.protocol == Protocol::Auto)
            })
    }
}

/// `authority` as names are compared.
fn without_port(authority: &str) -> String {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}
