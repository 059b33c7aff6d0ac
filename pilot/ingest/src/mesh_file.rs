//! The file with mesh settings that stands in for the ConfigMap.
//!
//! In: the file, at the start and whenever it may have changed. Out: the object that the ConfigMap would be, so that what holds for
//! objects holds for it: equal versions cost nothing, a bad one leaves the last good one in effect, and its problems are reported.

use crate::{
    at::Context,
    kinds::{Object, row},
    object::parse_object,
    reload::Events,
    settings::{Settings, SourceError},
    store::{DocumentProblem, Edit},
    updates::Input,
};
use mesh_model::{Kind, Problem, Reason, Source, Str};
use serde_json::json;
use std::path::{Path, PathBuf};
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
        let Context { mesh_config, mesh_config_name, is_cluster: _ } = &self.base;
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
        let (objects, problems) = match self.read() {
            Ok(object) => (vec![object], Vec::new()),
            Err(problem) => (Vec::new(), vec![DocumentProblem { source: self.source(), problem }]),
        };
        // A file that is gone or cannot be read leaves what it said.
        let partial = objects.is_empty();
        Edit::File { path: self.shown.clone(), objects, problems, partial }
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
    // The queue is empty and longer than this.
    let _ = inputs.send(Input::Edits(vec![file.edit()])).await;
    tasks.spawn(follow(file, events, inputs));
    Ok(())
}

async fn follow(file: MeshFile, mut events: Events, inputs: mpsc::Sender<Input>) {
    while events.next().await.is_some() {
        let read = file.clone();
        let Ok(edit) = tokio::task::spawn_blocking(move || read.edit()).await else { return };
        if inputs.send(Input::Edits(vec![edit])).await.is_err() {
            return;
        }
    }
}
