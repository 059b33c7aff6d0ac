//! Whether a workload outside Kubernetes is well: what a kubelet finds out of a pod, its agent does, and tells the control plane.
//!
//! In: `readinessProbe` of the proxy's settings, as `istioctl x workload entry configure` copies it from a WorkloadGroup's `probe`. Out: what
//! the workload is like, when that changes. As in Istio nothing is said before the first threshold is reached.

mod written;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use http::HeaderMap;
use tokio::{
    net::lookup_host,
    process::Command,
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::probes::{self, Action};
pub use written::ProbeError;

/// What is known of a workload; `None`: nothing yet.
pub type Known = Option<Result<(), String>>;

/// A probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    check: Check,
    /// How long nothing is asked at first.
    initial_delay: Duration,
    period: Duration,
    /// For one answer.
    timeout: Duration,
    /// So many in a row make it well, or unwell.
    successes: u32,
    failures: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Check {
    /// Asked at a host, that of the machine if there is none.
    Ask { action: Action, host: Option<String>, headers: HeaderMap },
    /// A program, which ends with 0.
    Run { command: Vec<String> },
}

impl Probe {
    /// Reads what is written.
    ///
    /// # Errors
    /// When it is no probe.
    pub fn parse(written: &serde_json::Value) -> Result<Self, ProbeError> {
        written::parse(written)
    }

    /// Asks the workload again and again until nobody wants to know, or this is dropped.
    pub async fn watch(self, known: watch::Sender<Known>) {
        let Self { check, initial_delay, period, timeout, successes, failures } = self;
        sleep(initial_delay).await;
        let mut period = interval(period);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut well, mut unwell) = (0, 0);
        while !known.is_closed() {
            period.tick().await;
            let outcome = check.once(timeout).await;
            (well, unwell) = if outcome.is_ok() { (well + 1, 0) } else { (0, unwell + 1) };
            let (reached, was_well) = {
                let known = known.borrow();
                let was_well = known.as_ref().map(Result::is_ok);
                (well >= successes || unwell >= failures, was_well)
            };
            if reached && was_well != Some(outcome.is_ok()) {
                tracing::info!(?outcome, "the workload is otherwise than before");
                known.send_replace(Some(outcome));
            }
        }
    }
}

impl Check {
    async fn once(&self, patience: Duration) -> Result<(), String> {
        match self {
            Self::Ask { action, host, headers } => {
                let address = match host {
                    None => Ipv4Addr::LOCALHOST.into(),
                    Some(host) => resolve(host).await?,
                };
                probes::ask(address, action, headers, patience).await
            }
            Self::Run { command } => run(command, patience).await,
        }
    }
}

async fn resolve(host: &str) -> Result<IpAddr, String> {
    let found = lookup_host((host, 0)).await.map_err(|error| format!("{host}: {error}"))?;
    let mut found = found;
    found.next().map(|address| address.ip()).ok_or_else(|| format!("{host} has no address"))
}

async fn run(command: &[String], patience: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Err("there is no command".into()) };
    let mut run = Command::new(program);
    run.args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = timeout(patience, run.output()).await;
    let output = output.map_err(|_| format!("{program} does not end within {patience:?}"))?;
    let output = output.map_err(|error| format!("{program} can't be run: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", output.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_command_says_how_it_is_and_only_differences_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("well");
        let path = file.to_str().unwrap();
        let written = json!({ "exec": { "command": ["/bin/test", "-e", path] }, "failureThreshold": 1 });
        let mut probe = Probe::parse(&written).unwrap();
        probe.period = Duration::from_millis(5);
        let (known, mut heard) = watch::channel(None);
        let watching = tokio::spawn(probe.watch(known));
        for well in [false, true, false] {
            match well {
                true => std::fs::write(&file, "").unwrap(),
                false => drop(std::fs::remove_file(&file)),
            }
            heard.changed().await.unwrap();
            let said = heard.borrow_and_update().clone();
            assert_eq!(said.as_ref().map(Result::is_ok), Some(well), "{said:?}");
        }
        watching.abort();
    }
}
