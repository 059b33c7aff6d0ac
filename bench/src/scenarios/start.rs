//! From the start of the process to the first push: files read, mesh assembled, clusters at a proxy that keeps trying.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bed, Options};
use crate::fleet::Fleet;
use crate::measure::Samples;
use crate::report::{Findings, Row};
use crate::server::Server;

const BAR: Duration = Duration::from_millis(300);

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    // The first start warms the page cache.
    let Bed { server, files, fleet, _directory: directory } = Bed::new(options, options.reference()).await?;
    drop((server, fleet));
    let mut samples = Samples::default();
    let mut cpu = Samples::default();
    for _ in 0..options.repeat(10) {
        let server = Server::start(&options.program, files.root(), &directory.path().join("server.log"))?;
        let mut fleet = Fleet::new(server.xds, files.shape(), None)?;
        fleet.first_push().await?;
        samples.add(Instant::now() - server.started);
        cpu.add(server.cpu()?);
        fleet.disconnect().await;
    }
    let mut findings = Findings::of("start", rows);
    findings.time("exec to first clusters at a proxy, median", samples.median(), BAR);
    findings.time("the same, slowest", samples.percentile(100), None);
    findings.time("processor time of the control plane until then, median", cpu.median(), None);
    Ok(())
}
