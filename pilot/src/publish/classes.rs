//! Classes: proxies with equal inbound configuration share its layer.

use super::pool::Pool;
use pilot_view::Inbound;
use pilot_xds::layer::Layer;
use std::{collections::HashMap, sync::Arc};

/// A class, as long as somebody is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassId(u64);

/// All classes in use.
#[derive(Default)]
pub struct Classes {
    by_inbound: HashMap<Arc<Inbound>, ClassId>,
    by_id: HashMap<ClassId, Class>,
    next: u64,
}

struct Class {
    inbound: Arc<Inbound>,
    layer: Arc<Layer>,
    members: usize,
}

impl Classes {
    /// Counts a proxy with this inbound configuration in.
    pub fn enter(&mut self, inbound: Inbound, pool: &Pool) -> ClassId {
        if let Some(id) = self.by_inbound.get(&inbound)
            && let Some(class) = self.by_id.get_mut(id)
        {
            class.members += 1;
            return *id;
        }
        let id = ClassId(self.next);
        self.next += 1;
        let layer = Layer::empty().edit(|edit| {
            let Inbound { listeners, clusters } = &inbound;
            for spec in clusters {
                edit.set(pool.get(spec));
            }
            for spec in listeners {
                edit.set(pool.get(spec));
            }
        });
        let inbound = Arc::new(inbound);
        self.by_inbound.insert(inbound.clone(), id);
        self.by_id.insert(id, Class { inbound, layer, members: 1 });
        id
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, id: ClassId) {
        let Some(class) = self.by_id.get_mut(&id) else { return };
        class.members -= 1;
        if class.members == 0
            && let Some(class) = self.by_id.remove(&id)
        {
            self.by_inbound.remove(&class.inbound);
        }
    }

    /// The layer of a class; `None` when nobody is in it.
    pub fn layer(&self, id: ClassId) -> Option<&Arc<Layer>> {
        self.by_id.get(&id).map(|class| &class.layer)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}
