//! An immutable, persistent set of resources, and what changed in it lately.
//!
//! In: edits by the publisher. Out: lookups, ordered iteration, and the names that differ between two revisions, from a short log
//! when it still reaches back, else by comparing the two trees (which skips what they share). Knows nothing of streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imbl::ordmap::DiffItem;
use imbl::{OrdMap, Vector};

use crate::resource::{Resource, ResourceType, TYPES};

/// How many edits the log keeps. A stream further behind than this compares trees.
const LOG_EDITS: usize = 128;

/// An edit of more names than this is not logged by name: comparing trees is as cheap and keeps nothing.
const LOG_NAMES: usize = 4096;

/// Identities of layers and their lineages: unique in the process, no meaning beyond that.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// The resources of one type, by name.
pub type Resources = OrdMap<Arc<str>, Arc<Resource>>;

/// An immutable set of resources of all types. Cloning an edited layer costs the changes, not the content.
#[derive(Debug)]
pub struct Layer {
    /// Unique for each value of this type: two layers with equal ids are the same.
    id: u64,
    /// Shared by a layer and all that were edited from it.
    lineage: u64,
    revision: u64,
    resources: [Resources; TYPES],
    /// By type, the sum of the fingerprints of its resources.
    sums: [u128; TYPES],
    log: Vector<Arc<LoggedEdit>>,
}

/// Identity of what a layer holds, within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content([u128; TYPES]);

/// The names that an edit touched, by type.
type Touched = [Box<[Arc<str>]>; TYPES];

#[derive(Debug)]
struct LoggedEdit {
    /// Identity of the layer that was edited.
    from: u64,
    /// `None` when the edit was too big to log.
    names: Option<Touched>,
}

impl Default for Layer {
    fn default() -> Self {
        let id = next_id();
        let (resources, sums) = Default::default();
        Self { id, lineage: id, revision: 0, resources, sums, log: Vector::new() }
    }
}

impl Layer {
    /// A layer that holds nothing, with a lineage of its own.
    pub fn empty() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The layer with some changes applied. Setting an equal version and removing an absent name change nothing; when nothing
    /// changed at all, the same layer comes back.
    pub fn edit(self: &Arc<Self>, change: impl FnOnce(&mut Edit)) -> Arc<Self> {
        let changed = Default::default();
        let mut edit = Edit { resources: self.resources.clone(), sums: self.sums, changed };
        change(&mut edit);
        let Edit { resources, sums, changed } = edit;
        let count: usize = changed.iter().map(Vec::len).sum();
        if count == 0 {
            return self.clone();
        }
        let revision = self.revision + 1;
        let mut log = self.log.clone();
        // Where there was nothing, all is new: the tree says the same, and most layers are made once and never edited. The log always
        // ends with the edit that made the layer, so what it told before goes, too.
        if self.is_empty() {
            log.clear();
        } else {
            if log.len() == LOG_EDITS {
                log.pop_front();
            }
            let names = (count <= LOG_NAMES).then(|| changed.map(Vec::into_boxed_slice));
            log.push_back(Arc::new(LoggedEdit { from: self.id, names }));
        }
        Arc::new(Self { id: next_id(), lineage: self.lineage, revision, resources, sums, log })
    }

    /// Whether it has no resources at all.
    pub fn is_empty(&self) -> bool {
        self.resources.iter().all(Resources::is_empty)
    }

    /// Unique identity of this very layer.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Count of edits since the lineage began.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The resource of that type and name.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        self.resources[kind.index()].get(name)
    }

    /// All resources of a type, in order of name.
    pub fn resources(&self, kind: ResourceType) -> &Resources {
        &self.resources[kind.index()]
    }

    /// What tells its content from others': equal for layers with equal resources, however they came to have them.
    pub fn content(&self) -> Content {
        Content(self.sums)
    }

    /// The sum of the fingerprints of all resources of a type: equal sums are equal names in equal versions.
    pub(crate) fn sum(&self, kind: ResourceType) -> u128 {
        self.sums[kind.index()]
    }

    /// Calls `visit` with each name of the type that may differ between `old` and this layer. A name can come more than once, and
    /// one that changed there and back comes although it is equal: whoever asks compares versions.
    pub fn changed_since(&self, old: &Layer, kind: ResourceType, mut visit: impl FnMut(&Arc<str>)) {
        if self.id == old.id {
            return;
        }
        // Thousands of streams ask for the last edit, each for every type.
        if let Some(LoggedEdit { from, names: Some(names) }) = self.log.last().map(|edit| &**edit)
            && *from == old.id
        {
            names[kind.index()].iter().for_each(visit);
            return;
        }
        if let Some(missed) = self.missed_by(old) {
            let edits = self.log.iter().skip(self.log.len() - missed);
            edits
                .flat_map(|edit| &edit.names)
                .for_each(|names| names[kind.index()].iter().for_each(&mut visit));
            return;
        }
        for item in old.resources(kind).diff(self.resources(kind)) {
            match item {
                DiffItem::Add(name, _) | DiffItem::Remove(name, _) => visit(name),
                DiffItem::Update { old: (name, _), .. } => visit(name),
            }
        }
    }

    /// How many edits at the end of the log are new to `old`, or `None` when the log does not tell all their names.
    fn missed_by(&self, old: &Layer) -> Option<usize> {
        if self.lineage != old.lineage {
            return None;
        }
        let missed = usize::try_from(self.revision.checked_sub(old.revision)?).ok()?;
        let first = self.log.len().checked_sub(missed)?;
        let mut edits = self.log.iter().skip(first).peekable();
        // A layer may have been edited twice: the log tells only of its own line.
        let ancestor = edits.peek().is_some_and(|edit| edit.from == old.id);
        (ancestor && edits.all(|edit| edit.names.is_some())).then_some(missed)
    }
}

/// Changes being made to a layer.
#[derive(Debug)]
pub struct Edit {
    resources: [Resources; TYPES],
    sums: [u128; TYPES],
    changed: [Vec<Arc<str>>; TYPES],
}

impl Edit {
    /// Adds or replaces a resource.
    pub fn set(&mut self, resource: Arc<Resource>) {
        let kind = resource.kind().index();
        let held = self.resources[kind].get(resource.name());
        if held.is_some_and(|held| held.fingerprint() == resource.fingerprint()) {
            return;
        }
        let before = held.map_or(0, |held| held.fingerprint());
        self.sums[kind] = self.sums[kind].wrapping_sub(before).wrapping_add(resource.fingerprint());
        self.changed[kind].push(resource.name().clone());
        self.resources[kind].insert(resource.name().clone(), resource);
    }

    /// Removes a resource.
    pub fn remove(&mut self, kind: ResourceType, name: &str) {
        if let Some(resource) = self.resources[kind.index()].remove(name) {
            let sum = &mut self.sums[kind.index()];
            *sum = sum.wrapping_sub(resource.fingerprint());
            self.changed[kind.index()].push(resource.name().clone());
        }
    }

    /// The resources of a type as they stand within this edit.
    pub fn resources(&self, kind: ResourceType) -> &Resources {
        &self.resources[kind.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResourceType::Cluster;

    fn cluster(name: &str, content: &str) -> Arc<Resource> {
        Resource::new(Cluster, name, content.as_bytes(), &[], Arc::new([]))
    }

    fn changed(new: &Layer, old: &Layer) -> Vec<String> {
        let mut names = Vec::new();
        new.changed_since(old, Cluster, |name| names.push(name.to_string()));
        names.sort();
        names
    }

    #[test]
    fn an_edit_that_changes_nothing_is_the_same_layer() {
        let layer = Layer::empty().edit(|edit| edit.set(cluster("a", "1")));
        let same = layer.edit(|edit| {
            edit.set(cluster("a", "1"));
            edit.remove(Cluster, "b");
        });
        assert!(Arc::ptr_eq(&layer, &same));
    }

    #[test]
    fn the_sum_of_fingerprints_follows_edits() {
        let direct = Layer::empty().edit(|edit| edit.set(cluster("a", "2")));
        let history = Layer::empty().edit(|edit| {
            edit.set(cluster("b", "1"));
            edit.set(cluster("a", "1"));
        });
        let history = history.edit(|edit| {
            edit.set(cluster("a", "2"));
            edit.remove(Cluster, "b");
            edit.remove(Cluster, "b");
        });
        assert_eq!(history.content(), direct.content());
        assert_ne!(direct.content(), Layer::empty().content());
    }

    #[test]
    fn the_log_and_the_trees_tell_the_same_names() {
        let old = Layer::empty().edit(|edit| {
            edit.set(cluster("a", "1"));
            edit.set(cluster("b", "1"));
        });
        let change = |edit: &mut Edit| {
            edit.set(cluster("a", "2"));
            edit.remove(Cluster, "b");
            edit.set(cluster("c", "1"));
        };
        let new = old.edit(change);
        let stranger = Layer::empty().edit(|edit| {
            edit.set(cluster("a", "1"));
            edit.set(cluster("b", "1"));
        });
        assert_eq!(changed(&new, &old), ["a", "b", "c"]);
        assert_eq!(changed(&new, &stranger), ["a", "b", "c"]);
        // Two edits of one layer are not a line: what the one has, the other has not.
        let sibling = old.edit(|edit| edit.set(cluster("d", "1")));
        assert_eq!(changed(&new, &sibling), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_layer_that_was_empty_between_tells_what_came_after() {
        let old = Layer::empty().edit(|edit| edit.set(cluster("a", "1")));
        let new = old.edit(|edit| edit.remove(Cluster, "a")).edit(|edit| edit.set(cluster("b", "1")));
        assert_eq!(changed(&new, &old), ["a", "b"]);
        let newer = new.edit(|edit| edit.set(cluster("c", "1")));
        assert_eq!(changed(&newer, &new), ["c"]);
        assert_eq!(changed(&newer, &old), ["a", "b", "c"]);
    }

    #[test]
    fn a_layer_far_behind_is_compared_by_its_tree() {
        let old = Layer::empty();
        let mut new = old.clone();
        for edit in 0..LOG_EDITS + 10 {
            new = new.edit(|layer| layer.set(cluster("a", &edit.to_string())));
        }
        assert_eq!(changed(&new, &old), ["a"]);
    }
}
