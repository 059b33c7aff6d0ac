//! Makes reports beside the road that changes travel.
//!
//! In: snapshots, as they come. Out: the newest report, whenever it says something else. The edit that asks for a report is just then on its way to
//! every proxy: a thread of the lowest priority makes it, so that on a busy processor proxies come first.

use crate::{
    defect::guard,
    report::{LivedReport, Report, Snapshot},
};
use futures::executor::block_on;
use std::{io, sync::Arc, thread, time::Duration};
use tokio::sync::watch;

/// The lowest that there is. The thread still gets a share of a processor on which others always have work.
const NICENESS: i32 = 19;

/// How long it rests after a report, in times that the report took: under a flood of edits they take a tenth of a processor at most.
const REST: u32 = 10;
/// It rests no longer than this, however big the mesh is.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Follows `snapshots` until there are no more.
pub(crate) fn start(snapshots: watch::Receiver<Snapshot>) -> io::Result<watch::Receiver<Arc<Report>>> {
    let (newest, reports) = watch::channel(Arc::<Report>::default());
    let make = move || {
        // Of this thread only, as Linux has it. Without the right to it reports are made all the same.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "reports are made at normal priority");
        }
        follow(snapshots, &newest);
    };
    thread::Builder::new().name("reports".to_owned()).spawn(make)?;
    Ok(reports)
}

fn follow(mut snapshots: watch::Receiver<Snapshot>, newest: &watch::Sender<Arc<Report>>) {
    let mut lived = LivedReport::default();
    while block_on(snapshots.changed()).is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        let begin = processor_time();
        match guard(|| lived.follow(&snapshot)) {
            Ok(Some(report)) => drop(newest.send_replace(Arc::new(report))),
            Ok(None) => {}
            // The last report stays. What it had found out may be half of it.
            Err(_) => lived = LivedReport::default(),
        }
        // By the processor's clock: waiting for its turn is no work.
        let spent = processor_time().saturating_sub(begin);
        thread::sleep((spent * REST).min(LONGEST_REST));
    }
}

/// Of this thread so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
