//! The same edit in meshes of three sizes, with as many proxies: what it costs must not depend on the size.

use anyhow::Result;

use super::edits::{Edit, Edits};
use super::{Bed, Options};
use crate::proxy::Start;
use crate::report::{Bar, Findings, Row, Unit};
use crate::shape::Shape;

const BAR: f64 = 2.0;

/// As many in each mesh; every namespace has some.
const PROXIES: usize = 100;

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let mut findings = Findings::of("scale", rows);
    let mut smallest = [None; 2];
    for &services in options.sizes() {
        let shape = Shape::of(services);
        let Bed { server, files, mut fleet, _directory } = Bed::new(options, shape).await?;
        // The first proxies belong to as many services, dealt over all namespaces.
        fleet.connect(0..PROXIES.min(fleet.len()), Start::Empty).await?;
        let edits = Edits { server: &server, fleet: &fleet, files: &files };
        for (edit, smallest) in [Edit::Endpoints, Edit::VirtualService].into_iter().zip(&mut smallest) {
            let taken = edits.repeat(edit, options.repeat(50)).await?;
            let cpu = taken.cpu.median();
            findings.time(format!("{edit:?} change, {services} services: processor time"), cpu, None);
            findings.time("  last proxy has it, median", taken.last.median(), None);
            let base = *smallest.get_or_insert(cpu);
            let ratio = cpu.as_secs_f64() / base.as_secs_f64();
            findings.note(
                "  processor time, times that of the smallest mesh",
                ratio,
                Unit::Times,
                Bar::AtMost(BAR),
            );
        }
        findings.bytes(
            format!("resident at the peak, {services} services"),
            server.memory()?.peak as f64,
            None,
        );
    }
    Ok(())
}
