//! All proxies connect at once, with nothing and with what they have; and what the control plane does when nobody does anything.

use std::time::Duration;

use anyhow::Result;

use super::{Bed, Options, rest};
use crate::fleet::Configured;
use crate::machine::own_cpu;
use crate::proxy::{Kind, Start};
use crate::report::{Bar, Findings, Row, Unit};

const CONNECT: Duration = Duration::from_secs(8);
const RECONNECT: Duration = Duration::from_secs(3);
const THROUGHPUT: f64 = 1e9;
const RECONNECT_BYTES: f64 = 1.0;
const PEAK: f64 = 150e6;
const IDLE: f64 = 1.0;

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let Bed { server, files, mut fleet, _directory } = Bed::new(options, options.reference()).await?;
    let mut findings = Findings::of("storm", rows);
    let all = 0..files.shape().proxies();
    let proxies = all.len() as f64;

    let before = server.cpu()?;
    let own_before = own_cpu()?;
    let fresh = fleet.connect(all.clone(), Start::Empty).await?;
    let cpu = server.cpu()? - before;
    let Configured { wall, bytes, responses } = fresh;
    findings.time("all connect with nothing: wall", wall, CONNECT);
    findings.time("  processor time of the control plane", cpu, None);
    findings.time("  processor time of the fleet", own_cpu()? - own_before, None);
    let throughput = bytes as f64 / cpu.as_secs_f64();
    findings.note(
        "  bytes for each processor second",
        throughput,
        Unit::BytesPerSecond,
        Bar::AtLeast(THROUGHPUT),
    );
    findings.bytes("  bytes a proxy", bytes as f64 / proxies, None);
    for kind in Kind::ALL {
        let bytes = fleet.board().bytes[kind.index()].get() as f64 / proxies;
        findings.bytes(format!("    of them {kind:?}"), bytes, None);
    }
    findings.note("  responses a proxy", responses as f64 / proxies, Unit::Count, None);
    findings.bytes("resident at the peak, after that", server.memory()?.peak as f64, PEAK);

    rest().await;
    let before = server.cpu()?;
    let seconds = Duration::from_secs(if options.quick { 2 } else { 10 });
    tokio::time::sleep(seconds).await;
    let idle = (server.cpu()? - before).as_secs_f64() / seconds.as_secs_f64() * 100.0;
    findings.note("idle with all connected: share of a core", idle, Unit::PerCent, Bar::AtMost(IDLE));
    findings.bytes("  resident", server.memory()?.resident as f64, None);

    fleet.disconnect().await;
    rest().await;
    let repeated = fleet.board().repeated.get();
    let before = server.cpu()?;
    let own_before = own_cpu()?;
    let again = fleet.connect(all, Start::Resumed).await?;
    let cpu = server.cpu()? - before;
    findings.time("all reconnect with what they have: wall", again.wall, RECONNECT);
    findings.time("  processor time of the control plane", cpu, None);
    findings.time("  processor time of the fleet", own_cpu()? - own_before, None);
    findings.bytes("  bytes a proxy", again.bytes as f64 / proxies, None);
    let share = again.bytes as f64 / bytes as f64 * 100.0;
    findings.note(
        "  share of the bytes of a fresh start",
        share,
        Unit::PerCent,
        Bar::AtMost(RECONNECT_BYTES),
    );
    let repeated = fleet.board().repeated.get() - repeated;
    findings.note("  resources sent that the proxies had", repeated as f64, Unit::Count, Bar::AtMost(0.0));
    findings.bytes("resident at the peak, in all", server.memory()?.peak as f64, PEAK);
    Ok(())
}
