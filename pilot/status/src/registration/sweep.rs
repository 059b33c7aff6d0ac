//! Takes away entries of workloads that went while nobody was there to note it: with their replica, or while all were away.
//!
//! In: the entries at the API server, and which replicas live. Out: deletions, by the leader. An entry whose replica has died stays for two
//! looks: its workload comes back to another one within seconds. What another control plane registers is left to that. A replica that has
//! started again under the same name looks by itself for what it had before.

use super::{
    Entry, GRACE, RegisterError, Registrations,
    entry::{CONNECTED, CONTROLLER, GROUP, OURS, is_over},
    store::Store,
};
use crate::replicas::{Replicas, board_name};
use kube::{Client, ResourceExt, api::ListParams};
use mesh_model::{NamespacedName, Str};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use tokio::time::sleep;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// Entries read at a time.
const PAGE: u32 = 500;

/// Looks again and again until dropped.
pub(crate) async fn sweep(client: &Client, replicas: &Replicas, identity: &str) {
    let store = Store::new(client.clone());
    let mut orphans = HashSet::new();
    loop {
        match look(&store, replicas, identity, &mut orphans).await {
            Ok(()) => {}
            // Without the rights nothing registers itself.
            Err(error) => tracing::debug!(%error, "looking for entries of workloads that have gone"),
        }
        sleep(EVERY).await;
    }
}

async fn look(
    store: &Store,
    replicas: &Replicas,
    identity: &str,
    orphans: &mut HashSet<NamespacedName>,
) -> Result<(), RegisterError> {
    let entries = registered(store).await?;
    let alive = replicas.names(identity);
    for entry in over(&entries, alive.as_ref(), orphans) {
        store.delete(&name(entry), entry).await?;
    }
    Ok(())
}

/// All entries that were made for workloads that registered themselves.
async fn registered(store: &Store) -> Result<Vec<Entry>, RegisterError> {
    let mut params = ListParams::default().limit(PAGE);
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = store.list(&params).await?;
        let more = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        entries.extend(page.items.into_iter().filter(|entry| entry.annotations().contains_key(GROUP)));
        match more {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(entries),
        }
    }
}

/// Takes away the entries that say they are connected here and are not, once those that come back have had time to.
pub(super) async fn forget_own(all: Registrations) {
    sleep(EVERY).await;
    let forget = async {
        for entry in registered(&all.0.store).await? {
            let says = |annotation| entry.annotations().get(annotation) == Some(&all.0.identity);
            let is_ours = says(CONTROLLER) && says(OURS) && entry.annotations().contains_key(CONNECTED);
            // Whoever registers in this moment changes the entry, and it is not deleted as it was.
            if is_ours && !all.streams().contains_key(&name(&entry)) {
                all.0.store.delete(&name(&entry), &entry).await?;
            }
        }
        Ok::<_, RegisterError>(())
    };
    if let Err(error) = forget.await {
        tracing::debug!(%error, "looking for entries of workloads that went with this replica before");
    }
}

fn name(entry: &Entry) -> NamespacedName {
    NamespacedName::new(entry.namespace().unwrap_or_default(), entry.name_any())
}

/// The entries that are to go. `alive`: replicas that live, if that is known; `orphans`: entries without one at the last look.
fn over<'a>(
    entries: &'a [Entry],
    alive: Option<&BTreeSet<Str>>,
    orphans: &mut HashSet<NamespacedName>,
) -> Vec<&'a Entry> {
    let mut now = HashSet::new();
    let mut over = Vec::new();
    for entry in entries {
        let annotations = entry.annotations();
        // Whoever takes a workload over from us names itself, and leaves our own annotation as it is.
        let by = annotations.get(CONTROLLER).filter(|by| annotations.get(OURS) == Some(by));
        let is_orphan = annotations.contains_key(CONNECTED)
            && alive.zip(by).is_some_and(|(alive, by)| !alive.contains(&*board_name(by)));
        if is_over(entry, GRACE) || (is_orphan && orphans.contains(&name(entry))) {
            over.push(entry);
        } else if is_orphan {
            now.insert(name(entry));
        }
    }
    *orphans = now;
    over
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_goes_when_its_replica_has_been_dead_for_a_while() {
        let entry = |name: &str, controller: &str| -> Entry {
            serde_json::from_value(json!({ "metadata": {
                "name": name, "namespace": "shop",
                "annotations": { GROUP: "vms", CONTROLLER: controller, OURS: "two", CONNECTED: "2026-01-01T00:00:00Z" },
            } }))
            .unwrap()
        };
        // What `istiod` has it has taken over.
        let entries = [entry("a", "istiod"), entry("b", "two")];
        let alive = BTreeSet::from(["one".into()]);
        let mut orphans = HashSet::new();
        let names = |over: Vec<&Entry>| over.iter().map(|entry| entry.name_any()).collect::<Vec<_>>();
        assert!(over(&entries, None, &mut orphans).is_empty(), "nobody knows who lives");
        assert!(over(&entries, Some(&alive), &mut orphans).is_empty(), "it may come back");
        assert_eq!(names(over(&entries, Some(&alive), &mut orphans)), ["b"]);
        let back = [entry("b", "one")];
        let mut orphans = HashSet::from([NamespacedName::new("shop", "b")]);
        assert!(over(&back, Some(&alive), &mut orphans).is_empty(), "it has come back");
    }
}
