//! Services that are only other names of hosts: Kubernetes' `ExternalName`.
//!
//! In: a host. Out: the names that lead to it, directly or through each other. What has another name is called by it as by its own:
//! an alias contributes no clusters and no listeners.

use crate::Scope;
use mesh_model::{Host, Mesh, Service};
use std::{collections::BTreeSet, sync::Arc};

/// Names in a row that are followed. Longer rows, and circles, lead nowhere.
pub(crate) const LONGEST: usize = 8;

/// The hosts that are other names of `host`, as far as there are any, whoever sees them.
pub(crate) fn names_of(mesh: &Mesh, host: &Host) -> BTreeSet<Host> {
    let mut names = BTreeSet::new();
    let mut last: BTreeSet<Host> = direct(mesh, host).map(|alias| alias.host.clone()).collect();
    for _ in 0..LONGEST {
        let next = last.iter().flat_map(|name| direct(mesh, name)).map(|alias| alias.host.clone()).collect();
        names.extend(last);
        last = next;
    }
    names
}

/// What `host` is another name of, step by step, whoever sees it.
pub(crate) fn targets_of(mesh: &Mesh, host: &Host) -> BTreeSet<Host> {
    let mut targets = BTreeSet::new();
    let mut last = BTreeSet::from([host.clone()]);
    for _ in 0..LONGEST {
        let services = last.iter().flat_map(|name| mesh.services_of_host(name));
        last = services.filter_map(|service| service.alias_of()).cloned().collect();
        targets.extend(last.iter().cloned());
    }
    targets
}

fn direct<'m>(mesh: &'m Mesh, host: &Host) -> impl Iterator<Item = &'m Arc<Service>> {
    mesh.aliases_of(host)
}

impl<'a> Scope<'a> {
    /// The services that clients of this scope know as other names of `host`.
    pub(crate) fn aliases(&self, host: &Host) -> Vec<&'a Arc<Service>> {
        let names = names_of(self.mesh, host).into_iter();
        let leads_here = |alias: &&Arc<Service>| {
            let target = self.destination(&alias.host);
            alias.alias_of().is_some() && target.is_some_and(|target| target.host == *host)
        };
        names.filter_map(|name| self.service(&name)).filter(leads_here).collect()
    }
}
