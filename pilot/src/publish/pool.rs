//! What scopes share: encoded resources, the specs that scopes keep, and whole layers.
//!
//! Every scope derives for itself; most of what comes out is equal to what another scope holds already. A scope keeps its virtual
//! hosts' specs (to find them by domain, and to put route configurations together) and what hosts need of listeners, so equal ones
//! are held once. Places of different scopes mostly have equal load assignments, and scopes equal names: these share the whole layer.

use super::interner::Interner;
use pilot_envoy::{Encode, Memo, name_table};
use pilot_view::{PortUse, spec::VirtualHostSpec};
use pilot_xds::{
    layer::{Content, Layer},
    resource::{Resource, ResourceType},
    weak::WeakMap,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Layers are few: they are swept early.
const SWEEP_LAYERS_AT_LEAST: usize = 64;

/// Shared by all scopes of a publisher.
pub struct Pool {
    memo: Memo,
    virtual_hosts: Interner<VirtualHostSpec>,
    port_uses: Interner<[PortUse]>,
    layers: Mutex<WeakMap<Content, Layer>>,
    /// By the names in it.
    tables: Mutex<WeakMap<Content, Layer>>,
    nothing: Arc<Layer>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            memo: Memo::default(),
            virtual_hosts: Interner::default(),
            port_uses: Interner::default(),
            layers: Mutex::new(WeakMap::new(SWEEP_LAYERS_AT_LEAST)),
            tables: Mutex::new(WeakMap::new(SWEEP_LAYERS_AT_LEAST)),
            nothing: Layer::empty(),
        }
    }
}

impl Pool {
    /// The resource that `spec` describes, encoded once.
    pub fn get(&self, spec: &impl Encode) -> Arc<Resource> {
        self.memo.get(spec)
    }

    /// The memo behind it.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// The spec equal to `spec` that others hold, or `spec` itself.
    pub fn virtual_host(&self, spec: Arc<VirtualHostSpec>) -> Arc<VirtualHostSpec> {
        self.virtual_hosts.share(spec)
    }

    /// The list equal to `uses` that others hold, or `uses` itself.
    pub fn port_uses(&self, uses: Vec<PortUse>) -> Arc<[PortUse]> {
        self.port_uses.share(uses.into())
    }

    /// The layer with the content of `layer` that others hold, or `layer` itself.
    pub fn layer(&self, layer: Arc<Layer>) -> Arc<Layer> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = layers.get(&layer.content()) {
            return known;
        }
        layers.insert(layer.content(), &layer);
        layer
    }

    /// The layer that holds nothing.
    pub fn nothing(&self) -> &Arc<Layer> {
        &self.nothing
    }

    /// The layer with a table of all `names`.
    pub fn table(&self, names: &Layer) -> Arc<Layer> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tables.get(&names.content()) {
            return known;
        }
        let table = name_table(names.resources(ResourceType::NameTable).values());
        let layer = Layer::empty().edit(|edit| edit.set(table));
        tables.insert(names.content(), &layer);
        layer
    }
}
