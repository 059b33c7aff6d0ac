//! The names that clients of a scope look up: a layer with a resource for each, and one with a table of all.
//!
//! In: which hosts to derive again. Out: the two layers. Scopes of different namespaces mostly know the same names: these share both. The
//! table is made only while somebody takes it, once for all scopes with equal names: it is as large as the mesh.

use crate::{proxy::NameForm, publish::pool::Pool};
use mesh_model::{Host, Str};
use pilot_view::{Scope, derive_names};
use pilot_xds::{layer::Layer, resource::ResourceType};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// The names of a scope.
pub struct Names {
    single: Arc<Layer>,
    table: Arc<Layer>,
    table_members: usize,
    /// Names besides their own that hosts contributed.
    others: HashMap<Host, Box<[Str]>>,
}

impl Names {
    /// No names.
    pub fn new(pool: &Pool) -> Self {
        let nothing = pool.nothing();
        Self { single: nothing.clone(), table: nothing.clone(), table_members: 0, others: HashMap::new() }
    }

    /// Makes as if no names had been derived yet.
    pub fn begin_again(&mut self, pool: &Pool) {
        *self = Self { table_members: self.table_members, ..Self::new(pool) };
    }

    /// What clients have that take names in this form.
    pub fn layer(&self, form: NameForm) -> &Arc<Layer> {
        match form {
            NameForm::Single => &self.single,
            NameForm::Table => &self.table,
        }
    }

    /// Counts a proxy in.
    pub fn enter(&mut self, form: NameForm, scope: &Scope<'_>, pool: &Pool) {
        if form == NameForm::Table {
            self.table_members += 1;
            self.set_table(scope, pool);
        }
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, form: NameForm) {
        if form == NameForm::Table {
            self.table_members -= 1;
        }
    }

    /// Hosts that have contributed names and are not among `visible`. They need not have contributed anything else.
    pub fn gone(&self, visible: &BTreeSet<Host>) -> Vec<Host> {
        let of_others: HashSet<&Str> = self.others.values().flatten().collect();
        let named = self.single.resources(ResourceType::NameTable).values().map(|resource| resource.name());
        let own = named.filter(|name| !of_others.contains(name)).map(|name| Host::new(name));
        own.chain(self.others.keys().cloned()).filter(|host| !visible.contains(host)).collect()
    }

    /// Derives the names of these hosts again.
    pub fn derive<'h>(&mut self, scope: &Scope<'_>, hosts: impl Iterator<Item = &'h Host>, pool: &Pool) {
        if !scope.key.dns_capture {
            return;
        }
        let single = self.single.edit(|edit| {
            for host in hosts {
                let specs = derive_names(scope, host);
                let before = self.others.remove(host).unwrap_or_default();
                let own = [host.to_shared()];
                for gone in
                    before.iter().chain(&own).filter(|name| specs.iter().all(|spec| spec.name != **name))
                {
                    edit.remove(ResourceType::NameTable, gone);
                }
                let names = specs.iter().map(|spec| spec.name.clone());
                let others: Box<[Str]> = names.filter(|name| **name != *host.as_str()).collect();
                if !others.is_empty() {
                    self.others.insert(host.clone(), others);
                }
                for spec in specs {
                    edit.set(pool.get(&spec));
                }
            }
        });
        if !Arc::ptr_eq(&single, &self.single) {
            self.single = pool.layer(single);
        }
        self.set_table(scope, pool);
    }

    fn set_table(&mut self, scope: &Scope<'_>, pool: &Pool) {
        if scope.key.dns_capture && self.table_members > 0 {
            self.table = pool.table(&self.single);
        }
    }
}
