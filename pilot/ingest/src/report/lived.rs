//! A report that follows the mesh: what differs between two snapshots is looked at, and no more.
//!
//! In: snapshots. Out: the next report, if it says something else. What it costs is what changed, and a pointer for each object with problems.

use super::{Contender, ObjectReport, Report, Snapshot, Told, has_status};
use crate::references::Checks;
use imbl::{OrdMap, ordmap::DiffItem};
use mesh_model::{Kind, ObjectRef, Problem, Reason, Severity, Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The newest report, and what it is made of.
#[derive(Debug, Default)]
pub struct LivedReport {
    snapshot: Snapshot,
    checks: Checks,
    /// What is wrong between objects that only ingest sees together.
    between: BTreeMap<ObjectRef, Vec<Problem>>,
    entries: BTreeMap<ObjectRef, Vec<Arc<ObjectReport>>>,
    generations: OrdMap<ObjectRef, i64>,
    sources: OrdMap<ObjectRef, Source>,
    has_begun: bool,
}

/// The keys under which two maps differ.
pub(crate) fn differing<'a, K: Ord + Clone, V: PartialEq>(
    before: &'a OrdMap<K, V>,
    now: &'a OrdMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    before.diff(now).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
    })
}

impl LivedReport {
    /// Follows to `now`; gives a report when it says something else than the last one given.
    pub fn follow(&mut self, now: &Snapshot) -> Option<Report> {
        if now.hidden != self.snapshot.hidden {
            // Seldom, and then much of what objects mean is something else.
            *self = Self::default();
        }
        let before = std::mem::replace(&mut self.snapshot, now.clone());
        let mut objects: BTreeSet<ObjectRef> = differing(&before.objects, &now.objects).cloned().collect();
        objects.extend(self.checks.follow(&before, now));
        if !now.joined.ptr_eq(&before.joined) || !now.contested.ptr_eq(&before.contested) {
            let between = between(now);
            let held = std::mem::replace(&mut self.between, between);
            objects.extend(held.into_keys().chain(self.between.keys().cloned()));
        }
        let mut differs = !self.has_begun || now.documents != before.documents;
        for object in &objects {
            differs |= self.look_at(object);
        }
        self.has_begun = true;
        differs.then(|| self.report())
    }

    /// Takes in what is said of `object` now; whether that is something else.
    fn look_at(&mut self, object: &ObjectRef) -> bool {
        let told = self.snapshot.objects.get(object).map(|told| &**told).unwrap_or_default();
        let is_hidden = self.snapshot.hidden.contains_key(&object.name.namespace);
        // Others may look after what does not belong to this mesh.
        let first = told.first().map(|first| &first.entry);
        let generation =
            first.filter(|_| has_status(object.kind) && !is_hidden).map(|first| first.generation);
        let source = first.map(|first| &first.source).filter(|source| matches!(source, Source::File { .. }));
        let mut differs = self.generations.get(object) != generation.as_ref();
        match generation {
            Some(generation) => self.generations.insert(object.clone(), generation),
            None => self.generations.remove(object),
        };
        differs |= self.sources.get(object) != source;
        match source {
            Some(source) => self.sources.insert(object.clone(), source.clone()),
            None => self.sources.remove(object),
        };
        let entries = self.entries_of(object, told, is_hidden);
        let held = self.entries.get(object).map(Vec::as_slice).unwrap_or_default();
        differs |= *held != entries;
        match entries.is_empty() {
            true => self.entries.remove(object),
            false => self.entries.insert(object.clone(), entries),
        };
        differs
    }

    fn entries_of(&self, object: &ObjectRef, told: &[Told], is_hidden: bool) -> Vec<Arc<ObjectReport>> {
        let between = self.between.get(object).into_iter().flatten();
        let mut of_mesh: Vec<Problem> = Vec::new();
        for problem in self.checks.of(object).chain(between) {
            // Several services may lead to one workload, and each finds the same of it.
            if !of_mesh.contains(problem) {
                of_mesh.push(problem.clone());
            }
        }
        if is_hidden && has_status(object.kind) {
            let namespace = &object.name.namespace;
            let message =
                format!("discoverySelectors leave out namespace {namespace}, so this has no effect");
            of_mesh.push(Problem::new(Severity::Info, Reason::NotFound, "metadata.namespace", message));
        }
        let mut entries = Vec::new();
        for Told { entry, suppress } in told {
            // The first is in effect, so what the mesh says is about it.
            let of_mesh = std::mem::take(&mut of_mesh);
            if entry.problems.is_empty() && of_mesh.is_empty() {
                continue;
            }
            let mut entry = entry.clone();
            entry.problems.extend(of_mesh);
            entry.suppressed =
                entry.problems.extract_if(.., |problem| suppress.covers(object.kind, problem)).collect();
            entries.push(Arc::new(entry));
        }
        entries
    }

    fn report(&self) -> Report {
        let documents = self.snapshot.documents.values().flat_map(|entries| entries.iter().cloned());
        let mut entries: Vec<_> = self.entries.values().flatten().cloned().collect();
        entries.extend(documents.map(Arc::new));
        entries.sort();
        let (generations, sources) = (self.generations.clone(), self.sources.clone());
        Report { entries, generations, sources, sequence: self.snapshot.sequence }
    }
}

/// What is wrong between VirtualServices that hand over, and between objects that define one service.
fn between(snapshot: &Snapshot) -> BTreeMap<ObjectRef, Vec<Problem>> {
    let mut found: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
    let mut add = |object: &ObjectRef, problem| found.entry(object.clone()).or_default().push(problem);
    for (object, problem) in snapshot.joined.values().flat_map(|problems| problems.iter()) {
        add(object, problem.clone());
    }
    for (key, claims) in &snapshot.contested {
        let Some((Contender { object: winner, .. }, others)) = claims.split_first() else { continue };
        let info = |message| Problem::new(Severity::Info, Reason::Conflict, "", message);
        for Contender { object: other, is_heard, ports, fields } in others {
            let host = &key.host;
            for field in fields {
                let message = format!("{host} has this as {winner} says; here it has no effect");
                let hint = "write the same in both, or all of the host in one";
                add(other, Problem::warning(Reason::Conflict, *field, message).hint(hint));
            }
            for port in ports {
                let message =
                    format!("port {port} of {host} is as an older ServiceEntry says; this one has no effect");
                let hint = "give it the same name and protocol there, or another number";
                add(other, Problem::warning(Reason::Conflict, "spec.ports", message).hint(hint));
            }
            if *is_heard && winner.kind == Kind::Service {
                let message =
                    format!("{host} is a Kubernetes Service, {winner}: of this only `subjectAltNames` count");
                add(other, info(message));
                add(winner, info(format!("{other} adds names that servers of {host} may have")));
                continue;
            }
            if *is_heard {
                let both = "they are one service, with the ports and endpoints of both";
                let message =
                    format!("{host} is also defined by {winner}: {both}; where they differ, that one counts");
                add(other, info(message));
                let message =
                    format!("{host} is also defined by {other}: {both}; where they differ, this one counts");
                add(winner, info(message));
                continue;
            }
            let message = format!("{host} is already defined by {winner}; this definition has no effect");
            let hint = match (winner.kind, other.kind) {
                (Kind::ServiceEntry, Kind::ServiceEntry) => {
                    "give both the same location, resolution, workloadSelector, subjectAltNames, exportTo and labels, which makes one service of them, or leave the host out of one"
                }
                (Kind::Service, Kind::ServiceEntry) => {
                    "leave the host out of the ServiceEntry; beside a Service only its `subjectAltNames` would count"
                }
                _ => "leave the host out of one of the two",
            };
            add(other, Problem::warning(Reason::Conflict, "", message).hint(hint));
            add(winner, info(format!("{host} is also defined by {other}; this definition counts")));
        }
    }
    found
}
