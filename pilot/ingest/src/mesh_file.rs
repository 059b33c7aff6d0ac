//! The file with mesh settings that stands in for the ConfigMap.
//!
//! In: the file, at the start and whenever it may have changed. Out: the object that the ConfigMap would be, so that what holds for
//! objects holds for it: equal versions cost nothing, a bad one leaves the last good one in effect, and its problems are reported.

use crate::{
    at::Context,
    files::unreadable,
    kinds::{Object, row},
    object::parse_object,
    reload::{Burst, Events, emptied, never_closed},
    settings::{Settings, SourceError},
    store::{DocumentProblem, Edit},
    updates::Input,
};
use mesh_model::{Kind, Problem, Reason, Source, Str};
use serde_json::json;
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use tokio::{sync::mpsc, task::JoinSet};

/// A file with mesh settings.
#[derive(Debug, Clone)]
pub struct MeshFile {
    path: PathBuf,
    shown: Str,
    /// What holds where the file says nothing.
    base: Context,
}

impl MeshFile {
    /// The file that `settings` name, over what they say besides.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        let path = settings.mesh_config.clone()?;
        Some(Self { shown: path.to_string_lossy().into(), path, base: settings.base() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now.
    pub(crate) fn read(&self) -> Result<Object, Problem> {
        let malformed =
            |message: String, hint: &str| Problem::error(Reason::Malformed, "", message).hint(hint);
        let bytes = std::fs::read(&self.path).map_err(|error| {
            malformed(format!("cannot be read: {error}"), "let the user that runs this read it")
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|error| malformed(format!("this is not UTF-8: {error}"), "save the file as UTF-8"))?;
        let Context { mesh_config, mesh_config_name, namespace: _, is_cluster: _ } = &self.base;
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": mesh_config_name.as_deref(), "namespace": &*mesh_config.root_namespace },
            "data": { "mesh": text },
        });
        let row = row(Kind::MeshConfig)
            .ok_or_else(|| malformed("mesh settings are not read".into(), "leave the file out"))?;
        let mut object = parse_object(row, map, self.source(), &self.base)?;
        for problem in &mut object.problems {
            // The file is what the user wrote, not the ConfigMap.
            let path =
                problem.path.strip_prefix("data.mesh").map(|path| path.trim_start_matches('.').to_owned());
            problem.path = path.unwrap_or_else(|| std::mem::take(&mut problem.path));
        }
        Ok(object)
    }

    fn source(&self) -> Source {
        Source::File { path: self.shown.clone(), line: 1 }
    }

    fn edit(&self) -> Edit {
        let path = self.shown.clone();
        match self.read() {
            Ok(object) => Edit::File { path, objects: vec![object], problems: Vec::new(), partial: false },
            // A file that is gone or cannot be read leaves what it said.
            Err(problem) => unreadable(&path, problem),
        }
    }

    /// Its inode, and whether there is anything in it.
    fn stamp(&self) -> Option<(u64, bool)> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some((metadata.ino(), metadata.len() > 0))
    }
}

/// Says what the file says, and again whenever something happens beside it: a mounted ConfigMap changes by a link next to the file.
pub(crate) async fn start(
    file: MeshFile,
    inputs: mpsc::Sender<Input>,
    tasks: &mut JoinSet<()>,
) -> Result<(), SourceError> {
    let path = std::path::absolute(&file.path).map_err(SourceError::files(&file.path))?;
    let events = Events::below(path.parent().unwrap_or(&path));
    let stamp = file.stamp();
    // The queue is empty and longer than this.
    let _ = inputs.send(Input::Edits(vec![file.edit()])).await;
    tasks.spawn(follow(file, Follow { path, stamp, events }, inputs));
    Ok(())
}

/// What is known of a file besides what it says.
struct Follow {
    /// As events name it.
    path: PathBuf,
    /// As it was when it was last read.
    stamp: Option<(u64, bool)>,
    events: Events,
}

impl Follow {
    /// What the file says now, unless it is waited for: without a word it would say that everything is as it is by default.
    fn look(&mut self, file: &MeshFile, burst: &Burst) -> Option<Edit> {
        if burst.held.is_open(&self.path) {
            return None;
        }
        let is_late = burst.held.is_late(&self.path);
        let stamp = file.stamp();
        // One that was renamed into its place is another file, and whole.
        let is_emptied = matches!((self.stamp, stamp), (Some((was, true)), Some((is, false))) if was == is);
        if is_emptied && !is_late && !burst.is_over(&self.path) {
            self.events.emptied(self.path.clone());
            return Some(unreadable(&file.shown, emptied()));
        }
        self.stamp = stamp;
        let mut edit = file.edit();
        if let Edit::File { problems, .. } = &mut edit
            && is_late
        {
            problems.push(DocumentProblem { source: file.source(), problem: never_closed() });
        }
        Some(edit)
    }
}

async fn follow(file: MeshFile, mut known: Follow, inputs: mpsc::Sender<Input>) {
    while let Some(burst) = known.events.next().await {
        let read = file.clone();
        let look = move || {
            let edit = known.look(&read, &burst);
            (known, edit)
        };
        let edit;
        (known, edit) = match tokio::task::spawn_blocking(look).await {
            Ok(looked) => looked,
            Err(_) => return,
        };
        if let Some(edit) = edit
            && inputs.send(Input::Edits(vec![edit])).await.is_err()
        {
            return;
        }
    }
}
