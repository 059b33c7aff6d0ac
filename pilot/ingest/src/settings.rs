//! What the owner of the process decides about reading configuration.

use crate::{
    at::{Context, Finished, Shared},
    document::parse_text,
    kinds::parse_mesh_settings,
};
use mesh_model::{MeshConfig, Problem};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Settings of ingest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// DNS suffix of the cluster.
    pub domain: String,
    /// Namespace of the control plane and of mesh-wide defaults.
    pub root_namespace: String,
    /// A file with mesh settings (Istio's MeshConfig), instead of the ConfigMap. Read once, at the start.
    pub mesh_config: Option<PathBuf>,
    /// Name of the ConfigMap with mesh settings, in the root namespace.
    pub mesh_config_name: String,
}

impl Default for Settings {
    fn default() -> Self {
        let MeshConfig { domain, root_namespace, .. } = MeshConfig::default();
        Self {
            domain: domain.to_string(),
            root_namespace: root_namespace.to_string(),
            mesh_config: None,
            mesh_config_name: "istio".into(),
        }
    }
}

/// Why configuration cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The files, or the directory that they are in.
    #[error("cannot read {}: {source}", path.display())]
    Files {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file with mesh settings.
    #[error("{}: {problem}", path.display())]
    MeshConfig {
        /// What was asked for.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The cluster.
    #[error("cannot tell how to reach the cluster: {0}")]
    Cluster(String),
}

impl SourceError {
    pub(crate) fn files(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Files { path: path.to_owned(), source }
    }
}

impl Settings {
    /// What parsing needs of the settings, and problems of the file with mesh settings that leave it usable.
    pub(crate) fn context(&self) -> Result<(Context, Vec<Problem>), SourceError> {
        let Self { domain, root_namespace, mesh_config, mesh_config_name } = self;
        let base = MeshConfig {
            domain: domain.as_str().into(),
            root_namespace: root_namespace.as_str().into(),
            ..MeshConfig::default()
        };
        let mut context =
            Context { mesh_config: Arc::new(base), mesh_config_name: Some(mesh_config_name.as_str().into()) };
        let Some(path) = mesh_config else { return Ok((context, Vec::new())) };
        let text = std::fs::read_to_string(path).map_err(SourceError::files(path))?;
        let failed = |problem| SourceError::MeshConfig { path: path.clone(), problem };
        let value = parse_text(&text).map_err(failed)?;
        let shared = Shared::new(&context, root_namespace);
        let config = parse_mesh_settings(&value, &shared.root());
        let Finished { mut problems, references: _, undecodable } = shared.finish();
        problems.extend(undecodable);
        match config {
            Some(config) => {
                context = Context { mesh_config: Arc::new(config), mesh_config_name: None };
                Ok((context, problems))
            }
            None => {
                let unknown = Problem::error(mesh_model::Reason::Malformed, "", "this cannot be read");
                Err(failed(problems.pop().unwrap_or(unknown)))
            }
        }
    }
}
