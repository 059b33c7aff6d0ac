//! Envoy's secret discovery on a Unix socket: the workload's certificate and its roots.
//!
//! In: the identity as it changes, and revocation lists. Out: the secrets `default` and `ROOTCA`, and files that are asked for as secrets, to whoever may open the
//! socket (its owner alone). Both forms of
//! the protocol are spoken, state of the world and delta. Envoy keeps what it has when this ends.

mod file_watch;
mod files;
mod revocations;
mod secrets;
mod service;
mod session;

use std::{
    fs::Permissions,
    io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use mesh_pki::TrustBundle;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::Identity;

pub use secrets::{CERTIFICATE, ROOTS};

/// What secrets are made of.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Who the workload is.
    pub identity: watch::Receiver<Option<Identity>>,
    /// Where the mesh's revocation lists would be.
    pub revocations: Option<PathBuf>,
    /// Roots that are trusted besides those that come with the certificate.
    pub roots: Option<TrustBundle>,
}

impl From<watch::Receiver<Option<Identity>>> for Sources {
    fn from(identity: watch::Receiver<Option<Identity>>) -> Self {
        Self { identity, revocations: None, roots: None }
    }
}

/// Opens the socket, which its owner alone may use. One that an earlier process left behind is replaced.
///
/// # Errors
/// When it can't be opened, something else is in its place, or another process serves it.
pub async fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            if UnixStream::connect(path).await.is_ok() {
                let message = format!("{} is served by another process", path.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
            }
            std::fs::remove_file(path)?;
        }
        Ok(_) => {
            let message = format!("{} is there, and is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves secrets until `shutdown`, then ends the streams.
///
/// # Errors
/// When the socket can't be served.
pub async fn serve(
    listener: UnixListener,
    sources: impl Into<Sources>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let Sources { identity, revocations, roots } = sources.into();
    let files = Arc::new(service::Files::new(revocations, roots));
    let service = service::Secrets { identity, files, end: shutdown.clone() };
    Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown.cancelled_owned())
        .await
}
