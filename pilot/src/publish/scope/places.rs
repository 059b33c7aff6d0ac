//! The places of a scope: for each, a layer of what depends on where clients are.
//!
//! In: which hosts to derive again. Out: layers. Places of different scopes mostly hold the same: these share one layer.

use crate::publish::pool::Pool;
use mesh_model::{Host, Str};
use pilot_ingest::defect::guard;
use pilot_view::{Place, PlaceView, Scope, derive_place};
use pilot_xds::{
    layer::{Edit, Layer},
    resource::ResourceType,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The places in use.
#[derive(Default)]
pub struct Places {
    by_place: BTreeMap<Arc<Place>, PlaceState>,
}

struct PlaceState {
    layer: Arc<Layer>,
    members: usize,
}

/// A host to be derived again, and the clusters that it may have had so far.
pub struct Stale {
    pub host: Host,
    pub clusters: Vec<Str>,
}

impl Places {
    /// How many somebody is in.
    pub fn count(&self) -> usize {
        self.by_place.values().filter(|state| state.members > 0).count()
    }

    /// The layers of those that somebody is in.
    pub fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.by_place.values().filter(|state| state.members > 0).map(|state| &state.layer)
    }

    /// The layer of a place.
    pub fn layer(&self, place: &Place) -> Option<&Arc<Layer>> {
        Some(&self.by_place.get(place)?.layer)
    }

    /// Counts a proxy in, and returns its place as all there have it. The first has all `hosts` derived for it.
    pub fn enter<'h>(
        &mut self,
        place: &Place,
        scope: &Scope<'_>,
        hosts: impl Iterator<Item = &'h Host>,
        pool: &Pool,
    ) -> Arc<Place> {
        let place = match self.by_place.get_key_value(place) {
            Some((place, _)) => place.clone(),
            None => Arc::new(place.clone()),
        };
        let state = self.by_place.entry(place.clone()).or_insert_with(|| {
            let layer = Layer::empty().edit(|edit| {
                hosts.for_each(|host| set(derive_place(scope, &place, host), &[], pool, edit));
            });
            PlaceState { layer: pool.layer(layer), members: 0 }
        });
        state.members += 1;
        place
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, place: &Place) {
        if let Some(state) = self.by_place.get_mut(place) {
            state.members -= 1;
        }
    }

    /// Forgets the places that nobody is in.
    pub fn forget_vacant(&mut self) {
        self.by_place.retain(|_, state| state.members > 0);
    }

    /// Makes as if nothing had been derived for them yet.
    pub fn begin_again(&mut self) {
        self.by_place.values_mut().for_each(|state| state.layer = Layer::empty());
    }

    /// Derives hosts again, in every place. One of which nothing can be made stays as it was.
    pub fn derive(&mut self, scope: &Scope<'_>, stale: &[Stale], endpoints: &BTreeSet<Host>, pool: &Pool) {
        for (place, state) in &mut self.by_place {
            let layer = state.layer.edit(|edit| {
                let stale = stale.iter().map(|Stale { host, clusters }| (host, clusters.as_slice()));
                for (host, clusters) in stale.chain(endpoints.iter().map(|host| (host, &[][..]))) {
                    if let Ok(view) = guard(|| derive_place(scope, place, host)) {
                        set(view, clusters, pool, edit);
                    }
                }
            });
            if !Arc::ptr_eq(&layer, &state.layer) {
                state.layer = pool.layer(layer);
            }
        }
    }
}

/// Puts in what a host contributes, and takes away what it contributed under the names of these clusters.
fn set(view: PlaceView, clusters: &[Str], pool: &Pool, edit: &mut Edit) {
    let PlaceView { clusters: new, endpoints } = view;
    for name in clusters {
        if !new.iter().any(|spec| spec.name == *name) {
            edit.remove(ResourceType::Cluster, name);
        }
        if !endpoints.iter().any(|spec| spec.cluster == *name) {
            edit.remove(ResourceType::Endpoints, name);
        }
    }
    for spec in new {
        edit.set(pool.get(&spec));
    }
    for spec in endpoints {
        edit.set(pool.get(&spec));
    }
}
