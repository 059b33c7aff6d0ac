//! What the owner of the process decides about reading configuration.

use crate::{
    at::Context,
    kinds::{Model, Object},
    mesh_file::MeshFile,
    meta::DEFAULT_NAMESPACE,
};
use mesh_model::{MeshConfig, NamespacedName, Problem};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// Settings of ingest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// DNS suffix of the cluster.
    pub domain: String,
    /// Namespace of the control plane and of mesh-wide defaults.
    pub root_namespace: String,
    /// The trust domain of identities, where mesh settings name none.
    pub trust_domain: String,
    /// The cluster that this is in, as `topology.istio.io/cluster` names it.
    pub cluster: String,
    /// A file with mesh settings (Istio's MeshConfig), instead of the ConfigMap. Read again when it changes.
    pub mesh_config: Option<PathBuf>,
    /// Which of the workloads that files ask for and that run on this machine are ready; `None`: all.
    pub ready: Option<watch::Receiver<Arc<BTreeSet<NamespacedName>>>>,
    /// Name of the ConfigMap with mesh settings, in the root namespace.
    pub mesh_config_name: String,
    /// Namespace of objects in files that name none.
    pub namespace: String,
}

impl Default for Settings {
    fn default() -> Self {
        let MeshConfig { domain, root_namespace, trust_domain, cluster, .. } = MeshConfig::default();
        Self {
            domain: domain.to_string(),
            root_namespace: root_namespace.to_string(),
            trust_domain: trust_domain.to_string(),
            cluster: cluster.to_string(),
            mesh_config: None,
            ready: None,
            mesh_config_name: "istio".into(),
            namespace: DEFAULT_NAMESPACE.into(),
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
    /// The system has no thread left to look for problems with.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The cluster.
    #[error("cannot tell how to reach the cluster: {0}")]
    Cluster(String),
    /// Its API server does not answer.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
    /// It answers, and does not give everything.
    #[error(
        "not every kind could be listed within {0:?}: is there a right to list all of them in all namespaces?"
    )]
    Incomplete(std::time::Duration),
}

impl SourceError {
    pub(crate) fn files(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Files { path: path.to_owned(), source }
    }
}

impl Settings {
    /// What holds where mesh settings say nothing.
    pub(crate) fn base(&self) -> Context {
        let Self {
            domain,
            root_namespace,
            trust_domain,
            cluster,
            mesh_config: _,
            ready: _,
            mesh_config_name,
            namespace,
        } = self;
        let mesh_config = MeshConfig {
            domain: domain.as_str().into(),
            root_namespace: root_namespace.as_str().into(),
            trust_domain: trust_domain.as_str().into(),
            cluster: cluster.as_str().into(),
            ..MeshConfig::default()
        };
        Context {
            mesh_config: Arc::new(mesh_config),
            mesh_config_name: Some(mesh_config_name.as_str().into()),
            namespace: namespace.as_str().into(),
            is_cluster: false,
        }
    }

    /// What parsing needs of the settings. Fails when the file with mesh settings cannot be used: at the start there is no last good
    /// one.
    pub(crate) fn context(&self) -> Result<Context, SourceError> {
        let Some(file) = MeshFile::of(self) else { return Ok(self.base()) };
        let failed = |problem| SourceError::MeshConfig { path: file.path().to_owned(), problem };
        let Object { model, mut problems, .. } = file.read().map_err(failed)?;
        match model {
            Some(Model::MeshConfig(mesh_config)) => {
                Ok(Context { mesh_config, mesh_config_name: None, ..self.base() })
            }
            _ => {
                let unknown = || {
                    Problem::error(mesh_model::Reason::Malformed, "", "this cannot be read")
                        .hint("write the settings as in the ConfigMap's key `mesh`")
                };
                Err(failed(problems.pop().unwrap_or_else(unknown)))
            }
        }
    }
}
