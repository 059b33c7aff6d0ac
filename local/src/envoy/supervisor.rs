//! In: what to run. Out: a process that is started again, ever more slowly, when it ends, and its published state.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use meltemi_agent::{
    Agent, Identity,
    envoy::{CommandLine, command::FLUSH_INTERVAL, process::terminate},
};
use tokio::{
    process::Child,
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    EnvoyError, EnvoySettings, SidecarSpec, SidecarState, Spawner, admin, agent, bootstrap::build_bootstrap,
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One that ran this long has recovered: the next failure is a new one.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);
/// How often a starting Envoy is asked whether it has its configuration.
const READY_INTERVAL: Duration = Duration::from_millis(50);
/// Envoy ends at once when it is told to; one that does not is stuck.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a listener that changed goes on with its connections.
const DRAIN: Duration = Duration::from_secs(600);
/// How long requests that are under way may take to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is asked whether they have.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);
/// How much of the end of the log is searched for the reason of an exit.
const LOG_TAIL: u64 = 8 << 10;

pub(super) struct Supervisor {
    pub(super) spec: SidecarSpec,
    pub(super) settings: Arc<EnvoySettings>,
    pub(super) spawner: Spawner,
    pub(super) state: watch::Sender<SidecarState>,
    pub(super) spiffe_id: watch::Sender<Option<Arc<str>>>,
    pub(super) changes: Arc<watch::Sender<u64>>,
}

impl Supervisor {
    /// Runs until `stopped` resolves.
    pub(super) async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut pause = FIRST_PAUSE;
        // Outlives the Envoys: a new one finds its certificate and its configuration here.
        let mut agent = None;
        loop {
            self.publish(SidecarState::Starting);
            let started = Instant::now();
            let reason = match self.launch(&mut agent).await {
                Err(error) => error.to_string(),
                Ok(mut child) => {
                    tokio::select! {
                        reason = self.attend(&mut child) => reason,
                        _ = &mut stopped => {
                            let _ = timeout(DRAIN_TIMEOUT, drained(self.spec.admin())).await;
                            return terminate(child, TERMINATE_TIMEOUT).await;
                        }
                    }
                }
            };
            tracing::warn!(pod = %self.spec.identity.pod, %reason, "an Envoy ended and is started again");
            self.publish(SidecarState::Down { reason });
            if started.elapsed() >= RECOVERED_AFTER {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut stopped => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn publish(&self, state: SidecarState) {
        self.state.send_replace(state);
        self.changes.send_modify(|count| *count += 1);
    }

    fn directory(&self) -> PathBuf {
        let identity = &self.spec.identity;
        self.settings.run_directory.join(format!("{}.{}", identity.pod, identity.namespace))
    }

    async fn launch(&self, agent: &mut Option<Agent>) -> Result<Child, EnvoyError> {
        let directory = self.directory();
        fs::create_dir_all(&directory).map_err(EnvoyError::write(&directory))?;
        if let (None, Some(agents)) = (&agent, &self.settings.agents) {
            let started = agent::start(agents, &self.spec, &self.settings, &directory).await?;
            tokio::spawn(tell(started.identity(), self.spiffe_id.clone(), self.changes.clone()));
            *agent = Some(started);
        }
        let bootstrap = match agent {
            Some(agent) => agent.bootstrap().to_path_buf(),
            None => {
                let bootstrap = directory.join("bootstrap.json");
                let json = build_bootstrap(&self.spec, &self.settings);
                fs::write(&bootstrap, format!("{json:#}\n")).map_err(EnvoyError::write(&bootstrap))?;
                bootstrap
            }
        };
        let log_path = directory.join("envoy.log");
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(EnvoyError::write(&log_path))?;
        let log_too = log.try_clone().map_err(EnvoyError::write(&log_path))?;

        let start = &self.spec.start;
        let line = CommandLine {
            binary: self.settings.binary.clone(),
            // One worker is plenty for a laptop. Zero is as many as there are processors.
            concurrency: Some(start.concurrency.unwrap_or(1)).filter(|count| *count > 0),
            log_level: "warning".to_owned(),
            // A line for each use of a deprecated field: nothing that the reader of a log can do anything about.
            component_log_level: "misc:error".to_owned(),
            drain: DRAIN,
            flush_interval: start
                .flush_interval
                .map_or(FLUSH_INTERVAL, |it| Duration::from_nanos(it.as_nanos())),
            flush_size: start.flush_size,
            only_ipv6: self.spec.pod_address.is_ipv6(),
        };
        let mut command = line.command(&bootstrap);
        // Envoy alone: the agent is a task of this process.
        command.envs(start.environment.iter().map(|(name, value)| (&**name, &**value)));
        command.stdin(Stdio::null()).stdout(log).stderr(log_too);
        let spawned = self.spawner.spawn(command).await;
        spawned.map_err(|source| EnvoyError::Run { binary: self.settings.binary.clone(), source })
    }

    /// Publishes `Ready` when it is, and says how the process ended when it does.
    async fn attend(&self, child: &mut Child) -> String {
        let ready = async {
            while !admin::is_ready(self.spec.admin()).await {
                sleep(READY_INTERVAL).await;
            }
        };
        let ended = tokio::select! {
            ended = child.wait() => ended,
            () = ready => {
                self.publish(SidecarState::Ready);
                child.wait().await
            }
        };
        let ended = match ended {
            Ok(status) => format!("ended with {status}"),
            Err(error) => format!("could not be waited for: {error}"),
        };
        match complaint(&self.directory().join("envoy.log")) {
            Some(complaint) => format!("{ended}: {complaint}"),
            None => ended,
        }
    }
}

/// Publishes as whom a workload has a certificate, for as long as its agent runs.
async fn tell(
    mut identity: watch::Receiver<Option<Identity>>,
    told: watch::Sender<Option<Arc<str>>>,
    changes: Arc<watch::Sender<u64>>,
) {
    loop {
        let id =
            identity.borrow_and_update().as_ref().and_then(|held| held.credential.facts().workload().ok());
        let id: Option<Arc<str>> = id.map(|id| id.to_string().into());
        let differs = told.send_if_modified(|held| std::mem::replace(held, id.clone()) != id);
        if differs {
            changes.send_modify(|count| *count += 1);
        }
        if identity.changed().await.is_err() {
            return;
        }
    }
}

/// Resolves when no client has a connection to its workload: other sidecars close theirs when they hear that it goes, after the last
/// answer. Twice, because one may be yet to arrive. An Envoy that does not answer has none to end well.
async fn drained(admin: SocketAddr) {
    let mut idle = 0;
    while idle < 2 {
        match admin::active_connections(admin).await {
            Ok(0) => idle += 1,
            Ok(_) => idle = 0,
            Err(_) => return,
        }
        sleep(DRAIN_INTERVAL).await;
    }
}

/// The last thing of weight that Envoy wrote before it ended.
fn complaint(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let grave = |line: &&str| line.contains("[critical]") || line.contains("[error]");
    let line = tail.lines().rev().find(grave)?;
    // `[time][thread][level][logger] [file:line] text`
    Some(line.rsplit_once("] ").map_or(line, |(_, text)| text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_grave_line() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("envoy.log");
        assert_eq!(complaint(&log), None);
        let text = "[2026-11-23 08:00:00.000][1][critical][main] [source/server/server.cc:414] error `x` initializing\n\
                    [2026-11-23 08:00:00.000][1][info][main] [source/server/server.cc:1015] exiting\n";
        fs::write(&log, text).unwrap();
        assert_eq!(complaint(&log).unwrap(), "error `x` initializing");
    }
}
