//! Requests without a pause, until told to stop.
//!
//! In: a URL and the HTTP proxy port of a sidecar. Out: what came of each request: nothing is tried again, and every answer
//! but 200 is told.

use super::Request;
use anyhow::Result;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::watch, task::JoinSet};

/// So many failures are shown; a thousand tell no more.
const SHOWN: usize = 10;

/// Requests that are being sent.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: watch::Receiver<usize>,
    workers: JoinSet<Outcome>,
}

/// What came of all requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were answered 200.
    pub ok: usize,
    /// How many were not.
    pub failed: usize,
    /// The first of those.
    pub failures: Vec<String>,
    /// Answers by version.
    pub versions: BTreeMap<String, usize>,
}

impl Load {
    /// Sends requests, so many at a time.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn start(proxy: SocketAddr, url: &str, at_a_time: usize) -> Result<Self> {
        let request = Request::get(url)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (count, sent) = watch::channel(0);
        let count = Arc::new(count);
        let mut workers = JoinSet::new();
        for _ in 0..at_a_time {
            let (request, stop, count) = (request.clone(), stop.clone(), count.clone());
            workers.spawn(async move {
                let mut outcome = Outcome::default();
                while !stop.load(Ordering::Relaxed) {
                    outcome.add(request.send(proxy).await);
                    count.send_modify(|count| *count += 1);
                }
                outcome
            });
        }
        Ok(Self { stop, sent, workers })
    }

    /// How many have been sent.
    pub fn sent(&self) -> usize {
        *self.sent.borrow()
    }

    /// Waits until so many have been sent.
    pub async fn reach(&self, count: usize) {
        // An error would mean that the workers have ended, but they end only when stopped.
        let _ = self.sent.clone().wait_for(|sent| *sent >= count).await;
    }

    /// Stops, and tells what came of it.
    ///
    /// # Errors
    /// When a worker panicked.
    pub async fn stop(mut self) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Outcome::default();
        while let Some(outcome) = self.workers.join_next().await {
            let Outcome { ok, failed, failures, versions } = outcome?;
            total.ok += ok;
            total.failed += failed;
            total.failures.extend(failures);
            for (version, count) in versions {
                *total.versions.entry(version).or_default() += count;
            }
        }
        total.failures.truncate(SHOWN);
        Ok(total)
    }
}

impl Outcome {
    fn add(&mut self, answer: Result<super::Answer>) {
        let failure = match answer {
            Ok(answer) if answer.status == 200 => {
                self.ok += 1;
                *self.versions.entry(answer.version().to_owned()).or_default() += 1;
                return;
            }
            Ok(answer) => answer.summary(),
            Err(error) => format!("{error:#}"),
        };
        self.failed += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(failure);
        }
    }
}
