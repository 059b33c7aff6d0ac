//! Finding out who may have the keys that the mesh has, before anybody is told of them.
//!
//! In: proxies that come, meshes that are to be published, time that passes. Out: verdicts, and layers that follow them.

use super::Publisher;
use mesh_model::{Mesh, Str};
use pilot_xds::source::Proven;
use std::collections::BTreeSet;

impl Publisher {
    /// Finds out, before `mesh` is published, who may have its keys: nobody is to be told of a key and not given it.
    pub async fn prepare(&self, mesh: &Mesh) {
        let (readers, accounts) = {
            let state = self.lock();
            let here = state.proxies.values().filter_map(|subscriber| subscriber.proven.as_ref());
            (state.readers.clone(), concerned(mesh, here))
        };
        readers.learn(accounts).await;
    }

    /// Asks again about those whose rights were looked up a while ago, and acts on what differs.
    pub async fn review(&self) {
        let (readers, accounts) = {
            let state = self.lock();
            let here = || state.proxies.values().filter_map(|subscriber| subscriber.proven.as_ref());
            let all: BTreeSet<&Proven> = here().collect();
            state.readers.retain(|account| all.contains(account));
            (state.readers.clone(), concerned(&state.mesh, here()))
        };
        if readers.learn(accounts).await {
            self.lock().reconsider();
        }
    }

    /// Finds out what a proxy that comes may have.
    pub(super) async fn learn_of(&self, proven: Option<&Proven>) {
        let Some(account) = proven else { return };
        let readers = {
            let state = self.lock();
            state.credentials.has(&account.namespace).then(|| state.readers.clone())
        };
        if let Some(readers) = readers {
            readers.learn([account.clone()]).await;
        }
    }
}

/// Those of `accounts` in whose namespace there are Secrets that somebody names.
fn concerned<'a>(mesh: &Mesh, accounts: impl Iterator<Item = &'a Proven>) -> BTreeSet<Proven> {
    let namespaces: BTreeSet<&Str> = mesh.secrets().map(|(name, _)| &name.namespace).collect();
    match namespaces.is_empty() {
        true => BTreeSet::new(),
        false => accounts.filter(|account| namespaces.contains(&account.namespace)).cloned().collect(),
    }
}
