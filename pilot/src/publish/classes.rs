//! Classes: proxies with equal inbound configuration share its layer.

use super::pool::Pool;
use pilot_view::Inbound;
use pilot_xds::{layer::Layer, resource::Resource};
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A class. It stays until a change finds nobody in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassId(u64);

/// All classes.
#[derive(Default)]
pub struct Classes {
    by_resources: HashMap<Box<[Same]>, ClassId>,
    by_id: HashMap<ClassId, Class>,
    next: u64,
}

struct Class {
    layer: Arc<Layer>,
    members: usize,
}

/// A resource, known by its identity. The pool gives equal specs one resource as long as somebody holds it, so that the resources tell
/// classes apart as the specs do: there is no need to keep these.
#[derive(Debug, Clone)]
struct Same(Arc<Resource>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Classes {
    /// Counts a proxy with this inbound configuration in.
    pub fn enter(&mut self, inbound: &Inbound, pool: &Pool) -> ClassId {
        let Inbound { listeners, clusters, endpoints, standing: _ } = inbound;
        let clusters = clusters.iter().map(|spec| pool.get(spec));
        let listeners = listeners.iter().map(|spec| pool.get(spec));
        let endpoints = endpoints.iter().map(|spec| pool.get(spec));
        let resources: Box<[Same]> = clusters.chain(listeners).chain(endpoints).map(Same).collect();
        if let Some(id) = self.by_resources.get(&resources)
            && let Some(class) = self.by_id.get_mut(id)
        {
            class.members += 1;
            return *id;
        }
        let id = ClassId(self.next);
        self.next += 1;
        let layer = Layer::empty().edit(|edit| {
            resources.iter().for_each(|Same(resource)| edit.set(resource.clone()));
        });
        self.by_resources.insert(resources, id);
        self.by_id.insert(id, Class { layer, members: 1 });
        id
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, id: ClassId) {
        if let Some(class) = self.by_id.get_mut(&id) {
            class.members -= 1;
        }
    }

    /// Forgets the classes that nobody is in.
    pub fn forget_vacant(&mut self) {
        self.by_id.retain(|_, class| class.members > 0);
        self.by_resources.retain(|_, id| self.by_id.contains_key(id));
    }

    /// The layer of a class.
    pub fn layer(&self, id: ClassId) -> Option<&Arc<Layer>> {
        self.by_id.get(&id).map(|class| &class.layer)
    }

    /// How many somebody is in.
    pub fn count(&self) -> usize {
        self.by_id.values().filter(|class| class.members > 0).count()
    }
}
