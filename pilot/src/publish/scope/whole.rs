//! How a scope stays whole when deriving it panics.
//!
//! In: a change. Out: the scope with it; or, where Meltemi is wrong, with what it had before: of one host, or of everything until the next
//! change. What proxies have stays the last good.

use super::{Ports, Routes, ScopeState};
use crate::publish::pool::Pool;
use mesh_model::{Host, Mesh, ObjectRef, Problem};
use pilot_ingest::defect::guard;
use pilot_view::{HostView, Scope, affects::Affected, derive_host};
use pilot_xds::layer::Layer;
use std::collections::{BTreeMap, BTreeSet};

impl ScopeState {
    /// Derives what a change affects; `None`: everything.
    pub fn follow(&mut self, mesh: &Mesh, pool: &Pool, affected: Option<&Affected>) {
        let last_good = self.layer.clone();
        let again = std::mem::take(&mut self.is_torn);
        if again {
            self.forget_bookkeeping(pool);
        }
        let derived = guard(|| match affected {
            Some(affected) if !again => self.derive(mesh, pool, affected),
            Some(_) | None => self.derive_all(mesh, pool),
        });
        if let Err(defect) = derived {
            tracing::error!(namespace = %self.key.namespace, %defect, "a scope stays as it was");
            self.layer = last_good;
            self.is_torn = true;
        }
    }

    /// Makes as if nothing had been derived yet: what was half done cannot be told from what was done.
    fn forget_bookkeeping(&mut self, pool: &Pool) {
        self.layer = Layer::empty();
        self.hosts.clear();
        self.ports = Ports::default();
        let inline = self.routes.inline;
        self.routes = Routes::default();
        self.routes.inline = inline;
        self.own_clusters.clear();
        self.own_listeners.clear();
        self.places.begin_again();
        self.names.begin_again(pool);
        self.defects.clear();
    }

    /// What `host` contributes; `None`: nobody knows, so that it stays as it was.
    pub(super) fn view(&mut self, scope: &Scope<'_>, host: &Host) -> Option<HostView> {
        let derive = || {
            #[cfg(test)]
            crate::publish::tests::spring(host);
            derive_host(scope, host)
        };
        match guard(derive) {
            Ok(view) => {
                self.defects.remove(host);
                Some(view)
            }
            Err(defect) => {
                self.defects.insert(host.clone(), defect);
                None
            }
        }
    }

    /// Hosts of which nothing could be made.
    pub fn defects(&self) -> &BTreeMap<Host, Problem> {
        &self.defects
    }
}

/// The objects that say something of `host`.
pub fn objects_of(mesh: &Mesh, host: &Host) -> BTreeSet<ObjectRef> {
    let services = mesh.services_of_host(host).into_iter().map(|service| service.metadata.object.clone());
    let routes = mesh.virtual_services().filter(|value| value.hosts.contains(host));
    let rules = mesh.destination_rules().filter(|value| value.host == *host);
    let routes = routes.map(|value| value.metadata.object.clone());
    services.chain(routes).chain(rules.map(|value| value.metadata.object.clone())).collect()
}
