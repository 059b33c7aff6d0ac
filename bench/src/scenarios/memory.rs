//! What a further proxy costs in memory, without TLS and with it: half of the fleet connects, then the other half.

use anyhow::Result;

use super::{Bed, Options, rest};
use crate::proxy::Start;
use crate::report::{Findings, Row};

const BAR: f64 = 64.0 * 1024.0;

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    measure(Bed::new(options, options.reference()).await?, "", rows).await?;
    measure(Bed::secure(options, options.reference()).await?, "over TLS: ", rows).await
}

async fn measure(bed: Bed, how: &str, rows: &mut Vec<Row>) -> Result<()> {
    let Bed { server, files, mut fleet, _directory } = bed;
    let all = files.shape().proxies();
    let half = all / 2;
    let mut findings = Findings::of("memory", rows);
    findings.bytes(
        format!("{how}resident with one proxy configured"),
        server.memory()?.resident as f64,
        None,
    );
    fleet.connect(0..half, Start::Empty).await?;
    rest().await;
    let with_half = server.memory()?;
    findings.bytes(format!("{how}resident with {half} proxies"), with_half.resident as f64, None);
    fleet.connect(half..all, Start::Empty).await?;
    rest().await;
    let with_all = server.memory()?;
    findings.bytes(format!("{how}resident with {all} proxies"), with_all.resident as f64, None);
    let further = (with_all.resident as f64 - with_half.resident as f64) / (all - half) as f64;
    findings.bytes(format!("{how}for each further proxy"), further, BAR);
    findings.bytes(format!("{how}resident at the peak"), with_all.peak as f64, None);
    Ok(())
}
