//! `meltemi analyze`: what a control plane would say about these files. The exit code is 1 when there are errors, or
//! problems of a lower severity if asked so.

use std::process::ExitCode;

use anyhow::Result;
use mesh_model::Severity;
use pilot_ingest::Settings;

use crate::{
    args::{AnalyzeArgs, Threshold},
    output::{self, Format},
    problems::{self, Count, Finding},
};

pub fn run(args: &AnalyzeArgs) -> Result<ExitCode> {
    let AnalyzeArgs { path, output, failure_threshold, domain } = args;
    let settings = Settings { domain: domain.clone(), ..Settings::default() };
    let (_, report) = pilot_ingest::load(path, settings)?;
    let findings = Finding::of_report(&report);
    let count = Count::of(&findings);
    match output {
        Format::Json => output::print_json(&report)?,
        Format::Text => {
            output::print(&problems::text(&findings))?;
            let gap = if findings.is_empty() { "" } else { "\n" };
            output::remark(&format!("{gap}{}: {}", path.display(), count.summary()));
        }
    }
    let fails = findings.iter().any(|finding| finding.problem.severity >= least(*failure_threshold));
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn least(threshold: Threshold) -> Severity {
    match threshold {
        Threshold::Info => Severity::Info,
        Threshold::Warning => Severity::Warning,
        Threshold::Error => Severity::Error,
    }
}
