//! Whether a replica is ready: as a kubelet would find out, by probes of its containers and of its Envoy.
//!
//! In: a workload, and how its sidecar is doing. Out: its name in the set of those that are ready, or not. Without a probe an application is
//! ready once its ports take connections. It must not know who reads the set.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use meltemi_agent::probes::{self, Action, HttpGet};
use mesh_model::{LocalPort, NamespacedName, Probe, ProbeCheck, Protocol, Workload};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::envoy::SidecarState;

/// How often the ports of a workload without probes are tried until they take connections: at first, and later.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Until a port of this machine takes a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The names of the replicas that are ready, and whoever waits for them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadySet(Arc<watch::Sender<Arc<BTreeSet<NamespacedName>>>>);

impl Default for ReadySet {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

impl ReadySet {
    /// The names now, and later.
    pub fn subscribe(&self) -> watch::Receiver<Arc<BTreeSet<NamespacedName>>> {
        self.0.subscribe()
    }

    /// Whether a replica is among them.
    pub fn contains(&self, name: &NamespacedName) -> bool {
        self.0.borrow().contains(name)
    }

    pub(crate) fn set(&self, name: &NamespacedName, ready: bool) {
        self.0.send_if_modified(|names| {
            let differs = names.contains(name) != ready;
            if differs {
                let names = Arc::make_mut(names);
                if ready {
                    names.insert(name.clone())
                } else {
                    names.remove(name)
                };
            }
            differs
        });
    }
}

/// What is asked of an application, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessSpec {
    /// Where the application listens.
    pub application: IpAddr,
    /// Its ports.
    pub ports: Vec<LocalPort>,
    /// Its probes.
    pub probes: Vec<Probe>,
}

impl ReadinessSpec {
    /// What is asked of `workload`; `None` unless Meltemi runs that workload.
    pub fn of(workload: &Workload) -> Option<Self> {
        let local = workload.local.as_ref()?;
        let (ports, probes) = (local.ports.clone(), local.probes.clone());
        Some(Self { application: local.application, ports, probes })
    }
}

/// A replica that is being asked. Dropped, it is not ready, whatever it says.
#[derive(Debug)]
pub(crate) struct Readiness {
    spec: ReadinessSpec,
    name: NamespacedName,
    set: ReadySet,
    // Aborted when dropped.
    tasks: JoinSet<()>,
}

impl Drop for Readiness {
    fn drop(&mut self) {
        // The task first: it could add the name again.
        self.tasks.abort_all();
        self.set.set(&self.name, false);
    }
}

impl Readiness {
    /// Begins to ask.
    pub(crate) fn start(
        spec: ReadinessSpec,
        name: NamespacedName,
        sidecar: watch::Receiver<SidecarState>,
        set: ReadySet,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let ReadinessSpec { application, ports, probes } = spec.clone();
        let mut answers = Vec::new();
        for probe in probes {
            let (answer, answers_of_it) = watch::channel(false);
            answers.push(answers_of_it);
            tasks.spawn(ask(application, probe, answer));
        }
        if answers.is_empty() {
            let (answer, answers_of_it) = watch::channel(false);
            answers.push(answers_of_it);
            tasks.spawn(connect(application, ports, answer));
        }
        tasks.spawn(join(name.clone(), sidecar, answers, set.clone()));
        Self { spec, name, set, tasks }
    }

    pub(crate) fn spec(&self) -> &ReadinessSpec {
        &self.spec
    }
}

/// Ready is what has an Envoy that is, and an application that says so in every answer.
async fn join(
    name: NamespacedName,
    mut sidecar: watch::Receiver<SidecarState>,
    mut answers: Vec<watch::Receiver<bool>>,
    set: ReadySet,
) {
    loop {
        let ready = *sidecar.borrow_and_update() == SidecarState::Ready;
        // Each is looked at, so that only what changes from now on wakes this up.
        let unwell =
            answers.iter_mut().map(|answer| *answer.borrow_and_update()).filter(|well| !well).count();
        set.set(&name, ready && unwell == 0);
        let changed = answers.iter_mut().map(|answer| Box::pin(answer.changed()));
        tokio::select! {
            Ok(()) = sidecar.changed() => {}
            (Ok(()), ..) = futures::future::select_all(changed) => {}
            // Nobody is left who could change anything.
            else => return,
        }
    }
}

/// Until every port takes connections.
async fn connect(application: IpAddr, ports: Vec<LocalPort>, answer: watch::Sender<bool>) {
    let mut pause = FIRST_PAUSE;
    for LocalPort { number, protocol } in ports {
        let check = Action::TcpSocket { port: number };
        while protocol != Protocol::Udp
            && probes::ask(application, &check, &HeaderMap::new(), CONNECT_WITHIN).await.is_err()
        {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    answer.send_replace(true);
    // What says so stays: a process that ends takes its Envoy along.
    answer.closed().await;
}

/// As a kubelet does it.
async fn ask(application: IpAddr, probe: Probe, answer: watch::Sender<bool>) {
    let Probe { check, initial_delay, period, timeout, successes, failures } = probe;
    sleep(initial_delay).await;
    let mut period = interval(period);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut well, mut unwell) = (0, 0);
    loop {
        period.tick().await;
        let asked = match action(&check) {
            Ok((action, headers)) => probes::ask(application, &action, &headers, timeout).await,
            Err(reason) => Err(reason),
        };
        (well, unwell) = match asked {
            Ok(()) => (well + 1, 0),
            Err(reason) => {
                tracing::debug!(%application, reason, "a readiness probe failed");
                (0, unwell + 1)
            }
        };
        answer.send_if_modified(|ready| {
            let now = if *ready { unwell < failures } else { well >= successes };
            std::mem::replace(ready, now) != now
        });
    }
}

fn action(check: &ProbeCheck) -> Result<(Action, HeaderMap), String> {
    let mut map = HeaderMap::new();
    let action = match check {
        // What stands in for the application has no certificate: that it listens is all there is to ask.
        ProbeCheck::HttpGet { path: _, port, tls: true, headers: _ } => Action::TcpSocket { port: *port },
        ProbeCheck::HttpGet { path, port, tls: false, headers } => {
            for (name, value) in headers {
                let name = name.parse::<HeaderName>().map_err(|error| error.to_string())?;
                map.insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
            }
            Action::HttpGet(HttpGet::new(path, *port, None)?)
        }
        ProbeCheck::TcpSocket { port } => Action::TcpSocket { port: *port },
        ProbeCheck::Grpc { port, service } => Action::Grpc { port: *port, service: service.to_string() },
    };
    Ok((action, map))
}
