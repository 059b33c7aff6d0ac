//! Where replicas read what the others say: the annotations of one Lease, one for each replica.
//!
//! In: an API server. Out: what the others say, heard; what this replica has to say, written at a bounded rate. A Lease, because the right to
//! make one is there for the leader's; each replica applies its own annotation and nobody waits for anybody. What a replica that is gone has
//! left the others take away.

use super::{Line, Replicas};
use crate::progress::Since;
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::{ObjectRef, Str};
use pilot_ingest::Report;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// The Lease whose annotations say how far each replica's proxies are.
pub const BOARD_NAME: &str = "meltemi-replicas";

/// Before the name of a replica.
const PREFIX: &str = "replica.meltemi.io/";
/// What a name after the prefix may be long.
const NAME: usize = 63;
/// Between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether own proxies have got on.
const TICK: Duration = Duration::from_millis(500);

/// What an own line is made of.
pub(crate) struct Speaker {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) identity: String,
    /// How often a line is written again at least.
    pub(crate) beat: Duration,
    pub(crate) reports: watch::Receiver<Arc<Report>>,
    pub(crate) published: watch::Receiver<u64>,
}

/// Hears the others and speaks to them until `end`.
pub(crate) async fn share(replicas: Replicas, speaker: Speaker, end: CancellationToken) {
    let name = name(&speaker.identity);
    let api: Api<Lease> = Api::namespaced(speaker.client.clone(), &speaker.namespace);
    let limit = speaker.beat;
    tokio::select! {
        () = hear(&replicas, &api, &name) => {}
        () = speak(&replicas, &api, &name, speaker) => {}
        () = end.cancelled() => {}
    }
    // Best effort: else the others wait until the line has expired.
    let _ = timeout(limit, take_away(&api, std::slice::from_ref(&name))).await;
}

async fn hear(replicas: &Replicas, api: &Api<Lease>, own: &str) {
    let config = watcher::Config::default().fields(&format!("metadata.name={BOARD_NAME}"));
    let mut events = watcher(api.clone(), config).default_backoff().boxed();
    let mut listed: Option<Lease> = None;
    while let Some(event) = events.next().await {
        let now = Instant::now();
        match event {
            Ok(watcher::Event::Init) => listed = None,
            Ok(watcher::Event::InitApply(board)) => listed = Some(board),
            Ok(watcher::Event::InitDone) => {
                let lines = listed.take().map(|board| lines(&board)).unwrap_or_default();
                replicas.read(own, lines, true, now);
            }
            Ok(watcher::Event::Apply(board)) => replicas.read(own, lines(&board), false, now),
            Ok(watcher::Event::Delete(_)) => replicas.read(own, BTreeMap::new(), false, now),
            Err(error) => {
                tracing::debug!(%error, lease = BOARD_NAME, "hearing other replicas");
                replicas.cannot_read(&error.to_string());
            }
        }
    }
}

fn lines(board: &Lease) -> BTreeMap<Str, Str> {
    let annotations = board.metadata.annotations.iter().flatten();
    let of_replicas = annotations.filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?, text)));
    of_replicas.map(|(name, text)| (name.into(), text.as_str().into())).collect()
}

async fn speak(replicas: &Replicas, api: &Api<Lease>, name: &str, speaker: Speaker) {
    let Speaker { client: _, namespace: _, identity: _, beat: period, mut reports, mut published } = speaker;
    let mut known: BTreeMap<ObjectRef, Since> = BTreeMap::new();
    let mut said: Option<(Line, Instant)> = None;
    let mut beat = 0;
    let mut warned = false;
    // What the last look was made of.
    let mut seen = None;
    let mut current = Line::default();
    let mut moving = true;
    loop {
        let report = reports.borrow_and_update().clone();
        if published.wait_for(|done| *done >= report.sequence).await.is_err() {
            return;
        }
        let own = &replicas.own;
        let basis = (report.sequence, own.epoch(), own.refusals(), own.conflicts(), replicas.asked());
        let begun = Instant::now();
        if moving || seen.as_ref() != Some(&basis) {
            let (of, mut of_known) = (replicas.clone(), std::mem::take(&mut known));
            let look = tokio::task::spawn_blocking(move || {
                let (line, moving) = of.line(&report, &mut of_known);
                (line, moving, of_known)
            });
            let Ok(looked) = look.await else { return };
            (current, moving, known) = looked;
            seen = Some(basis);
        } else {
            // Questions of our own need no look.
            current.asks.clone_from(&replicas.lock().asks.current);
        }
        let cost = begun.elapsed();
        let due = said.as_ref().is_none_or(|(said, at)| *said != current || at.elapsed() >= period);
        if due {
            beat += 1;
            let line = Line { beat, ..current.clone() };
            match timeout(period, write(api, name, &line)).await {
                Ok(Ok(())) => (said, warned) = (Some((current.clone(), Instant::now())), false),
                Ok(Err(error)) if !std::mem::replace(&mut warned, true) => {
                    tracing::warn!(%error, lease = BOARD_NAME, "cannot tell other replicas how far proxies are");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            let gone = replicas.gone(Instant::now());
            if !gone.is_empty() {
                // Another replica may be first, and so may they: then they write it again.
                let _ = timeout(period, take_away(api, &gone)).await;
            }
            tokio::time::sleep(PAUSE.min(period / 3)).await;
        }
        // Looks cost what is published; under a flood of edits they take a tenth of a processor at most.
        tokio::time::sleep((cost * 10).min(PAUSE * 5)).await;
        tokio::select! {
            () = replicas.news.notified() => {}
            () = tokio::time::sleep(TICK.min(period / 3)) => {}
        }
    }
}

async fn write(api: &Api<Lease>, name: &str, line: &Line) -> Result<(), kube::Error> {
    let text = serde_json::to_string(line).map_err(kube::Error::SerdeError)?;
    let key = format!("{PREFIX}{name}");
    let board = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": BOARD_NAME, "annotations": { key: text } },
    });
    let params = PatchParams::apply(&format!("meltemi-replica-{name}")).force();
    api.patch_metadata(BOARD_NAME, &params, &Patch::Apply(board)).await.map(drop)
}

async fn take_away(api: &Api<Lease>, names: &[Str]) -> Result<(), kube::Error> {
    let keys = names.iter().map(|name| (format!("{PREFIX}{name}"), Value::Null));
    let annotations: serde_json::Map<String, Value> = keys.collect();
    let patch = json!({ "metadata": { "annotations": annotations } });
    let params = PatchParams { field_manager: Some(BOARD_NAME.into()), ..PatchParams::default() };
    api.patch_metadata(BOARD_NAME, &params, &Patch::Merge(patch)).await.map(drop)
}

/// A replica's name as an annotation may be called.
pub(crate) fn name(identity: &str) -> Str {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = [identity.bytes().next(), identity.bytes().last()];
    let begun = ends.iter().all(|byte| byte.is_some_and(|byte| byte.is_ascii_alphanumeric()));
    if begun && identity.len() <= NAME && identity.bytes().all(fits) {
        return identity.into();
    }
    let mut hasher = DefaultHasher::new();
    identity.hash(&mut hasher);
    format!("replica-{:016x}", hasher.finish()).into()
}
