//! YAML and JSON files.
//!
//! In: a file, or a directory with all that is in it. Out: one edit a file. Hidden files are passed over; of a mounted ConfigMap
//! that leaves the links to the current version.

use crate::{
    assemble::Ingest,
    at::Context,
    document::{MAX_FILE, parse_documents, too_large},
    recognise::read_document,
    report::Report,
    settings::{Settings, SourceError},
    store::{DocumentProblem, Edit},
};
use mesh_model::{Mesh, Problem, Reason, Source, Str};
use rustix::fs::OFlags;
use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Directories below directories; nobody keeps configuration deeper.
const MAX_DEPTH: usize = 32;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// As shown to the user.
    pub shown: Str,
    /// Where it is.
    pub path: PathBuf,
}

/// All that there is to read at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The files, in order of their paths.
    pub files: Vec<Found>,
    /// The directories that were looked into, relative to the place.
    pub directories: BTreeSet<PathBuf>,
    /// Whether anything is a link: then a change elsewhere may change what is found here.
    pub links: bool,
    /// Directories that can't be looked into, as shown to the user; they are among the files, to be told so.
    pub closed: Vec<Str>,
}

/// What there is to read at `root`.
pub fn find_files(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree { links: std::fs::symlink_metadata(root)?.is_symlink(), ..Tree::default() };
    if std::fs::metadata(root)?.is_dir() {
        walk(root, Path::new(""), &mut Vec::new(), &mut tree)?;
    } else {
        tree.files.push(Found { shown: root.to_string_lossy().into(), path: root.to_owned() });
    }
    tree.files.sort();
    tree.files.dedup();
    Ok(tree)
}

/// Whether a file or directory of this name is passed over.
pub fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

/// Whether a file of this name is read.
pub fn is_read(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    !is_hidden(path) && matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}

/// A directory that is being looked into, whatever it is called.
struct Ancestor {
    device: u64,
    inode: u64,
    /// The last link on the way to it, relative to the root.
    link: Option<PathBuf>,
}

/// Looks into `directory`, which is relative to `root` and below `ancestors`.
fn walk(root: &Path, directory: &Path, ancestors: &mut Vec<Ancestor>, tree: &mut Tree) -> io::Result<()> {
    let path = root.join(directory);
    let metadata = std::fs::metadata(&path)?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let is_link = !directory.as_os_str().is_empty() && std::fs::symlink_metadata(&path)?.is_symlink();
    let above = ancestors.last().and_then(|above| above.link.clone());
    let link = if is_link { Some(directory.to_owned()) } else { above };
    let is_loop = ancestors.iter().any(|above| (above.device, above.inode) == (device, inode));
    if is_loop || ancestors.len() > MAX_DEPTH {
        // It is among the files, to be told so: by the link that leads back.
        let told = link.filter(|_| is_loop).unwrap_or_else(|| directory.to_owned());
        tree.files.push(Found { shown: told.to_string_lossy().into(), path: root.join(told) });
        return Ok(());
    }
    ancestors.push(Ancestor { device, inode, link });
    let walked = walk_entries(root, directory, ancestors, tree);
    ancestors.pop();
    walked
}

fn walk_entries(
    root: &Path,
    directory: &Path,
    ancestors: &mut Vec<Ancestor>,
    tree: &mut Tree,
) -> io::Result<()> {
    tree.directories.insert(directory.to_owned());
    for entry in std::fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = entry.path();
        if is_hidden(&path) {
            continue;
        }
        let below = directory.join(entry.file_name());
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            tree.links = true;
            // What is gone between listing and looking was never here.
            let Ok(target) = std::fs::metadata(&path) else { continue };
            kind = target.file_type();
        }
        if kind.is_dir() {
            match walk(root, &below, ancestors, tree) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    let shown: Str = below.to_string_lossy().into();
                    tree.closed.push(shown.clone());
                    tree.files.push(Found { shown, path });
                }
                Ok(()) => {}
            }
        } else if is_read(&below) {
            tree.files.push(Found { shown: below.to_string_lossy().into(), path });
        }
    }
    Ok(())
}

/// Reads one file.
pub fn read_file(file: &Found, context: &Context) -> Edit {
    match read_bytes(&file.path) {
        Ok(Ok(bytes)) => parse_file(&file.shown, &bytes, context),
        Ok(Err(problem)) => unreadable(&file.shown, problem),
        // Removed since it was found.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Edit::File { path: file.shown.clone(), objects: Vec::new(), problems: Vec::new(), partial: false }
        }
        Err(error) => {
            let problem = Problem::error(Reason::Malformed, "", format!("cannot be read: {error}"));
            unreadable(
                &file.shown,
                problem.hint("let the user that runs this read it, or take it out of the directory"),
            )
        }
    }
}

/// What is in a file, or why it is not read. A pipe has no beginning that would be waited for, and a device no end.
fn read_bytes(path: &Path) -> io::Result<Result<Vec<u8>, Problem>> {
    let no_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(no_waiting).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(Err(not_looked_into(path)));
    }
    if !metadata.is_file() {
        let problem =
            Problem::error(Reason::Malformed, "", "it is a pipe, a device or a socket, which is not read");
        return Ok(Err(problem.hint("put a file here, or take this out of the directory")));
    }
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > MAX_FILE {
        return Ok(Err(too_large("the file", length, MAX_FILE)));
    }
    let mut bytes = Vec::with_capacity(length);
    // It may grow meanwhile; what is beyond the limit is told from what is parsed.
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// What is said of a directory that is passed over.
fn not_looked_into(path: &Path) -> Problem {
    if path.is_symlink() {
        let message = "this link leads back to a directory that it is in, so it is not followed";
        return Problem::warning(Reason::Malformed, "", message).hint("take the link out of the directory");
    }
    let message = format!("directories are looked into down to {MAX_DEPTH} levels, and this one is deeper");
    Problem::error(Reason::Malformed, "", message).hint("move what is to be read further up")
}

/// Reads all that comes out of a pipe or a device, up to the limit.
fn read_stream(path: &Path, context: &Context) -> io::Result<Edit> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(parse_file(&path.to_string_lossy().into(), &bytes, context))
}

/// What a file said last stays, and why.
pub(crate) fn unreadable(path: &Str, problem: Problem) -> Edit {
    let source = Source::File { path: path.clone(), line: 1 };
    let problems = vec![DocumentProblem { source, problem }];
    Edit::File { path: path.clone(), objects: Vec::new(), problems, partial: true }
}

/// Reads the text of a file.
pub fn parse_file(path: &Str, bytes: &[u8], context: &Context) -> Edit {
    let documents = match parse_documents(bytes) {
        Ok(documents) => documents,
        Err(problem) => return unreadable(path, problem),
    };
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for document in documents {
        let source = Source::File { path: path.clone(), line: document.line };
        match document.value {
            Ok(value) => read_document(value, &source, context, &mut objects, &mut problems),
            Err(problem) => problems.push(DocumentProblem { source, problem }),
        }
    }
    // A document that is misread is an object that may have been good before; one of a kind that is not built never was.
    let partial = problems.iter().any(|found| found.problem.reason != Reason::NotSupported);
    Edit::File { path: path.clone(), objects, problems, partial }
}

/// Reads all files, on as many threads as there are processors.
pub fn read_files(files: &[Found], context: &Context) -> Vec<Edit> {
    // The usual edit: not worth a thread.
    if let [file] = files {
        return vec![read_file(file, context)];
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
    let queue = Mutex::new(files.iter().enumerate());
    let mut edits: Vec<(usize, Edit)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut edits = Vec::new();
                    loop {
                        // A poisoned queue is still a queue: the panic that poisoned it surfaces at the join.
                        let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                        let Some((index, file)) = next else { return edits };
                        edits.push((index, read_file(file, context)));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    edits.sort_by_key(|(index, _)| *index);
    edits.into_iter().map(|(_, edit)| edit).collect()
}

/// Reads everything at `path` once.
pub fn load(path: &Path, settings: Settings) -> Result<(Arc<Mesh>, Report), SourceError> {
    let context = settings.context()?;
    let told = SourceError::files(path);
    let edits = match std::fs::metadata(path) {
        // One that was named is waited for: it may be what another program writes.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            vec![read_stream(path, &context).map_err(told)?]
        }
        _ => read_files(&find_files(path).map_err(told)?.files, &context),
    };
    let mut ingest = Ingest::new(context);
    ingest.apply(edits);
    let snapshot = ingest.snapshot();
    let report = Report::new(&snapshot);
    Ok((snapshot.mesh, report))
}
