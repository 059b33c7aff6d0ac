//! Revocation lists, for whether the control plane that answers is still who it was.
//!
//! In: the file that citadel's ConfigMap is mounted as. Out: what it says when a connection is made. A file that goes or breaks leaves what it
//! said before; one that could never be read lets nobody in.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use mesh_pki::Revocations;

use crate::{
    EnrolError,
    connect::{REVOCATIONS, contents, read},
};

/// The lists of a file, or of none. Clones share what was read last.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    path: Option<PathBuf>,
    /// What it said when it could be read.
    said: Arc<Mutex<Option<Option<Revocations>>>>,
}

impl Revoked {
    /// Those in `path`, when there is such a file.
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), said: Arc::default() }
    }

    /// What the file says now.
    ///
    /// # Errors
    /// When it is there, and could never be read.
    pub(crate) async fn read(&self) -> Result<Option<Revocations>, EnrolError> {
        let Some(path) = &self.path else { return Ok(None) };
        let parse =
            |pem: String| Revocations::from_pem(&pem).map_err(|error| contents(REVOCATIONS, path, &error));
        let now = read(REVOCATIONS, path).await.and_then(parse);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match (now, &*said) {
            (Ok(lists), _) => {
                *said = Some(lists.clone());
                Ok(lists)
            }
            (Err(_), Some(lists)) => Ok(lists.clone()),
            (Err(EnrolError::File { error, .. }), None) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            (Err(error), None) => Err(error),
        }
    }
}
