//! What a change affects: which hosts a scope has to derive again.

use crate::alias;
use mesh_model::{ChangeSet, Host, Mesh, Resolution, Service};
use std::{collections::BTreeSet, sync::Arc};

/// The hosts whose part of every scope may differ after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// All that the host contributes.
    pub hosts: BTreeSet<Host>,
    /// Only its endpoints.
    pub endpoints: BTreeSet<Host>,
}

/// What `changes` affect, in the mesh that they led to.
pub fn affected(mesh: &Mesh, changes: &ChangeSet) -> Affected {
    let mut affected = Affected::default();
    for host in &changes.hosts {
        add_with_dependants(mesh, host, &mut affected.hosts);
    }
    if mesh.sidecars().next().is_some() {
        for host in &changes.destinations {
            // What is routed to is seen under all of its names.
            let meant: BTreeSet<Host> =
                std::iter::once(host.clone()).chain(alias::targets_of(mesh, host)).collect();
            affected.hosts.extend(meant.iter().flat_map(|host| alias::names_of(mesh, host)));
            affected.hosts.extend(meant);
        }
    }
    for host in &changes.endpoints {
        let services = mesh.services_of_host(host);
        if services.iter().all(|service| only_assignment(service)) {
            affected.endpoints.insert(host.clone());
        } else {
            // What has another name is resolved under it, too.
            affected.hosts.extend(alias::names_of(mesh, host));
            affected.hosts.insert(host.clone());
        }
    }
    // Whom a cluster expects to find.
    affected.hosts.extend(changes.identities.iter().cloned());
    affected.endpoints.retain(|host| !affected.hosts.contains(host));
    affected
}

/// Whether endpoints of `service` appear in its load assignment alone, not in clusters (DNS) or listeners (headless).
fn only_assignment(service: &Arc<Service>) -> bool {
    service.resolution == Resolution::Static && !service.headless
}

fn add_with_dependants(mesh: &Mesh, host: &Host, hosts: &mut BTreeSet<Host>) {
    let mut named = BTreeSet::new();
    covered(mesh, host, &mut named);
    // What has other names is routed to under these, too.
    let aliases: BTreeSet<Host> = named.iter().flat_map(|name| alias::names_of(mesh, name)).collect();
    named.extend(aliases);
    // Routes to a host depend on its ports and on its DestinationRule.
    for name in &named {
        for value in mesh.virtual_services_to_host(name) {
            for routed in &value.hosts {
                covered(mesh, routed, hosts);
            }
        }
    }
    // Hosts without service are routed on the ports of the services that their VirtualService is about.
    for candidate in host.and_wildcards() {
        let values = mesh.virtual_services_of_host(&candidate).into_iter();
        hosts.extend(
            values.filter(|value| value.hosts.len() > 1).flat_map(|value| value.hosts.iter().cloned()),
        );
    }
    // A VirtualService's wildcard is a virtual host of its own only while no service is below it.
    let above = host.and_wildcards().filter(|above| !mesh.virtual_services_of_host(above).is_empty());
    hosts.extend(above);
    // A name taken from, or given back to, the short forms of services, their wildcards (headless), or their addresses.
    let name = host.as_str().strip_prefix("*.").unwrap_or(host.as_str());
    if name.len() < host.as_str().len() {
        hosts.insert(Host::new(name));
    }
    hosts.extend(mesh.hosts_with_prefix(&format!("{name}.")).cloned());
    if let Ok(address) = name.parse() {
        hosts.extend(mesh.services_at(&address).into_iter().map(|service| service.host.clone()));
    }
    hosts.extend(named);
    // The virtual host of a name is that of the service that has it.
    let targets: BTreeSet<Host> = hosts.iter().flat_map(|name| alias::targets_of(mesh, name)).collect();
    hosts.extend(targets);
}

/// `host` itself, and what it covers when it is a wildcard.
fn covered(mesh: &Mesh, host: &Host, hosts: &mut BTreeSet<Host>) {
    hosts.insert(host.clone());
    if host.is_wildcard() {
        let services = mesh.services().map(|service| &service.host);
        hosts
            .extend(services.chain(mesh.virtual_service_hosts()).filter(|other| host.covers(other)).cloned());
    }
}
