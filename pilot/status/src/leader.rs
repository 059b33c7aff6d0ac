//! The leader at work: waits for news, decides, writes; stops as soon as another leads.

use crate::{
    addresses::allocate,
    decide::{Decider, Plan},
    objects::Objects,
    progress::Progress,
    registration::sweep::sweep,
    replicas::{Inquiries, Replicas, Speaker, share},
    writer::write,
};
use futures::StreamExt;
use kube::Client;
use mesh_lease::Candidate;
use mesh_model::Mesh;
use pilot_ingest::Report;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// Under which name the API server knows what we write.
pub const FIELD_MANAGER: &str = "meltemi";

/// The Lease of whoever writes.
pub const LEASE_NAME: &str = "meltemi-leader";

/// Writes at a time, and between two looks at what is due: with [`PAUSE`], the most that an API server is asked to take.
const AT_ONCE: usize = 4;
pub(crate) const BATCH: usize = 50;
pub(crate) const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether proxies have come, gone or refused something.
const TICK: Duration = Duration::from_millis(500);

/// Settings.
#[derive(Debug, Clone)]
pub struct StatusConfig {
    /// Who we are among the replicas.
    pub identity: String,
    /// How long a leader may be silent before another takes over.
    pub lease_duration: Duration,
}

/// What the status is made of.
pub struct Sources {
    /// The mesh as it is published.
    pub meshes: watch::Receiver<Arc<Mesh>>,
    /// What ingest says.
    pub reports: watch::Receiver<Arc<Report>>,
    /// Count of ingest's updates that are published.
    pub published: watch::Receiver<u64>,
    /// What the proxies of this replica have.
    pub progress: Arc<dyn Progress>,
}

/// Stands for election in `namespace` and, while elected, keeps statuses true. Ends after `end`, when the lease is given back. Whether
/// elected or not, it can be asked how far the proxies of all replicas are.
pub fn start(
    client: Client,
    namespace: &str,
    config: StatusConfig,
    sources: Sources,
    end: CancellationToken,
) -> (JoinHandle<()>, Inquiries) {
    let StatusConfig { identity, lease_duration } = config;
    let (sender, mut leading) = watch::channel(false);
    let speaker = Speaker {
        client: client.clone(),
        namespace: namespace.to_owned(),
        identity: identity.clone(),
        beat: lease_duration / 3,
        reports: sources.reports.clone(),
        published: sources.published.clone(),
    };
    let replicas = Replicas::new(sources.progress.clone(), lease_duration * 2);
    let candidate = Candidate::new(client.clone(), namespace, LEASE_NAME, identity.clone(), lease_duration);
    let inquiries = replicas.inquiries();
    let work = tokio::spawn(async move {
        let sharing = share(replicas.clone(), speaker, end.clone());
        let work = async {
            while leading.wait_for(|leads| *leads).await.is_ok() {
                let mut until = leading.clone();
                tokio::select! {
                    () = lead(&client, &sources, &replicas) => return,
                    () = allocate(&client, sources.meshes.clone()) => return,
                    () = sweep(&client, &replicas, &identity) => return,
                    _ = until.wait_for(|leads| !*leads) => {}
                }
                replicas.stand_back();
            }
        };
        tokio::join!(candidate.run(sender, end), work, sharing);
    });
    (work, inquiries)
}

/// Keeps statuses true until dropped, or until ingest ends.
async fn lead(client: &Client, sources: &Sources, progress: &Replicas) {
    let Sources { meshes: _, reports, published, progress: _ } = sources;
    let (mut reports, mut published) = (reports.clone(), published.clone());
    let mut tasks = JoinSet::new();
    let objects = Objects::watch(client, &mut tasks);
    let mut decider = Decider::new(Instant::now());
    loop {
        let report = reports.borrow_and_update().clone();
        // What a report speaks of is in effect when its update is published.
        if published.wait_for(|done| *done >= report.sequence).await.is_err() {
            return;
        }
        let (epoch, refusals) = (progress.epoch(), progress.refusals());
        let conflicts = progress.conflicts();
        let begun = Instant::now();
        let held = objects.lock().held.clone();
        let progress_of = progress.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let plan = decider.plan(&report, &held, &progress_of, begun);
            (decider, plan)
        });
        let Ok((returned, Plan { mut writes, again, follows_proxies })) = planned.await else { return };
        decider = returned;
        let cost = begun.elapsed();
        let more = writes.len() > BATCH;
        writes.truncate(BATCH);
        let wrote = !writes.is_empty();
        let made = futures::stream::iter(writes.into_iter().map(|due| async {
            let object = due.object.clone();
            (object, write(client, &objects, due).await)
        }));
        let ended: Vec<_> = made.buffer_unordered(AT_ONCE).collect().await;
        for (object, said) in ended {
            decider.wrote(&object, said, Instant::now());
        }
        // Looks cost what is published; under a flood of edits they take a tenth of a processor at most.
        let pause = if more { PAUSE } else { (cost * 10).min(PAUSE * 5) };
        tokio::time::sleep(pause).await;
        if more {
            continue;
        }
        let news = async {
            loop {
                tokio::time::sleep(TICK).await;
                let refused = progress.refusals() != refusals || progress.conflicts() != conflicts;
                if refused || (follows_proxies && progress.epoch() != epoch) {
                    return;
                }
            }
        };
        // A write shows in the watch, too; what it came to is looked at once.
        let again = if wrote { Some(again.unwrap_or(PAUSE)) } else { again };
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { return },
            () = objects.changed() => {}
            () = news => {}
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
    }
}
