//! Real traffic: a control plane in this process, workloads beside real Envoys, and requests through them.
//!
//! In: YAML as users write it, as files that appear and change while everything runs. Out: what requests do. One mesh serves
//! all tests of a process, because Envoys are dear: each test has files and hosts of its own. An edit returns when every
//! connected proxy has acknowledged it. It must not know how configuration is made.

pub mod case;
mod deaf;
mod identities;
mod load;
pub mod namespace;
mod outside;
mod request;
mod streams;

pub use deaf::Deaf;
pub use identities::Identities;
pub use load::{Load, Outcome};
pub use outside::{HTTP_PORT, Outside, TCP_PORT};
pub use request::{Answer, Request, connect_to_socket};
pub use streams::Streams;

use crate::lacking::lacking;
use anyhow::{Context, Result, anyhow};
use meltemi_local::{
    call::{self, Call, Report},
    directory::{Directory, Entry},
    envoy::EnvoySettings,
    mesh::LocalMesh,
};
use mesh_model::Mesh;
use mesh_runtime::{
    drain::{self, Trigger},
    ready::Readiness,
};
use mesh_testkit::{Envoy, SweptDir, eventually};
use pilot::{Config, Pilot, SourceConfig};
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, OnceCell, watch},
};

/// Pods of the shared mesh have fixed addresses; who listens here has them.
const CLAIM: &str = "127.127.255.254:20047";
/// Another process may be running the same tests.
const CLAIM_WITHIN: Duration = Duration::from_secs(300);
/// Until Envoys have started on a machine that compiles meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Until an edit has got everywhere.
const EDIT_WITHIN: Duration = Duration::from_secs(20);

/// Longer than any answer takes.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// A running mesh.
pub struct Traffic {
    pilot: Pilot,
    files: PathBuf,
    workloads: Directory,
    /// One edit at a time: the next published update is then the edit's own.
    edits: Mutex<()>,
    identities: Option<Identities>,
    // Held for as long as the mesh runs.
    _directory: SweptDir,
    _trigger: Trigger,
    _claim: tokio::net::TcpListener,
}

/// Runs a test on the mesh that all tests of this process share; `base` is what it consists of at first. Without an Envoy on
/// this machine the test is skipped, loudly.
///
/// # Panics
/// When the test fails.
pub fn on_shared_mesh(base: &str, test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    on_mesh(base, false, test);
}

/// The same on a mesh with a certificate authority, and an agent beside each Envoy: sidecars speak mutual TLS, and have their
/// configuration by it, too. A process has one shared mesh, of this kind or of the other.
///
/// # Panics
/// When the test fails.
pub fn on_secure_mesh(base: &str, test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    on_mesh(base, true, test);
}

fn on_mesh(base: &str, secure: bool, test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    static SHARED: OnceCell<Traffic> = OnceCell::const_new();
    let Some(binary) = Envoy::binary() else { return };
    let outcome = runtime().block_on(async {
        let shared = SHARED.get_or_try_init(|| Traffic::start(base, binary, secure)).await;
        test(shared.context("the mesh does not start")?).await
    });
    outcome.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Outlives every test, as the mesh does.
#[expect(clippy::expect_used, reason = "only tests run this")]
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.enable_all().worker_threads(2).build().expect("a runtime")
    })
}

impl Traffic {
    async fn start(base: &str, binary: PathBuf, secure: bool) -> Result<Self> {
        let claim =
            eventually(CLAIM_WITHIN, async || Ok(tokio::net::TcpListener::bind(CLAIM).await?)).await?;
        let directory = SweptDir::new("meltemi-traffic-")?;
        let files = directory.path().join("files");
        fs::create_dir(&files)?;
        fs::write(files.join("base.yaml"), lacking(base).as_bytes())?;
        let workloads = Directory::default();
        let config = Config {
            grpc_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ready: Some(workloads.ready().subscribe()),
            ..Config::new(SourceConfig::Files(files.clone()))
        };
        let (trigger, drain) = drain::channel();
        let domain = config.domain.clone();
        let pilot = pilot::start(config, &Readiness::new(), &drain).await?;
        let identities = match secure {
            true => Some(Identities::start(&pilot, directory.path(), &drain).await?),
            false => None,
        };
        let settings = EnvoySettings {
            binary,
            xds: pilot.grpc_address(),
            agents: identities.as_ref().map(Identities::agents),
            run_directory: directory.path().join("run"),
            cluster_id: "Kubernetes".to_owned(),
            domain,
        };
        let local = LocalMesh::new(settings, workloads.clone())?;
        tokio::spawn(follow(local, pilot.clone()));
        let traffic = Self {
            pilot,
            files,
            workloads,
            edits: Mutex::new(()),
            identities,
            _directory: directory,
            _trigger: trigger,
            _claim: claim,
        };
        traffic.pilot.published().wait_for(|count| *count > 0).await?;
        traffic.settled().await?;
        Ok(traffic)
    }

    /// The control plane.
    pub fn pilot(&self) -> &Pilot {
        &self.pilot
    }

    /// The certificate authority.
    ///
    /// # Errors
    /// When the mesh has none.
    pub fn identities(&self) -> Result<&Identities> {
        self.identities.as_ref().context("the mesh has no certificate authority")
    }

    /// Writes a file of configuration, and waits until every connected proxy has acknowledged what it changes. A file that
    /// changes nothing is an error: a test that edits means something by it.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn apply(&self, file: &str, yaml: &str) -> Result<()> {
        let edit = self.edit(|| self.write(file, yaml));
        edit.await.with_context(|| format!("after {file} was written:\n{yaml}"))
    }

    /// Writes a file of configuration and waits for nothing.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, file: &str, yaml: &str) -> Result<()> {
        // Written beside the directory and moved, so that there is one change, at one moment.
        let (path, aside) = (self.files.join(file), self.files.with_extension(file));
        fs::write(&aside, lacking(yaml).as_bytes())?;
        Ok(fs::rename(&aside, &path)?)
    }

    /// Removes a file of configuration and waits likewise.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn remove(&self, file: &str) -> Result<()> {
        let path = self.files.join(file);
        self.edit(|| Ok(fs::remove_file(&path)?)).await.with_context(|| format!("after {file} was removed"))
    }

    /// Writes a file of configuration and waits only until the control plane has published what it changes: the next edit may come
    /// while proxies are still busy with this one.
    ///
    /// # Errors
    /// When it is not published.
    pub async fn publish(&self, file: &str, yaml: &str) -> Result<()> {
        let _one_at_a_time = self.edits.lock().await;
        self.published_after(|| self.write(file, yaml))
            .await
            .with_context(|| format!("after {file} was written:\n{yaml}"))
    }

    async fn edit(&self, edit: impl FnOnce() -> Result<()>) -> Result<()> {
        let _one_at_a_time = self.edits.lock().await;
        self.published_after(edit).await?;
        self.acknowledged().await
    }

    async fn published_after(&self, edit: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut published = self.pilot.published();
        let before = *published.borrow_and_update();
        edit()?;
        let arrived = tokio::time::timeout(EDIT_WITHIN, published.wait_for(|now| *now > before)).await;
        arrived.context("nothing was published: the edit changes nothing, or was not seen")??;
        Ok(())
    }

    /// Waits until every connected proxy has acknowledged what is published now.
    ///
    /// # Errors
    /// When one does not; with what it rejected.
    pub async fn acknowledged(&self) -> Result<()> {
        let all = tokio::time::timeout(EDIT_WITHIN, self.pilot.acknowledged()).await;
        all.map_err(|_| {
            let status = self.pilot.xds().sync.list();
            anyhow!("not acknowledged by all: {status:#?}\nrejected: {:#?}", self.pilot.xds().rejections)
        })
    }

    /// Waits until what runs is what the mesh wants, all of it is ready, and everybody has heard of that.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn settled(&self) -> Result<()> {
        let (mut changes, mut meshes) = (self.workloads.changes(), self.pilot.mesh());
        let ready = async {
            loop {
                changes.mark_unchanged();
                let mesh = meshes.borrow_and_update().clone();
                let wanted = mesh.workloads().filter(|workload| workload.local.is_some());
                let (count, heard) = wanted.fold((0, true), |(n, all), one| (n + 1, all && one.ready));
                let entries = self.workloads.entries();
                let is_ready = |entry: &Entry| entry.ready && entry.error.is_none();
                if heard && entries.len() == count && entries.iter().all(is_ready) {
                    return;
                }
                // The senders live as long as `self`.
                tokio::select! {
                    _ = changes.changed() => {}
                    _ = meshes.changed() => {}
                }
            }
        };
        let ready = tokio::time::timeout(READY_WITHIN, ready).await;
        ready.with_context(|| format!("not all workloads are ready: {:#?}", self.workloads.entries()))?;
        self.acknowledged().await
    }

    /// A workload that runs, by its pod's name.
    ///
    /// # Errors
    /// When there is none.
    pub fn entry(&self, pod: &str) -> Result<Entry> {
        let found = self.workloads.entries().into_iter().find(|entry| *entry.identity.pod == *pod);
        found.with_context(|| format!("there is no pod {pod}"))
    }

    /// The HTTP proxy port of a pod's sidecar.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn proxy(&self, pod: &str) -> Result<SocketAddr> {
        Ok(self.entry(pod)?.http_proxy)
    }

    /// A counter or gauge of a pod's Envoy; 0 while it has none of that name.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn stat(&self, pod: &str, name: &str) -> Result<u64> {
        let admin = self.entry(pod)?.admin;
        let answer = Request::get(&format!("http://{admin}/stats"))?.direct().send(admin).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.map(str::parse).transpose()?.unwrap_or_default())
    }

    /// Sends many requests as `meltemi call` does, on connections that are kept.
    ///
    /// # Errors
    /// When there is no such pod, or no such URL.
    pub async fn call(&self, pod: &str, url: &str, count: usize, concurrency: usize) -> Result<Report> {
        let call = Call {
            from: self.entry(pod)?,
            target: url.parse()?,
            count,
            concurrency,
            method: http::Method::GET,
            headers: http::HeaderMap::new(),
            http2: false,
            timeout: CALL_WITHIN,
        };
        Ok(call::run(&call, || {}).await)
    }

    /// Waits until an object called `name` has a problem that says `text`.
    ///
    /// # Errors
    /// When there is none in the end; with those that it has.
    pub async fn until_problem(&self, name: &str, text: &str) -> Result<()> {
        let problems = |report: &pilot_ingest::Report| -> Vec<String> {
            let of_name = report
                .entries
                .iter()
                .filter(|entry| entry.object.as_ref().is_some_and(|object| *object.name.name == *name));
            of_name.flat_map(|entry| &entry.problems).map(ToString::to_string).collect()
        };
        let mut reports = self.pilot.reports();
        let found = reports.wait_for(|report| problems(report).iter().any(|problem| problem.contains(text)));
        let found = tokio::time::timeout(EDIT_WITHIN, found).await.map(|_| ());
        found.map_err(|_| {
            anyhow!("`{name}` has no problem with `{text}`: {:#?}", problems(&self.pilot.report()))
        })
    }
}

/// Makes what runs equal to what the newest mesh wants. Proxies hear of it first, so that nobody sends requests to a replica
/// that has been stopped.
async fn follow(mut local: LocalMesh, pilot: Pilot) {
    let mut mesh: watch::Receiver<Arc<Mesh>> = pilot.mesh();
    loop {
        let newest = mesh.borrow_and_update().clone();
        // A proxy that never acknowledges must not keep replicas running for ever.
        let _ = tokio::time::timeout(EDIT_WITHIN, pilot.acknowledged()).await;
        local.apply(&newest).await;
        if mesh.changed().await.is_err() {
            return local.stop().await;
        }
    }
}
