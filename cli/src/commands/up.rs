//! `meltemi up DIR`: a whole mesh on this machine. The control plane reads DIR; what stands on the workloads in it is run
//! here, too: an echo application and an Envoy for each replica.

mod hints;
mod identities;
mod numbers;
mod run_directory;
mod view;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use identities::Identities;
use meltemi_local::{directory::Directory, envoy::EnvoySettings, mesh::LocalMesh};
use mesh_model::Mesh;
use mesh_runtime::{drain::Hold, logging};
use numbers::Numbers;
use pilot::{Config, Pilot, SourceConfig};
use run_directory::RunDirectory;
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    args::{self, LoggingArgs, UpArgs},
    envoy_binary,
    live::{Live, Row, Snapshot},
    serving::{self, Parts, Serving},
};

/// How often acknowledgements and numbers are looked at. Everything else is shown when it happens.
const TICK: Duration = Duration::from_millis(250);
/// Until all proxies have heard of a change; it takes them milliseconds.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// Envoys end at once; this is for one that is stuck.
const END_WITHIN: Duration = Duration::from_secs(10);

pub async fn run(args: UpArgs, logging: LoggingArgs) -> Result<ExitCode> {
    let UpArgs {
        path,
        no_workloads,
        envoy,
        run_dir,
        once_ready,
        grpc_addr,
        secure_grpc_addr,
        monitoring_addr,
        mesh_config,
        domain,
    } = args;
    ensure!(path.exists(), "there is no file or directory {}", path.display());
    let grpc_address =
        grpc_addr.socket().context("--grpc-addr is empty, but the Envoys need an address to ask")?;
    let secure_address = secure_grpc_addr
        .socket()
        .context("--secure-grpc-addr is empty, but workloads need an address to get certificates from")?;
    let live = Live::new();
    let run_directory = RunDirectory::new(run_dir)?;
    start_log(&logging, live.is_watched().then_some(run_directory.path()))?;
    let binary = match no_workloads {
        true => None,
        false => Some(tokio::task::spawn_blocking(move || envoy_binary::find(envoy.as_deref())).await??),
    };

    let directory = Directory::default();
    let config = Config {
        grpc_address,
        mesh_config,
        domain: domain.clone(),
        // Where nothing is run here, somebody else runs it.
        ready: (!no_workloads).then(|| directory.ready().subscribe()),
        ..Config::new(SourceConfig::Files(path.clone()))
    };
    let identities = Identities::bind(secure_address).await?;
    let mut parts = Parts { debug: directory.router(), open: identities.routes(), ..Parts::default() };
    let metrics = citadel::Metrics::register(parts.metrics.registry());
    let ready = parts.readiness.handle("the certificate authority");
    let serving = serving::start(config, monitoring_addr.socket(), parts).await?;
    let agents = identities.serve(&serving, metrics, ready, run_directory.path()).await?;
    if let Some(binary) = binary {
        let settings = EnvoySettings {
            binary,
            xds: serving.pilot.grpc_address(),
            agents: Some(agents),
            run_directory: run_directory.path().to_path_buf(),
            cluster_id: "Kubernetes".to_owned(),
            domain,
        };
        let local = LocalMesh::new(settings, directory.clone())?;
        tokio::spawn(follow(local, serving.pilot.clone(), serving.drain.hold("workloads")));
    }
    let shown = Shown { path: &path, directory, has_workloads: !no_workloads, once_ready };
    shown.show(live, serving, run_directory.path()).await?;
    Ok(ExitCode::SUCCESS)
}

/// On a terminal that is drawn on, log lines would be in the way.
fn start_log(args: &LoggingArgs, directory: Option<&Path>) -> Result<()> {
    let LoggingArgs { log, log_format } = args;
    let filter = log.as_deref().unwrap_or("warn");
    match directory {
        None => logging::init(*log_format, filter)?,
        Some(directory) => {
            let path = directory.join("meltemi.log");
            let file =
                std::fs::File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
            logging::init_file(*log_format, filter, file)?;
        }
    }
    Ok(())
}

/// Makes what runs equal to what the newest mesh wants, until the end. Proxies hear of it first: they have to stop sending
/// requests to a replica before it goes.
async fn follow(mut local: LocalMesh, pilot: Pilot, hold: Hold) {
    let mut mesh = pilot.mesh();
    let mut end = std::pin::pin!(hold.signaled());
    loop {
        let newest = mesh.borrow_and_update().clone();
        // A proxy that hangs must not keep replicas running, nor new ones from starting.
        let _ = tokio::time::timeout(HEARD_WITHIN, pilot.acknowledged()).await;
        local.apply(&newest).await;
        tokio::select! {
            () = &mut end => break,
            Ok(()) = mesh.changed() => {}
        }
    }
    local.stop().await;
}

/// What the screen is about.
struct Shown<'a> {
    path: &'a Path,
    directory: Directory,
    has_workloads: bool,
    once_ready: bool,
}

impl Shown<'_> {
    /// Shows how things are until the process is asked to end, or, with `--once-ready`, until they are as they should be;
    /// then ends everything.
    async fn show(self, mut live: Live, mut serving: Serving, run_directory: &Path) -> Result<()> {
        let title = self.title(&serving, run_directory);
        let options = self.options(&serving);
        let pilot = serving.pilot.clone();
        let (mut mesh, mut reports) = (pilot.mesh(), pilot.reports());
        let mut changes = self.directory.changes();
        let mut numbers = Numbers::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Before looking, so that nothing is missed in between.
            mesh.mark_unchanged();
            reports.mark_unchanged();
            changes.mark_unchanged();
            let mut snapshot = view::snapshot(&pilot, self.directory.entries(), &title, &options);
            if live.is_watched() {
                numbers.fill(&mut snapshot.rows).await;
            }
            let ready = self.once_ready && *pilot.published().borrow() > 0 && self.is_ready(&snapshot, &mesh);
            live.show(snapshot)?;
            if ready {
                break;
            }
            tokio::select! {
                () = serving.asked_to_end() => break,
                _ = tick.tick() => {}
                Ok(()) = mesh.changed() => {}
                Ok(()) = reports.changed() => {}
                Ok(()) = changes.changed() => {}
            }
        }
        serving.end(END_WITHIN).await
    }

    fn title(&self, serving: &Serving, run_directory: &Path) -> String {
        let admin = serving.admin.map(|address| format!("   debug http://{address}")).unwrap_or_default();
        let (path, xds) = (self.path.display(), serving.pilot.grpc_address());
        format!("meltemi up {path}   xDS {xds}{admin}   logs {}", run_directory.display())
    }

    /// What other commands need to be told to find this one.
    fn options(&self, serving: &Serving) -> String {
        match serving.admin {
            Some(address) if address.to_string() != args::ADMIN_ADDRESS => format!(" --address {address}"),
            _ => String::new(),
        }
    }

    fn is_ready(&self, snapshot: &Snapshot, mesh: &watch::Receiver<Arc<Mesh>>) -> bool {
        let mesh = mesh.borrow();
        let wanted = mesh.workloads().filter(|workload| workload.local.is_some());
        let (wanted, known) = wanted.fold((0, true), |(n, all), one| (n + 1, all && one.ready));
        !self.has_workloads
            || (known && snapshot.rows.len() == wanted && snapshot.rows.iter().all(Row::is_ready))
    }
}
