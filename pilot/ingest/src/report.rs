//! All problems, for whoever shows them: `meltemi analyze`, status, logs, metrics.

use crate::assemble::Ingest;
use mesh_model::{ObjectRef, Problem, Reason, Severity, Source};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is wrong with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each object or document that has problems: files first by path and line, objects by kind and name.
    pub entries: Vec<ObjectReport>,
}

/// The problems of one object, or of a document that is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ObjectReport {
    /// Where it was read.
    pub source: Source,
    /// The object; `None` for a document that is none.
    pub object: Option<ObjectRef>,
    /// `metadata.generation` of the version that has these problems; 0 in files.
    pub generation: i64,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Report {
    /// The problems of everything that `ingest` holds.
    pub fn new(ingest: &Ingest) -> Self {
        let mut of_mesh: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
        for (key, winner, others) in ingest.contested() {
            for other in others {
                let message =
                    format!("{} is already defined by {winner}; this definition has no effect", key.host);
                of_mesh.entry(other.clone()).or_default().push(Problem::warning(
                    Reason::Conflict,
                    "",
                    message,
                ));
                let message = format!("{} is also defined by {other}; this definition counts", key.host);
                let problem = Problem::new(Severity::Info, Reason::Conflict, "", message);
                of_mesh.entry(winner.clone()).or_default().push(problem);
            }
        }
        let mut entries = Vec::new();
        for (object, shadowed) in ingest.objects() {
            let mut problems = object.problems.clone();
            for other in shadowed {
                let message = format!("the same name is used again at {}; this one counts", other.source);
                problems.push(Problem::warning(Reason::Duplicate, "metadata.name", message));
                let message =
                    format!("the same name is used before at {}; this one has no effect", object.source);
                let mut problems = other.problems.clone();
                problems.push(Problem::error(Reason::Duplicate, "metadata.name", message));
                entries.push(entry(other, problems));
            }
            problems.extend(of_mesh.remove(&object.object).into_iter().flatten());
            if !problems.is_empty() {
                entries.push(entry(object, problems));
            }
        }
        for document in ingest.documents() {
            entries.push(ObjectReport {
                source: document.source.clone(),
                object: None,
                generation: 0,
                problems: vec![document.problem.clone()],
            });
        }
        entries.sort();
        Self { entries }
    }

    /// How many problems there are of `severity`.
    pub fn count(&self, severity: Severity) -> usize {
        let problems = self.entries.iter().flat_map(|entry| &entry.problems);
        problems.filter(|problem| problem.severity == severity).count()
    }
}

fn entry(object: &crate::kinds::Object, problems: Vec<Problem>) -> ObjectReport {
    ObjectReport {
        source: object.source.clone(),
        object: Some(object.object.clone()),
        generation: object.generation,
        problems,
    }
}
