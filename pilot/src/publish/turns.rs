//! Whose turn it is to hear of a publication, where workloads begin or cease to take mTLS.
//!
//! In: meshes before and after. Out: the turns of a publication; nearly always there is one, in which everybody hears of everything.
//!
//! A connection with mTLS to a server that does not take it yet, or no longer, breaks. So those that begin to take it hear of that before
//! their clients do, and those that cease after them: the next turn comes when the one before is acknowledged.

use super::{Publisher, state::State};
use mesh_model::{ChangeSet, Mesh, MtlsMode, PeerModes};
use pilot_xds::{
    layer::Layer,
    snapshot::{LAYERS, Snapshot},
    sync::{ProxyStatus, SyncTable},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a turn waits for acknowledgements: a proxy that hangs holds up the others no longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Envoy acknowledges a listener before its workers have it.
const UNTIL_IN_USE: Duration = Duration::from_millis(100);

/// Proxies whose workloads begin or cease to take mTLS with a publication.
#[derive(Debug, Default)]
pub struct Turns {
    begin: HashSet<u64>,
    cease: HashSet<u64>,
}

/// Who hears of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Those that begin to take mTLS, of what they take.
    Begin,
    /// Everybody, but those that cease to take mTLS of what they take.
    Clients,
    /// Everybody, of everything.
    All,
}

impl Turns {
    /// The proxies among those of `state`, which has the mesh after.
    pub fn new(old: &Mesh, state: &State, changes: &ChangeSet) -> Self {
        let mut turns = Self::default();
        if changes.peers.is_empty() {
            return turns;
        }
        let all = changes.peers.contains(&state.mesh.config().root_namespace);
        for (id, subscriber) in &state.proxies {
            let proxy = &subscriber.proxy;
            if proxy.has_identity && (all || changes.peers.contains(&proxy.namespace)) {
                let modes = |mesh: &Mesh| mesh.peer_modes(&proxy.namespace, &proxy.labels);
                let (before, after) = (modes(old), modes(&state.mesh));
                if takes_more(&before, &after) {
                    turns.begin.insert(*id);
                }
                if takes_more(&after, &before) {
                    turns.cease.insert(*id);
                }
            }
        }
        turns
    }

    fn in_order(&self) -> impl Iterator<Item = Turn> {
        let begin = (!self.begin.is_empty()).then_some(Turn::Begin);
        let clients = (!self.cease.is_empty()).then_some(Turn::Clients);
        begin.into_iter().chain(clients).chain([Turn::All])
    }

    /// What a proxy that had `newest` is to have in this turn, if all is done in the end when it has `layers`.
    pub fn layers<'a>(
        &self,
        turn: Turn,
        id: u64,
        newest: &'a Snapshot,
        layers: [&'a Arc<Layer>; LAYERS],
    ) -> [&'a Arc<Layer>; LAYERS] {
        let before = newest.layers.each_ref();
        let [scope, place, names, secrets, class] = layers;
        match turn {
            Turn::Begin if self.begin.contains(&id) => [before[0], before[1], before[2], before[3], class],
            Turn::Begin => before,
            Turn::Clients if self.cease.contains(&id) => [scope, place, names, secrets, before[4]],
            Turn::Clients | Turn::All => layers,
        }
    }
}

/// Whether mTLS is taken on a port with `after` where it is not with `before`.
fn takes_more(before: &PeerModes, after: &PeerModes) -> bool {
    let more = |before: MtlsMode, after: MtlsMode| before == MtlsMode::Disable && after != MtlsMode::Disable;
    let mut ports = before.ports.keys().chain(after.ports.keys());
    more(before.mode, after.mode) || ports.any(|port| more(before.on_port(*port), after.on_port(*port)))
}

impl Publisher {
    /// Publishes what `mesh` means, given what changed since the last one, to everybody at once. Returns the sequence number of the
    /// publication, which proxies acknowledge.
    pub fn publish(&self, mesh: Arc<Mesh>, changes: &ChangeSet, since: Instant) -> u64 {
        let mut state = self.lock();
        let turns = state.derive(mesh, changes);
        if !changes.is_empty() {
            state.send(since, &turns, Turn::All);
        }
        state.sequence
    }

    /// The same, in turns, of which each begins when `sync` says that the one before is acknowledged. When it returns everybody has been
    /// told of everything.
    pub async fn publish_in_turns(
        &self,
        mesh: Arc<Mesh>,
        changes: &ChangeSet,
        since: Instant,
        sync: &SyncTable,
    ) {
        if changes.peers.is_empty() {
            self.publish(mesh, changes, since);
            return;
        }
        let turns = self.lock().derive(mesh, changes);
        for turn in turns.in_order() {
            self.lock().send(since, &turns, turn);
            if turn != Turn::All {
                // Whoever does not answer in time has to do with being told as all are.
                let _ = tokio::time::timeout(PATIENCE, self.turn_acknowledged(sync)).await;
                tokio::time::sleep(UNTIL_IN_USE).await;
            }
        }
    }

    /// Resolves when those that the last publication told something new have acknowledged it, or have gone.
    async fn turn_acknowledged(&self, sync: &SyncTable) {
        let wanted = {
            let state = self.lock();
            let subscribers = state.proxies.values();
            let told = subscribers
                .filter(|subscriber| subscriber.snapshots.newest().sequence == state.sequence)
                .map(|subscriber| (subscriber.proxy.name.clone(), state.sequence));
            told.collect()
        };
        all_have(wanted, sync).await;
    }

    /// Resolves when every proxy that is connected now has acknowledged what it is meant to have now, or has gone. A proxy that hangs
    /// never does, so whoever waits sets a limit.
    pub async fn acknowledged(&self, sync: &SyncTable) {
        let wanted = sync.list().into_iter().filter_map(|status| {
            let sequence = self.snapshot(&status.proxy)?.sequence;
            Some((status.proxy, sequence))
        });
        all_have(wanted.collect(), sync).await;
    }
}

/// Resolves when each of these proxies has acknowledged its publication on one of its streams, or has none.
async fn all_have(wanted: HashMap<Arc<str>, u64>, sync: &SyncTable) {
    let met = |proxies: &[ProxyStatus]| {
        let wanted = proxies.iter().filter_map(|status| Some((status, wanted.get(&status.proxy)?)));
        let (have, lack): (Vec<_>, Vec<_>) =
            wanted.partition(|(status, sequence)| status.acked_sequence >= **sequence);
        let have: HashSet<_> = have.iter().map(|(status, _)| &status.proxy).collect();
        lack.iter().all(|(status, _)| have.contains(&status.proxy))
    };
    sync.wait_until_all(met).await;
}
