//! `meltemi analyze`: what a control plane would say about these files, or says about a cluster. The exit code is 1 when there are
//! problems that are serious enough.

use std::{process::ExitCode, sync::Arc};

use anyhow::Result;
use mesh_model::Problem;
use pilot_ingest::{Settings, Source};

use crate::{
    args::AnalyzeArgs,
    output::{self, Format},
    problems::{self, Count, Finding},
};

pub async fn run(args: AnalyzeArgs) -> Result<ExitCode> {
    let AnalyzeArgs {
        path,
        namespace,
        cluster: _,
        kubeconfig,
        root_namespace,
        timeout,
        failure_threshold,
        output_threshold,
        suppress,
        output,
        domain,
    } = args;
    let settings = Settings { domain, root_namespace, namespace, ..Settings::default() };
    let (subject, mut report) = match path {
        Some(path) => {
            let (_, report) = pilot_ingest::load(&path, settings)?;
            (path.display().to_string(), report)
        }
        None => {
            let source = Source::Cluster { kubeconfig };
            let (_, report) = pilot_ingest::look(source, settings, timeout).await?;
            ("the cluster".to_owned(), report)
        }
    };
    for entry in report.entries.iter_mut().map(Arc::make_mut) {
        let Some(object) = &entry.object else { continue };
        let unwanted = |problem: &mut Problem| suppress.iter().any(|by| by.covers(object, problem));
        entry.suppressed.extend(entry.problems.extract_if(.., unwanted));
    }
    let suppressed: usize = report.entries.iter().map(|entry| entry.suppressed.len()).sum();
    let fails = Finding::of_report(&report)
        .iter()
        .any(|finding| finding.problem.severity >= failure_threshold.severity());
    for entry in report.entries.iter_mut().map(Arc::make_mut) {
        entry.problems.retain(|problem| problem.severity >= output_threshold.severity());
    }
    report.entries.retain(|entry| !entry.problems.is_empty());
    let findings = Finding::of_report(&report);
    match output {
        Format::Json => output::print_json(&report)?,
        Format::Text => {
            output::print(&problems::text(&findings))?;
            let gap = if findings.is_empty() { "" } else { "\n" };
            let quiet = if suppressed == 0 { String::new() } else { format!(" ({suppressed} suppressed)") };
            output::remark(&format!("{gap}{subject}: {}{quiet}", Count::of(&findings).summary()));
        }
    }
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
