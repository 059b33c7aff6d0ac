//! Which replica leads: a Lease, as Kubernetes' own controllers hold it.
//!
//! In: a client and who we are. Out: whether we lead, now and from now on. Clocks are never compared between machines: a lease has
//! expired when it has not changed for its duration while we watched.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::ObjectMeta, api::PostParams};
use std::time::{Duration, Instant};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// Who stands for election.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    /// What the Lease was when it last changed, and when we saw that.
    seen: Option<(LeaseSpec, Instant)>,
}

/// What an attempt came to.
enum Outcome {
    /// It is ours.
    Ours,
    /// It is another's.
    Theirs,
}

impl Candidate {
    /// Stands for election for the Lease `name` of `namespace`, as `identity`; a leader may be silent for `duration`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: String, duration: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            duration,
            seen: None,
        }
    }

    /// Tries until `end`, then gives the lease back, so that the next leader need not wait.
    pub async fn run(mut self, leading: watch::Sender<bool>, end: CancellationToken) {
        let period = self.duration / 3;
        let mut renewed: Option<Instant> = None;
        let mut told = false;
        loop {
            let begun = Instant::now();
            // A call that hangs must not outlast the lease.
            match timeout(period, self.attempt()).await {
                Ok(Ok(Outcome::Ours)) => renewed = Some(begun),
                Ok(Ok(Outcome::Theirs)) => renewed = None,
                Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                    tracing::debug!("somebody else wrote the lease first");
                }
                Ok(Err(error)) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%error, lease = self.name, "cannot reach the lease: not leading meanwhile");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            let leads = renewed.is_some_and(|at| at.elapsed() < period * 2);
            told &= !leads;
            self.set(&leading, leads);
            // Others look at it as often as its holder renews it.
            let pause = if leads { period } else { period / 2 };
            tokio::select! {
                () = tokio::time::sleep(pause.saturating_sub(begun.elapsed())) => {}
                () = end.cancelled() => break,
            }
        }
        self.set(&leading, false);
        if renewed.is_some() {
            // Best effort: without it the lease runs out.
            let _ = timeout(period, self.release()).await;
        }
    }

    async fn attempt(&mut self) -> Result<Outcome, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let spec = self.spec(&now, &now, 0);
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            self.api.create(&PostParams::default(), &Lease { metadata, spec: Some(spec) }).await?;
            return Ok(Outcome::Ours);
        };
        let held = lease.spec.clone().unwrap_or_default();
        let holder = held.holder_identity.clone().unwrap_or_default();
        let ours = holder == self.identity;
        if !ours && !holder.is_empty() && !self.has_expired(&held) {
            return Ok(Outcome::Theirs);
        }
        let acquired = held.acquire_time.clone().filter(|_| ours).unwrap_or_else(|| now.clone());
        let transitions = held.lease_transitions.unwrap_or(0) + i32::from(!ours);
        lease.spec = Some(self.spec(&acquired, &now, transitions));
        // The resource version makes this fail when anybody else wrote it meanwhile.
        self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        Ok(Outcome::Ours)
    }

    /// Whether its holder has let it run out while we looked on.
    fn has_expired(&mut self, held: &LeaseSpec) -> bool {
        match &self.seen {
            Some((seen, at)) if seen == held => {
                let promised = held.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
                at.elapsed() > promised.map_or(self.duration, Duration::from_secs)
            }
            _ => {
                self.seen = Some((held.clone(), Instant::now()));
                false
            }
        }
    }

    fn spec(&self, acquired: &MicroTime, renewed: &MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            acquire_time: Some(acquired.clone()),
            renew_time: Some(renewed.clone()),
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs().max(1)).ok(),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
        let Some(spec) = lease.spec.as_mut() else { return Ok(()) };
        if spec.holder_identity.as_ref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }

    fn set(&self, leading: &watch::Sender<bool>, leads: bool) {
        let changed = leading.send_if_modified(|before| std::mem::replace(before, leads) != leads);
        if changed {
            tracing::info!(leads, lease = self.name, identity = self.identity, "election");
        }
    }
}
