//! All problems, for whoever shows them: `meltemi analyze`, status, logs, metrics.
//!
//! In: what each object says of itself, kept as it changes, and the mesh. Out: one list. It is made from snapshots, beside the road that changes
//! travel (`reporter`), and looks only at what differs from the one before (`lived`).

mod lived;

pub use lived::LivedReport;
pub(crate) use lived::differing;

use crate::{
    kinds::{Object, row},
    references::Reference,
    store::DocumentProblem,
    suppress::Suppress,
};
use imbl::OrdMap;
use mesh_model::{Kind, Mesh, ObjectRef, Problem, Reason, ServiceKey, Severity, Source, Str};
use serde::Serialize;
use std::sync::Arc;

/// What is wrong with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each object or document that has problems, by where it was read.
    pub entries: Vec<Arc<ObjectReport>>,
    /// `metadata.generation` of each object that can carry a status, problems or not.
    #[serde(skip)]
    pub generations: OrdMap<ObjectRef, i64>,
    /// Where objects from files are written.
    #[serde(skip)]
    pub sources: OrdMap<ObjectRef, Source>,
    /// The update ([`crate::Update::sequence`]) from which on the mesh is as these objects say.
    #[serde(skip)]
    pub sequence: u64,
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
    /// What is wrong, too, and its author does not want to hear of. What an object *is* does not depend on it: one that cannot be used is
    /// not accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Problem>,
}

impl ObjectReport {
    /// What a status has to say: everything that is told, and every error.
    pub fn for_status(&self) -> impl Iterator<Item = &Problem> {
        let errors = self.suppressed.iter().filter(|problem| problem.severity == Severity::Error);
        self.problems.iter().chain(errors)
    }
}

/// One of several objects that define a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) object: ObjectRef,
    /// Whether what it says counts.
    pub(crate) is_heard: bool,
    /// Ports that an earlier one has under the same number, and that are different there: these do not count.
    pub(crate) ports: Vec<u16>,
    /// Fields that are different in the first, and do not count either.
    pub(crate) fields: Vec<&'static str>,
}

/// All that a report is made of, as it was at one moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The mesh.
    pub mesh: Arc<Mesh>,
    /// What is known of each object by itself; the one in effect first.
    pub(crate) objects: OrdMap<ObjectRef, Arc<[Told]>>,
    /// What each object refers to.
    pub(crate) references: OrdMap<ObjectRef, Arc<[Reference]>>,
    /// Problems of documents that are no objects, by file.
    pub(crate) documents: OrdMap<Str, Arc<[ObjectReport]>>,
    /// Services that several objects define; the one that does first.
    pub(crate) contested: OrdMap<ServiceKey, Arc<[Contender]>>,
    /// Namespaces that do not belong to the mesh.
    pub(crate) hidden: OrdMap<Str, ()>,
    /// Number of the update that this moment belongs to.
    pub(crate) sequence: u64,
    /// What is wrong between VirtualServices that hand over, by the one that does; each problem with the object it is about.
    pub(crate) joined: OrdMap<ObjectRef, Arc<[(ObjectRef, Problem)]>>,
}

impl Snapshot {
    /// Notes the objects that go by one name, the one in effect first.
    pub(crate) fn set_object(&mut self, name: &ObjectRef, held: &[Object]) {
        let plain = matches!(
            name.kind,
            Kind::Pod | Kind::EndpointSlice | Kind::Node | Kind::Namespace | Kind::Secret | Kind::ConfigMap
        );
        let quiet = plain && held.len() < 2 && held.iter().all(|object| object.problems.is_empty());
        if held.is_empty() || quiet {
            self.objects.remove(name);
        } else {
            self.objects.insert(name.clone(), told(held));
        }
        match held.first().map(|object| &object.references).filter(|references| !references.is_empty()) {
            Some(references) => self.references.insert(name.clone(), references.as_slice().into()),
            None => self.references.remove(name),
        };
    }

    /// Notes who defines a service, in the order in which they count.
    pub(crate) fn set_contenders(&mut self, key: &ServiceKey, contenders: Vec<Contender>) {
        match contenders.len() {
            0 | 1 => self.contested.remove(key),
            _ if self.contested.get(key).is_some_and(|known| **known == *contenders) => return,
            _ => self.contested.insert(key.clone(), contenders.into()),
        };
    }

    /// Notes what is wrong between `object` and those that it hands over to.
    pub(crate) fn set_joined(&mut self, object: &ObjectRef, problems: Vec<(ObjectRef, Problem)>) {
        match problems.is_empty() {
            true => self.joined.remove(object),
            false => self.joined.insert(object.clone(), problems.into()),
        };
    }

    /// Forgets all that objects say together.
    pub(crate) fn forget_joined(&mut self) {
        self.contested.clear();
        self.joined.clear();
        self.hidden.clear();
    }

    /// Notes whether what is in `namespace` means anything.
    pub(crate) fn set_hidden(&mut self, namespace: &Str, hidden: bool) {
        match hidden {
            true => self.hidden.insert(namespace.clone(), ()),
            false => self.hidden.remove(namespace),
        };
    }

    /// Notes the problems of a file's documents.
    pub(crate) fn set_documents(&mut self, path: &Str, problems: &[DocumentProblem]) {
        if problems.is_empty() {
            self.documents.remove(path);
            return;
        }
        let entries = problems.iter().map(|DocumentProblem { source, problem }| ObjectReport {
            source: source.clone(),
            object: None,
            generation: 0,
            problems: vec![problem.clone()],
            suppressed: Vec::new(),
        });
        self.documents.insert(path.clone(), entries.collect());
    }
}

/// Whether objects of this kind carry a status that the control plane writes: Istio's do.
pub fn has_status(kind: Kind) -> bool {
    let groups = [mesh_api::networking::GROUP, mesh_api::security::GROUP];
    row(kind).is_some_and(|row| groups.contains(&row.group))
}

/// What an object says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    entry: ObjectReport,
    suppress: Suppress,
}

/// What the objects of one name say, and that they have one name.
fn told(held: &[Object]) -> Arc<[Told]> {
    let mut entries: Vec<_> = held
        .iter()
        .map(|Object { object, source, generation, model: _, problems, references: _, suppress }| Told {
            entry: ObjectReport {
                source: source.clone(),
                object: Some(object.clone()),
                generation: *generation,
                problems: problems.clone(),
                suppressed: Vec::new(),
            },
            suppress: suppress.clone(),
        })
        .collect();
    if let Some((first, others)) = entries.split_first_mut() {
        let first = &mut first.entry;
        for other in others.iter_mut().map(|other| &mut other.entry) {
            let message = format!("the same name is used again at {}; this one counts", other.source);
            let hint = "give one of the two another name, or delete it";
            first.problems.push(Problem::warning(Reason::Duplicate, "metadata.name", message).hint(hint));
            let message =
                format!("the same name is used before, at {}; this one has no effect", first.source);
            other.problems.push(Problem::error(Reason::Duplicate, "metadata.name", message).hint(hint));
        }
    }
    entries.into()
}

impl Report {
    /// All problems of a moment.
    pub fn new(snapshot: &Snapshot) -> Self {
        LivedReport::default().follow(snapshot).unwrap_or_default()
    }

    /// How many problems there are of `severity`.
    pub fn count(&self, severity: Severity) -> usize {
        let problems = self.entries.iter().flat_map(|entry| &entry.problems);
        problems.filter(|problem| problem.severity == severity).count()
    }
}
