//! The files as they were last read, and which of them a burst of events is about.
//!
//! In: paths that were touched. Out: edits for the files that differ. The names that the system gives are enough for an edit of
//! files among others; whatever else may have happened (a directory that came or went, a link, a lost event) is found by looking at
//! everything.

use super::burst::Burst;
use crate::{
    at::Context,
    files::{Found, Tree, find_files, is_hidden, is_read, read_files},
    store::Edit,
};
use mesh_model::Str;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What tells two versions of a file apart without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Found) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(&file.path).ok()?;
        let modified = metadata.modified().ok();
        Some(Self { path: file.path.clone(), modified, length: metadata.len(), inode: metadata.ino() })
    }
}

/// The files as they were last read.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    /// The root as events name it.
    absolute: PathBuf,
    context: Context,
    stamps: BTreeMap<Str, Stamp>,
    /// The directories that were found, relative to the root.
    directories: BTreeSet<PathBuf>,
    /// Whether a link was found.
    links: bool,
}

impl Files {
    /// Nothing read yet. Fails when nobody can say where `root` is.
    pub(super) fn new(root: PathBuf, context: Context) -> io::Result<Self> {
        let absolute = std::env::current_dir()?.join(&root);
        let (stamps, directories) = Default::default();
        Ok(Self { root, absolute, context, stamps, directories, links: false })
    }

    /// Where they are.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads what a burst of events was about.
    pub(super) fn update(&mut self, burst: &Burst) -> io::Result<Vec<Edit>> {
        let Some(named) = self.named(burst) else { return self.scan(burst) };
        for file in &named {
            // Taken before the file is read: a write in between shows as a difference next time.
            match Stamp::of(file) {
                Some(stamp) => self.stamps.insert(file.shown.clone(), stamp),
                None => self.stamps.remove(&file.shown),
            };
        }
        Ok(read_files(&named, &self.context))
    }

    /// The files that a burst was about, or `None` when names alone do not tell.
    fn named(&self, burst: &Burst) -> Option<Vec<Found>> {
        if burst.unknown || self.links {
            return None;
        }
        let mut named = Vec::new();
        for path in &burst.touched {
            let below = path.strip_prefix(&self.absolute).ok()?;
            if self.directories.contains(below) {
                return None;
            }
            if !below.parent().is_some_and(|parent| self.directories.contains(parent)) {
                // In a directory that is passed over, or in one whose own coming is still to be told.
                continue;
            }
            if is_hidden(below) {
                continue;
            }
            match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
            if is_read(below) {
                named.push(Found { shown: below.to_string_lossy().into(), path: self.root.join(below) });
            }
        }
        Some(named)
    }

    /// Looks at everything and reads what is new or differs; what was touched is read in any case.
    pub(super) fn scan(&mut self, burst: &Burst) -> io::Result<Vec<Edit>> {
        let Tree { files, directories, links, closed } = find_files(&self.root)?;
        let mut stamps = BTreeMap::new();
        let mut changed = Vec::new();
        for file in files {
            let Some(stamp) = Stamp::of(&file) else { continue };
            if self.is_touched(&file, burst) || self.stamps.get(&file.shown) != Some(&stamp) {
                changed.push(file.clone());
            }
            stamps.insert(file.shown, stamp);
        }
        // What is in a directory that can't be looked into any more stays as it was last.
        let is_closed = |path: &str| closed.iter().any(|closed| Path::new(path).starts_with(&**closed));
        for (path, stamp) in self.stamps.iter().filter(|(path, _)| is_closed(path)) {
            stamps.entry(path.clone()).or_insert_with(|| stamp.clone());
        }
        let mut edits = read_files(&changed, &self.context);
        let gone = self.stamps.keys().filter(|path| !stamps.contains_key(*path));
        edits.extend(gone.map(|path| Edit::File {
            path: path.clone(),
            objects: Vec::new(),
            problems: Vec::new(),
            partial: false,
        }));
        (self.stamps, self.directories, self.links) = (stamps, directories, links);
        Ok(edits)
    }

    fn is_touched(&self, file: &Found, burst: &Burst) -> bool {
        if burst.touched.is_empty() {
            return false;
        }
        match file.path.strip_prefix(&self.root) {
            // A single file is its own root.
            Ok(below) if below.as_os_str().is_empty() => burst.touched.contains(&self.absolute),
            Ok(below) => burst.touched.contains(&self.absolute.join(below)),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::burst::Event, *};
    use std::fs;

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";

    fn open(directory: &Path) -> Files {
        fs::create_dir(directory.join("deep")).unwrap();
        for name in ["a.yaml", "deep/b.yaml", ".hidden.yaml"] {
            fs::write(directory.join(name), SERVICE).unwrap();
        }
        let mut files = Files::new(directory.to_owned(), Context::default()).unwrap();
        assert_eq!(files.scan(&Burst::default()).unwrap().len(), 2);
        files
    }

    fn touched(directory: &Path, names: &[&str]) -> Burst {
        let mut burst = Burst::default();
        burst.add(Event { paths: names.iter().map(|name| directory.join(name)).collect(), whole: true });
        burst
    }

    fn read(edits: Vec<Edit>) -> Vec<String> {
        let path = |edit: Edit| match edit {
            Edit::File { path, objects, problems: _, partial: _ } => format!("{path} {}", objects.len()),
            other => format!("{other:?}"),
        };
        edits.into_iter().map(path).collect()
    }

    #[test]
    fn files_are_read_by_the_names_that_events_give() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut files = open(root);
        // Written behind its back: whoever looked at everything would find it.
        fs::write(root.join("unseen.yaml"), SERVICE).unwrap();
        fs::remove_file(root.join("a.yaml")).unwrap();
        fs::write(root.join("new.yaml"), SERVICE).unwrap();
        let burst = touched(
            root,
            &["a.yaml", "deep/b.yaml", "new.yaml", ".hidden.yaml", "notes.txt", "4913", "other/c.yaml"],
        );
        assert_eq!(read(files.update(&burst).unwrap()), ["a.yaml 0", "deep/b.yaml 1", "new.yaml 1"]);
        let all = files.scan(&Burst::default()).unwrap();
        assert_eq!(read(all), ["unseen.yaml 1"], "what was read by name is known");
    }

    #[test]
    fn directories_links_and_lost_events_need_a_look_at_everything() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut files = open(root);
        fs::write(root.join("unseen.yaml"), SERVICE).unwrap();
        fs::create_dir(root.join("young")).unwrap();
        assert_eq!(read(files.update(&touched(root, &["young"])).unwrap()), ["unseen.yaml 1"]);
        fs::rename(root.join("deep"), root.join("deeper")).unwrap();
        let moved = files.update(&touched(root, &["deep", "deeper"])).unwrap();
        assert_eq!(read(moved), ["deeper/b.yaml 1", "deep/b.yaml 0"]);
        fs::write(root.join("late.yaml"), SERVICE).unwrap();
        let mut lost = Burst::default();
        lost.add(Event { paths: Vec::new(), whole: false });
        assert_eq!(read(files.update(&lost).unwrap()), ["late.yaml 1"]);
        std::os::unix::fs::symlink("a.yaml", root.join("link.yaml")).unwrap();
        assert_eq!(read(files.update(&touched(root, &["link.yaml"])).unwrap()), ["link.yaml 1"]);
        fs::write(root.join("last.yaml"), SERVICE).unwrap();
        assert_eq!(read(files.update(&touched(root, &[".hidden.yaml"])).unwrap()), ["last.yaml 1"]);
    }

    #[test]
    fn a_directory_that_is_closed_keeps_what_it_had() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        // Nothing is closed to root: on a thread of its own somebody else looks.
        let look = move || {
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
            let mut files = open(&root);
            let close = |mode| fs::set_permissions(root.join("deep"), fs::Permissions::from_mode(mode));
            close(0o000).unwrap();
            let edits = files.scan(&Burst::default()).unwrap();
            let [Edit::File { path, problems, .. }] = edits.as_slice() else { panic!("{edits:?}") };
            let told: Vec<_> = problems.iter().map(|found| found.problem.to_string()).collect();
            assert_eq!(&**path, "deep");
            assert!(told.iter().any(|problem| problem.contains("Permission denied")), "{told:?}");
            close(0o755).unwrap();
            assert_eq!(read(files.scan(&Burst::default()).unwrap()), ["deep 0"]);
            fs::remove_file(root.join("deep/b.yaml")).unwrap();
            assert_eq!(read(files.scan(&Burst::default()).unwrap()), ["deep/b.yaml 0"]);
        };
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        std::thread::spawn(look).join().unwrap();
    }
}
