//! Objects to the mesh: each edit finds what it touches, and only that is derived again.
//!
//! In: batches of edits. Out: the next [`Mesh`] and what changed in it. The mesh is a function of the objects alone: the order in which
//! they came does not show.

mod claimed;
mod credentials;
mod discovery;
mod export;
mod link;
mod networks;
mod peers;
mod recover;
mod settle;
mod visibility;
mod workload;

use crate::{
    at::Context,
    defect::guard,
    events::{Cause, Causes, Events},
    joins::Joins,
    kinds::Model,
    local::Local,
    report::Snapshot,
    store::{Difference, Edit, Store},
};
pub(crate) use claimed::Part;
use export::exported;
use mesh_model::{ChangeSet, Host, Kind, Labels, Mesh, NamespacedName, Network, ObjectRef, ServiceKey};
use std::{collections::BTreeSet, sync::Arc};

/// Holds all objects and the mesh that they make.
#[derive(Debug)]
pub struct Ingest {
    context: Context,
    store: Store,
    joins: Joins,
    local: Local,
    /// Which workloads on this machine are ready; `None`: all.
    ready: Option<Arc<BTreeSet<NamespacedName>>>,
    mesh: Arc<Mesh>,
    /// Networks as the settings tell of them, without those that Services do.
    networks: Vec<Network>,
    no_labels: Arc<Labels>,
    /// Why the mesh differs from the one that was taken last.
    causes: Causes,
    /// The mesh is an older one: the objects cannot be joined, and the indexes are half-done.
    is_torn: bool,
    /// Told of each difference that is taken in.
    #[cfg(test)]
    trap: Option<fn(&Difference)>,
}

/// What has to be derived again.
#[derive(Debug, Default)]
struct Dirty {
    workloads: BTreeSet<ObjectRef>,
    services: BTreeSet<ServiceKey>,
    virtual_services: BTreeSet<NamespacedName>,
    credentials: BTreeSet<ObjectRef>,
}

impl Ingest {
    /// Nothing known yet but the settings.
    pub fn new(context: Context) -> Self {
        let mut mesh = Mesh::default();
        mesh.set_config((*context.mesh_config).clone(), &mut ChangeSet::default());
        Self {
            networks: context.mesh_config.networks.clone(),
            context,
            store: Store::default(),
            joins: Joins::default(),
            local: Local::default(),
            ready: None,
            mesh: Arc::new(mesh),
            no_labels: Arc::default(),
            causes: Causes::default(),
            is_torn: false,
            #[cfg(test)]
            trap: None,
        }
    }

    /// The mesh as it is.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// What parsing depends on.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// All that a report is made of, as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { mesh: self.mesh.clone(), ..self.store.told.clone() }
    }

    /// What is counted of the objects.
    pub fn events(&self) -> &Arc<Events> {
        &self.store.events
    }

    /// Why the mesh differs from what it was when this was asked last.
    pub fn take_causes(&mut self) -> Causes {
        std::mem::take(&mut self.causes)
    }

    /// Makes the edits, all at once, and says what changed.
    pub fn apply(&mut self, batch: Vec<Edit>) -> ChangeSet {
        let mut differences = Vec::new();
        let mut dirty = Dirty::default();
        for edit in batch {
            match edit {
                Edit::Ready(ready) => self.set_ready(ready, &mut dirty),
                edit => self.store.edit(edit, &mut differences),
            }
        }
        if differences.is_empty() && dirty.workloads.is_empty() {
            return ChangeSet::default();
        }
        if self.is_torn {
            return self.join_again().unwrap_or_default();
        }
        let made = differences.clone();
        match guard(|| self.assemble(differences, dirty)) {
            Ok(changes) => changes,
            Err(defect) => self.recover(made, defect),
        }
    }

    /// Takes differences into the mesh. What it has done when it panics shows in the indexes, and not in the mesh.
    fn assemble(&mut self, differences: Vec<Difference>, mut dirty: Dirty) -> ChangeSet {
        let mut changes = ChangeSet::default();
        let touched =
            differences.iter().filter_map(|difference| discovery::namespace_of(&difference.object)).collect();
        // Persistent maps: the clone shares everything.
        let mut mesh = (*self.mesh).clone();
        // Also when they are as before in the end: what came between went by others.
        let mut exports_moved = false;
        for difference in differences {
            let is_config = difference.object.kind == Kind::MeshConfig;
            self.absorb(difference, &mut mesh, &mut dirty, &mut changes);
            exports_moved |= is_config && mesh.config().exports != self.mesh.config().exports;
        }
        for difference in self.rediscover(&mesh, touched) {
            self.absorb(difference, &mut mesh, &mut dirty, &mut changes);
        }
        if exports_moved {
            self.export_again(&mut mesh, &mut dirty, &mut changes);
        }
        if mesh.config().root_namespace != self.mesh.config().root_namespace
            && mesh.peer_authentications().next().is_some()
        {
            // What was for all is for one namespace now, and the other way round.
            dirty.services.extend(self.joins.claims.keys().cloned());
        }
        self.find_networks(&mut mesh, &mut dirty, &mut changes);
        self.find_visibility(&mut mesh, &mut dirty, &mut changes);
        self.settle(dirty, &mut mesh, &mut changes);
        self.mesh = Arc::new(mesh);
        changes
    }

    fn set_ready(&mut self, ready: Arc<BTreeSet<NamespacedName>>, dirty: &mut Dirty) {
        let changed = |pod: &&ObjectRef| {
            let was = self.ready.as_ref().is_none_or(|before| before.contains(&pod.name));
            was != ready.contains(&pod.name)
        };
        let before = dirty.workloads.len();
        dirty.workloads.extend(self.joins.replicas.keys().filter(changed).cloned());
        if dirty.workloads.len() > before {
            self.causes.add(Cause::Endpoint);
        }
        self.ready = Some(ready);
    }

    /// Takes one difference into the indexes, and into the mesh where nothing has to be joined.
    fn absorb(
        &mut self,
        difference: Difference,
        mesh: &mut Mesh,
        dirty: &mut Dirty,
        changes: &mut ChangeSet,
    ) {
        #[cfg(test)]
        self.trap.inspect(|trap| trap(&difference));
        let Difference { object, old, new } = difference;
        self.causes.add(self.store.events.differs(object.kind, new.is_none()));
        if let Some(old) = old {
            self.unlink(&object, &old, dirty);
        }
        if let Some(new) = &new {
            self.link(&object, new, dirty);
        }
        let name = || object.name.clone();
        match object.kind {
            Kind::DestinationRule => {
                let value =
                    new.and_then(
                        |model| if let Model::DestinationRule(value) = model { Some(value) } else { None },
                    );
                let value = value.map(|value| exported(value, mesh));
                mesh.set_destination_rule(name(), value, changes);
            }
            Kind::Sidecar => {
                let value =
                    new.and_then(|model| if let Model::Sidecar(value) = model { Some(value) } else { None });
                mesh.set_sidecar(name(), value, changes);
            }
            Kind::PeerAuthentication => {
                let value = new.and_then(|model| {
                    if let Model::PeerAuthentication(value) = model { Some(value) } else { None }
                });
                mesh.set_peer_authentication(name(), value, changes);
                self.peers_changed(&object.name.namespace, mesh, dirty);
            }
            Kind::ProxyConfig => {
                let value = new
                    .and_then(|model| if let Model::ProxyConfig(value) = model { Some(value) } else { None });
                mesh.set_proxy_config(name(), value, changes);
            }
            Kind::MeshConfig => {
                let config = match new {
                    Some(Model::MeshConfig(config)) => config,
                    _ => self.context.mesh_config.clone(),
                };
                self.networks.clone_from(&config.networks);
                // Only one ConfigMap has a meaning, so there is nobody to contend with.
                mesh.set_config((*config).clone(), changes);
            }
            Kind::Pod | Kind::WorkloadEntry => {
                dirty.workloads.insert(object);
            }
            // What they touch was found while linking.
            Kind::VirtualService | Kind::Secret | Kind::ConfigMap => {}
            Kind::Service | Kind::ServiceEntry | Kind::EndpointSlice | Kind::Node | Kind::Deployment => {}
            // What registers itself by it is for whoever registers.
            Kind::WorkloadGroup | Kind::Namespace => {}
        }
    }

    fn kubernetes_key(&self, name: &NamespacedName) -> ServiceKey {
        let NamespacedName { namespace, name } = name;
        let domain = &self.context.mesh_config.domain;
        ServiceKey {
            host: Host::new(&format!("{name}.{namespace}.svc.{domain}")),
            namespace: namespace.clone(),
        }
    }
}
