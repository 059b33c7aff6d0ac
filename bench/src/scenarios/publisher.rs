//! What an edit costs step by step, in this process, without streams: parse the file, take it into the mesh, derive and encode.
//!
//! In: the same files as everywhere. Out: processor time of each step in meshes of three sizes. Two proxies of each namespace
//! are attached, so that the number of scopes is the same in all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use pilot::Publisher;
use pilot_ingest::{Context, Ingest, parse_file};
use pilot_xds::source::Attachment;
use pilot_xds::{Protocol, Source as _};

use super::Options;
use super::edits::Edit;
use crate::files::MeshFiles;
use crate::fleet::describe;
use crate::machine::own_cpu;
use crate::measure::Samples;
use crate::report::{Bar, Findings, Row, Unit};
use crate::shape::{Service, Shape};

const BAR: f64 = 2.0;

/// A control plane without streams.
struct Core {
    context: Context,
    ingest: Ingest,
    publisher: Publisher,
    files: MeshFiles,
    attachments: Vec<Attachment>,
}

/// What one edit takes.
#[derive(Default)]
struct Steps {
    parse: Samples,
    assemble: Samples,
    publish: Samples,
    total: Samples,
}

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let mut findings = Findings::of("publisher", rows);
    let mut smallest = [None; 2];
    for &services in options.sizes() {
        let directory = tempfile::tempdir()?;
        let files = MeshFiles::write(&directory.path().join("mesh"), Shape::of(services))?;
        let mut core = Core::start(files, &mut findings).await?;
        for (edit, smallest) in [Edit::Endpoints, Edit::VirtualService].into_iter().zip(&mut smallest) {
            let steps = core.repeat(edit, options.repeat(200))?;
            let total = steps.total.median();
            steps.report(edit, services, &mut findings);
            let ratio = total.as_secs_f64() / smallest.get_or_insert(total).as_secs_f64();
            let bar = Bar::AtMost(BAR);
            findings.note("  all of it, times that of the smallest mesh", ratio, Unit::Times, bar);
        }
    }
    Ok(())
}

impl Core {
    async fn start(files: MeshFiles, findings: &mut Findings<'_>) -> Result<Self> {
        let services = files.shape().services;
        let context = Context::default();
        let mut ingest = Ingest::new(context.clone());
        let publisher = Publisher::default();
        let began = own_cpu()?;
        let mut edits = Vec::new();
        for path in yaml_files(files.root())? {
            edits.push(parse_file(&shown(&path, files.root()).into(), &fs::read(&path)?, &context));
        }
        let parsed = own_cpu()?;
        let changes = ingest.apply(edits);
        let assembled = own_cpu()?;
        publisher.publish(ingest.mesh().clone(), &changes, Instant::now());
        let mut attachments = Vec::new();
        let namespaces = files.shape().namespaces;
        for pod in files.shape().pods().take(2 * namespaces) {
            attachments.push(publisher.attach(&describe(&pod), Protocol::Delta, None).await?);
        }
        let derived = own_cpu()?;
        findings.time(format!("start, {services} services: parse all files"), parsed - began, None);
        findings.time("  assemble the mesh", assembled - parsed, None);
        findings.time(format!("  derive and encode {namespaces} scopes"), derived - assembled, None);
        Ok(Self { context, ingest, publisher, files, attachments })
    }

    fn repeat(&mut self, edit: Edit, times: usize) -> Result<Steps> {
        let mut steps = Steps::default();
        let shape = self.files.shape();
        for round in 0..times {
            self.once(edit, &shape.edited(round), round, &mut steps)?;
        }
        Ok(steps)
    }

    fn once(&mut self, edit: Edit, service: &Service, round: usize, steps: &mut Steps) -> Result<()> {
        let Self { context, ingest, publisher, files, attachments } = self;
        let path = edit.apply(files, service, round)?;
        let text = fs::read(&path)?;
        let sequences = || attachments.iter().map(|attachment| attachment.class.current().sequence);
        let before: Vec<_> = sequences().collect();
        let began = own_cpu()?;
        let parsed = parse_file(&shown(&path, files.root()).into(), &text, context);
        let after_parse = own_cpu()?;
        let changes = ingest.apply(vec![parsed]);
        let after_assemble = own_cpu()?;
        publisher.publish(ingest.mesh().clone(), &changes, Instant::now());
        let after_publish = own_cpu()?;
        if sequences().eq(before) {
            bail!("{edit:?} change of {}, {}, changed nothing for any proxy", service.name, path.display());
        }
        steps.parse.add(after_parse - began);
        steps.assemble.add(after_assemble - after_parse);
        steps.publish.add(after_publish - after_assemble);
        steps.total.add(after_publish - began);
        Ok(())
    }
}

impl Steps {
    fn report(&self, edit: Edit, services: usize, findings: &mut Findings<'_>) {
        let Self { parse, assemble, publish, total } = self;
        let of = |samples: &Samples| -> Duration { samples.median() };
        findings.time(format!("{edit:?} change, {services} services: all of it, median"), of(total), None);
        findings.time("  parse the file", of(parse), None);
        findings.time("  take it into the mesh", of(assemble), None);
        findings.time("  derive, encode, publish", of(publish), None);
    }
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn yaml_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(yaml_files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
