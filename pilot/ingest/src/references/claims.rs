//! Objects that claim the same thing, of which one counts.

use super::{Found, Index};
use mesh_model::{ExportTo, Mesh, Problem, Reason, Severity, Sidecar, Traffic, VirtualService};
use std::{collections::BTreeMap, sync::Arc};

impl Index<'_> {
    /// Requests under another name of a service are routed as those for the service.
    pub(super) fn check_aliased_hosts(&self, value: &VirtualService, found: &mut Found) {
        for host in value.hosts.iter().filter(|_| value.for_mesh()) {
            let services = self.mesh.services_of_host(host);
            let Some(target) = services.first().and_then(|service| service.alias_of()) else { continue };
            let message = format!(
                "{host} is only another name of {target}, so these routes are for requests to {host} on port 80 alone"
            );
            let problem = Problem::warning(Reason::Unreachable, "spec.hosts", message);
            found.add(&value.metadata.object, problem.hint(format!("write {target} instead")));
        }
    }

    /// Of several VirtualServices that sidecars use for one kind of traffic to one host, the oldest counts.
    pub(super) fn check_contested_hosts(&self, found: &mut Found) {
        for host in self.mesh.virtual_service_hosts() {
            let mut claims = self.mesh.virtual_services_of_host(host);
            claims.retain(|value| value.for_mesh());
            if claims.len() < 2 {
                continue;
            }
            for (traffic, routes) in [
                (Traffic::Http, "requests"),
                (Traffic::Tls, "TLS connections"),
                (Traffic::Tcp, "connections"),
            ] {
                let mut claims = claims.iter().filter(|value| value.routes(traffic));
                let Some(winner) = claims.next() else { continue };
                // Each may be for namespaces that the other is not for.
                for other in claims.filter(|other| overlap(winner, other)) {
                    let message = format!(
                        "{} routes {routes} to {host} already; this VirtualService has no effect on them where both apply",
                        winner.metadata.object
                    );
                    let problem = Problem::warning(Reason::Conflict, "spec.hosts", message);
                    found.add(&other.metadata.object, problem.hint("merge them into one VirtualService"));
                    let message =
                        format!("{} routes {routes} to {host}, too; this one counts", other.metadata.object);
                    let problem = Problem::new(Severity::Info, Reason::Conflict, "spec.hosts", message);
                    found.add(&winner.metadata.object, problem);
                }
            }
        }
    }
}

fn overlap(left: &VirtualService, right: &VirtualService) -> bool {
    match (&left.export_to, &right.export_to) {
        (ExportTo::Namespaces(left), ExportTo::Namespaces(right)) => {
            left.intersection(right).next().is_some()
        }
        (ExportTo::All | ExportTo::Default, _) | (_, ExportTo::All | ExportTo::Default) => true,
    }
}

/// Of several Sidecars for a whole namespace the oldest counts.
pub(super) fn check_default_sidecars(mesh: &Mesh, found: &mut Found) {
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
