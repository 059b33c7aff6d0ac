//! The control plane's own certificate from files, where somebody else sees to it that it is renewed.
//!
//! In: two files. Out: a certificate that can be served with: its key is its own, and workloads trust whoever has signed it.

use std::{io, path::PathBuf, time::SystemTime};

use mesh_pki::{Credential, Error, chain};

use crate::authority::State;

/// Where they are.
#[derive(Debug, Clone)]
pub(crate) struct ServingFiles {
    /// The certificate, and what is between it and a root.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

/// Why they can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One of them can't be read.
    #[error("{path} can't be read: {error}")]
    Read {
        /// Which.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// They make no certificate that workloads would take.
    #[error("{path}: {error}")]
    Content {
        /// The certificate's file.
        path: String,
        /// Why not.
        error: Error,
    },
}

impl ServingFiles {
    /// What they have now.
    pub(crate) async fn read(&self, state: &State) -> Result<Credential, FilesError> {
        let Self { certificate, key } = self;
        let content = |error| FilesError::Content { path: certificate.display().to_string(), error };
        let credential =
            Credential::from_pem(&read(certificate).await?, &read(key).await?).map_err(content)?;
        check(&credential, state).map_err(content)?;
        Ok(credential)
    }
}

async fn read(path: &PathBuf) -> Result<String, FilesError> {
    let text = tokio::fs::read_to_string(path).await;
    text.map_err(|error| FilesError::Read { path: path.display().to_string(), error })
}

/// A certificate that workloads would refuse is worse than one that is about to end.
fn check(credential: &Credential, state: &State) -> Result<(), Error> {
    let mismatch = |text: &str| Error::Mismatch(text.to_owned());
    let name = credential.facts().dns_names.first().cloned();
    let name = name.ok_or_else(|| mismatch("it is for no name that agents could expect"))?;
    let (leaf, above) = credential.certified().cert.split_first().ok_or_else(|| mismatch("there is none"))?;
    let (between, _) = chain::path(leaf, above, state.bundle())
        .ok_or_else(|| mismatch("workloads are not told to trust its root: name that by --ca-cert-file"))?;
    chain::verify_server(leaf, &between, state.bundle(), &[name], SystemTime::now())
}
