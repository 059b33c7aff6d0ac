//! The objects that are known, each with where it was read and what is wrong with it.
//!
//! In: edits from the watches or the files. Out: which objects mean something else than before. Knows nothing of what they mean.

mod withheld;

pub use withheld::Withheld;

use crate::{
    events::{Event, Events},
    kinds::{Model, Object, WhenBad, row},
    report::Snapshot,
};
use mesh_model::{Kind, NamespacedName, ObjectRef, Problem, Reason, Severity, Source, Str};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A change to what is known.
#[derive(Debug)]
pub enum Edit {
    /// An object appeared or differs.
    Apply(Object),
    /// An object of the cluster is gone.
    Delete(ObjectRef),
    /// All of the cluster's objects of a kind, at once: what is not among them is gone.
    Relist {
        /// The kind.
        kind: Kind,
        /// Its objects.
        objects: Vec<Object>,
    },
    /// Which workloads on this machine are ready; before this is said once, all are.
    Ready(Arc<BTreeSet<NamespacedName>>),
    /// All objects of a file, at once. A file that is gone has none.
    File {
        /// Its path.
        path: Str,
        /// Its objects, in order.
        objects: Vec<Object>,
        /// What is wrong with documents that are no object.
        problems: Vec<DocumentProblem>,
        /// A part of the file could not be read: objects that it had before and that are missing now stay.
        partial: bool,
    },
}

/// A problem with a document that is no object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentProblem {
    /// Where.
    pub source: Source,
    /// What.
    pub problem: Problem,
}

/// What an object meant before and means now.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The object.
    pub object: ObjectRef,
    /// Before.
    pub old: Option<Model>,
    /// Now.
    pub new: Option<Model>,
}

/// Everything known, by object. The first in order of source is in effect; others of the same name wait behind it.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<ObjectRef, Vec<Object>>,
    of_file: BTreeMap<Str, BTreeSet<ObjectRef>>,
    /// Namespaces that do not belong to the mesh: what is in them is known, and means nothing.
    hidden: BTreeSet<Str>,
    /// Objects that do not mean what they say.
    withheld: BTreeMap<ObjectRef, Withheld>,
    /// What each says of itself, for reports.
    pub(crate) told: Snapshot,
    /// What is counted.
    pub(crate) events: Arc<Events>,
}

/// Whether what `object` means depends on its namespace being part of the mesh.
fn belongs(object: &ObjectRef) -> bool {
    !matches!(object.kind, Kind::Namespace | Kind::Node | Kind::MeshConfig)
}

fn path(source: &Source) -> Option<&Str> {
    match source {
        Source::Cluster => None,
        Source::File { path, line: _ } => Some(path),
    }
}

impl Store {
    /// What `object` means, as far as it is in effect.
    pub fn model(&self, object: &ObjectRef) -> Option<&Model> {
        self.meaning(object, self.objects.get(object).map_or(&[][..], Vec::as_slice))
    }

    /// What the objects of one name mean together: the first is in effect.
    fn meaning<'a>(&'a self, object: &ObjectRef, held: &'a [Object]) -> Option<&'a Model> {
        let is_hidden = belongs(object) && self.hidden.contains(&object.name.namespace);
        self.own_meaning(object, held).filter(|_| !is_hidden)
    }

    /// The same wherever it is.
    fn own_meaning<'a>(&'a self, object: &ObjectRef, held: &'a [Object]) -> Option<&'a Model> {
        match self.withheld.get(object) {
            Some(withheld) => withheld.stand_in.as_ref(),
            None => held.first()?.model.as_ref(),
        }
    }

    /// Every namespace that something is in, or that is known itself; or that is hidden: what comes to be there later would be, too.
    pub fn namespaces(&self) -> BTreeSet<Str> {
        let name = |object: &ObjectRef| match object.kind {
            Kind::Namespace => object.name.name.clone(),
            _ => object.name.namespace.clone(),
        };
        let named = self.objects.keys().map(name).filter(|namespace| !namespace.is_empty());
        named.chain(self.hidden.iter().cloned()).collect()
    }

    /// Whether what is in `namespace` means anything; adds what differs by it.
    pub fn hide(&mut self, namespace: &Str, hidden: bool, differences: &mut Vec<Difference>) {
        let was_hidden = self.hidden.contains(namespace);
        if hidden == was_hidden {
            return;
        }
        match hidden {
            true => self.hidden.insert(namespace.clone()),
            false => self.hidden.remove(namespace),
        };
        self.told.set_hidden(namespace, hidden);
        for (object, held) in &self.objects {
            if belongs(object) && object.name.namespace == *namespace {
                let model = self.own_meaning(object, held).cloned();
                let (old, new) = if hidden { (model, None) } else { (None, model) };
                if old != new {
                    differences.push(Difference { object: object.clone(), old, new });
                }
            }
        }
    }

    /// What everything means, as far as it is in effect.
    pub fn models(&self) -> impl Iterator<Item = (&ObjectRef, &Model)> {
        // One that is gone may be withheld all the same.
        let gone = self.withheld.keys().filter(|name| !self.objects.contains_key(*name));
        self.objects.keys().chain(gone).filter_map(|name| Some((name, self.model(name)?)))
    }

    /// Forgets what came of joining objects.
    pub fn forget_joined(&mut self) {
        self.hidden.clear();
        self.told.forget_joined();
    }

    /// Makes one edit and adds what differs by it.
    pub fn edit(&mut self, edit: Edit, differences: &mut Vec<Difference>) {
        match edit {
            Edit::Apply(object) => {
                let name = object.object.clone();
                let from = path(&object.source).cloned();
                self.replace(name, from.as_ref(), vec![object], differences);
            }
            Edit::Delete(object) => self.replace(object, None, Vec::new(), differences),
            Edit::Relist { kind, objects } => {
                let mut lists = group(objects);
                let of_kind = self.objects.iter().filter(|(name, held)| {
                    name.kind == kind && held.iter().any(|object| object.source == Source::Cluster)
                });
                for (name, _) in of_kind {
                    lists.entry(name.clone()).or_default();
                }
                for (name, objects) in lists {
                    self.replace(name, None, objects, differences);
                }
            }
            // No object: who assembles takes it.
            Edit::Ready(_) => {}
            Edit::File { path, objects, problems, partial } => {
                let mut lists = group(objects);
                if !partial {
                    for name in self.of_file.get(&path).into_iter().flatten() {
                        lists.entry(name.clone()).or_default();
                    }
                }
                for (name, objects) in lists {
                    self.replace(name, Some(&path), objects, differences);
                }
                self.told.set_documents(&path, &problems);
            }
        }
    }

    /// Replaces what is known of `name` from one place: the cluster, or a file.
    fn replace(
        &mut self,
        name: ObjectRef,
        from: Option<&Str>,
        objects: Vec<Object>,
        differences: &mut Vec<Difference>,
    ) {
        if let Some(from) = from {
            if objects.is_empty() {
                if let Some(names) = self.of_file.get_mut(from) {
                    names.remove(&name);
                    if names.is_empty() {
                        self.of_file.remove(from);
                    }
                }
            } else {
                self.of_file.entry(from.clone()).or_default().insert(name.clone());
            }
        }
        let old = self.model(&name).cloned();
        let withheld = self.take_withheld(&name);
        let mut held = self.objects.remove(&name).unwrap_or_default();
        let said = withheld.as_ref().and_then(|_| held.first()?.model.clone());
        let before: Vec<Object> = held.extract_if(.., |object| path(&object.source) == from).collect();
        if from.is_none() {
            self.events.came(name.kind, event(&before, &objects));
        }
        // Of several in one file each has its own past: the last good one of another is not its.
        let objects = objects.into_iter().enumerate();
        held.extend(objects.map(|(at, object)| keep_last_good(object, before.get(at))));
        held.sort_by(|left, right| left.source.cmp(&right.source));
        self.told.set_object(&name, &held);
        let new = self.meaning(&name, &held).cloned();
        // Whether it can be joined is tried again when it says something else.
        let withheld = withheld.filter(|_| said == held.first().and_then(|first| first.model.clone()));
        if !held.is_empty() {
            // There is one, mostly, and room for four was made.
            held.shrink_to_fit();
            self.objects.insert(name.clone(), held);
        }
        match withheld {
            Some(withheld) => self.withhold(&name, withheld),
            None if old != new => differences.push(Difference { object: name, old, new }),
            None => {}
        }
    }
}

/// What became of an object of the cluster that was so and is so now.
fn event(before: &[Object], now: &[Object]) -> Event {
    match (before, now) {
        (_, []) => Event::Delete,
        ([], _) => Event::Add,
        _ if before == now => Event::UpdateSame,
        _ => Event::Update,
    }
}

fn group(objects: Vec<Object>) -> BTreeMap<ObjectRef, Vec<Object>> {
    let mut lists: BTreeMap<ObjectRef, Vec<Object>> = BTreeMap::new();
    for object in objects {
        lists.entry(object.object.clone()).or_default().push(object);
    }
    lists
}

/// What is said of a version that cannot be used, while an earlier one can.
pub const LAST_GOOD_STAYS: &str = "this version cannot be used; the last good one stays in effect";
/// What is said of it where no earlier one is known. There may be one elsewhere: `meltemi analyze` reads what is there now, and a control plane
/// that has been there for longer still has the version before.
pub const NOTHING_IN_EFFECT: &str = "nothing of this version is in effect";

/// What a version that cannot be used leaves in effect is the kind's row's business.
fn keep_last_good(mut object: Object, before: Option<&Object>) -> Object {
    let unusable =
        object.model.is_none() && object.problems.iter().any(|problem| problem.severity == Severity::Error);
    // One that fails closed says itself what it comes to.
    if !unusable {
        return object;
    }
    let keeps = row(object.object.kind).is_some_and(|row| row.when_bad == WhenBad::LastGood);
    let (message, hint) = match before.filter(|before| keeps && before.model.is_some()) {
        Some(before) => {
            object.model = before.model.clone();
            (LAST_GOOD_STAYS, "correct the errors, and this version takes its place")
        }
        None => (NOTHING_IN_EFFECT, "correct the errors; what could not be read of it is checked then, too"),
    };
    object.problems.push(Problem::new(Severity::Info, Reason::InvalidValue, "", message).hint(hint));
    object
}
