//! What is measured, each under a name that `--only` takes.
//!
//! In: how thorough to be. Out: figures. Every scenario starts its own control plane and ends it, so that none sees
//! what another left behind.

mod ca;
mod edits;
mod memory;
mod publisher;
mod scale;
mod start;
mod storm;
mod streams;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::files::MeshFiles;
use crate::fleet::Fleet;
use crate::report::Row;
use crate::secure::Secure;
use crate::server::Server;
use crate::shape::Shape;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is measured.
    pub program: PathBuf,
    /// Fewer repetitions and a smaller mesh: for whoever works on the benchmark itself.
    pub quick: bool,
}

impl Options {
    /// The mesh that the bars are about.
    fn reference(&self) -> Shape {
        Shape::of(if self.quick { 200 } else { 1000 })
    }

    /// Numbers of services, to see what depends on them.
    fn sizes(&self) -> &'static [usize] {
        if self.quick { &[100, 400] } else { &[100, 1_000, 10_000] }
    }

    fn repeat(&self, times: usize) -> usize {
        if self.quick { times.div_ceil(10) } else { times }
    }
}

/// Runs one scenario.
type Run =
    for<'a> fn(&'a Options, &'a mut Vec<Row>) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// All scenarios.
pub const SCENARIOS: &[(&str, Run)] = &[
    ("start", |options, rows| Box::pin(start::run(options, rows))),
    ("storm", |options, rows| Box::pin(storm::run(options, rows))),
    ("edits", |options, rows| Box::pin(edits::run(options, rows))),
    ("small", |options, rows| Box::pin(edits::run_small(options, rows))),
    ("memory", |options, rows| Box::pin(memory::run(options, rows))),
    ("scale", |options, rows| Box::pin(scale::run(options, rows))),
    ("streams", |options, rows| Box::pin(streams::run(options, rows))),
    ("publisher", |options, rows| Box::pin(publisher::run(options, rows))),
    // The last: it leaves the cores to whoever wants them.
    ("ca", |options, rows| Box::pin(ca::run(options, rows))),
];

/// A control plane on a mesh of its own, and the proxies of that mesh.
struct Bed {
    /// Dropped before the files that it watches.
    server: Server,
    files: MeshFiles,
    fleet: Fleet,
    _directory: tempfile::TempDir,
}

impl Bed {
    /// Writes the mesh, starts the control plane and waits until it has configured a first proxy.
    async fn new(options: &Options, shape: Shape) -> Result<Self> {
        Self::make(options, shape, false).await
    }

    /// The same over TLS, where each proxy has a token of its service account.
    async fn secure(options: &Options, shape: Shape) -> Result<Self> {
        Self::make(options, shape, true).await
    }

    async fn make(options: &Options, shape: Shape, secure: bool) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let files = MeshFiles::write(&directory.path().join("mesh"), shape)?;
        let log = directory.path().join("server.log");
        let program = &options.program;
        let secure = secure.then(|| Secure::make(directory.path())).transpose()?;
        let mut server = match &secure {
            None => Server::start(program, files.root(), &log)?,
            Some(secure) => Server::start_secure(program, files.root(), &log, secure)?,
        };
        let mut fleet = Fleet::new(server.xds, shape, secure)?;
        let pushed = tokio::select! {
            pushed = fleet.first_push() => pushed,
            () = server.ended() => Err(anyhow!("the control plane ended")),
        };
        if pushed.is_err() {
            eprintln!("{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        pushed.context("no proxy was configured; the log is above")?;
        fleet.disconnect().await;
        Ok(Self { server, files, fleet, _directory: directory })
    }
}

/// A moment of rest, in which what is still under way comes to its end and does not count for what follows.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
