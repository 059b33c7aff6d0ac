//! A file is edited, and the last proxy has what follows from it.
//!
//! Time runs from before the file is replaced: it includes the file watch and parsing. Edits come one at a time, at rest.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{Bed, Options, rest};
use crate::files::MeshFiles;
use crate::fleet::Fleet;
use crate::machine::own_cpu;
use crate::measure::Samples;
use crate::proxy::{Kind, Start};
use crate::report::{Findings, Row};
use crate::server::{Convergence, Server};
use crate::shape::{Service, Shape};

const VIRTUAL_SERVICE_BYTES: f64 = 4.0 * 1024.0;

/// How long the slowest edits may take.
#[derive(Clone, Copy)]
struct Bars {
    endpoints: Duration,
    virtual_service: Duration,
}

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let bars = Bars { endpoints: Duration::from_millis(50), virtual_service: Duration::from_millis(100) };
    measure(options, options.reference(), bars, Findings::of("edits", rows)).await
}

pub(super) async fn run_small(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let bars = Bars { endpoints: Duration::from_millis(10), virtual_service: Duration::from_millis(15) };
    measure(options, Shape::of(100), bars, Findings::of("small", rows)).await
}

async fn measure(options: &Options, shape: Shape, bars: Bars, mut findings: Findings<'_>) -> Result<()> {
    let Bed { server, files, mut fleet, _directory } = Bed::new(options, shape).await?;
    fleet.connect(0..shape.proxies(), Start::Empty).await?;
    let bed = Edits { server: &server, fleet: &fleet, files: &files };
    let times = options.repeat(100);
    let endpoints = bed.repeat(Edit::Endpoints, times).await?;
    endpoints.report("endpoint change", bars.endpoints, None, &mut findings);
    let virtual_services = bed.repeat(Edit::VirtualService, options.repeat(100)).await?;
    virtual_services.report(
        "VirtualService change",
        bars.virtual_service,
        VIRTUAL_SERVICE_BYTES,
        &mut findings,
    );
    findings.bytes("resident at the peak", server.memory()?.peak as f64, None);
    Ok(())
}

/// Something that users edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A pod becomes ready or stops being so.
    Endpoints,
    /// Weights of a canary.
    VirtualService,
}

impl Edit {
    fn kind(self) -> Kind {
        match self {
            Self::Endpoints => Kind::Endpoints,
            Self::VirtualService => Kind::VirtualHost,
        }
    }

    /// Makes it, and returns the file. It must be another `round` each time.
    pub(super) fn apply(self, files: &MeshFiles, service: &Service, round: usize) -> Result<PathBuf> {
        match self {
            Self::Endpoints => files.set_endpoints(service, round / files.shape().routed + 1),
            Self::VirtualService => files.set_weight(service, 11 + round % 80),
        }
    }
}

/// What edits are made with.
pub(super) struct Edits<'a> {
    pub(super) server: &'a Server,
    pub(super) fleet: &'a Fleet,
    pub(super) files: &'a MeshFiles,
}

/// What edits of one sort took.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) first: Samples,
    pub(super) median: Samples,
    pub(super) last: Samples,
    /// Processor time of the control plane.
    pub(super) cpu: Samples,
    /// Processor time of the proxies.
    fleet: Samples,
    /// From the control plane's seeing the edit to a proxy's acknowledgement, as it says itself: mean over proxies and edits.
    server_mean: Duration,
    bytes_a_proxy: f64,
}

impl Edits<'_> {
    /// Makes that many edits, to services all over the mesh.
    pub(super) async fn repeat(&self, edit: Edit, times: usize) -> Result<Taken> {
        let Self { server, fleet, files } = self;
        let mut taken = Taken::default();
        let shape = files.shape();
        let mut bytes = 0;
        let mut converged = Convergence::default();
        for round in 0..times + WARM_UP {
            rest().await;
            if round == WARM_UP {
                converged = server.convergence()?;
            }
            let service = shape.edited(round);
            let (before, fleet_before) = (server.cpu()?, own_cpu()?);
            let change = || edit.apply(files, &service, round).map(drop);
            let edited = fleet.edit(edit.kind(), &service.host(), change).await?;
            rest().await;
            if round < WARM_UP {
                continue;
            }
            taken.cpu.add(server.cpu()? - before);
            taken.fleet.add(own_cpu()? - fleet_before);
            taken.first.add(edited.delivery.first);
            taken.median.add(edited.delivery.median);
            taken.last.add(edited.delivery.last);
            bytes += edited.bytes;
        }
        taken.server_mean = server.convergence()?.mean_since(&converged);
        taken.bytes_a_proxy = bytes as f64 / (times * fleet.connected()) as f64;
        Ok(taken)
    }
}

/// The first edits touch memory that is touched no more afterwards.
const WARM_UP: usize = 3;

impl Taken {
    fn report(
        &self,
        what: &str,
        bar: Duration,
        bytes_bar: impl Into<Option<f64>>,
        findings: &mut Findings<'_>,
    ) {
        let Self { first, median, last, cpu, fleet, server_mean, bytes_a_proxy } = self;
        findings.time(format!("{what}: last proxy has it, median"), last.median(), None);
        findings.time(format!("{what}: last proxy has it, p99"), last.percentile(99), bar);
        findings.time("  half of the proxies have it, median", median.median(), None);
        findings.time("  first proxy has it, median", first.median(), None);
        findings.time(
            "  from the edit being read to acknowledgement, mean (server's own)",
            *server_mean,
            None,
        );
        findings.time("  processor time of the control plane, median", cpu.median(), None);
        findings.time("  processor time of the proxies, median", fleet.median(), None);
        findings.bytes("  bytes a proxy", *bytes_a_proxy, bytes_bar);
    }
}
