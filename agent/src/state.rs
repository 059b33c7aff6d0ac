//! What is kept for a restart while the control plane is away: the configuration that Envoy accepted, and the certificate.
//!
//! In: accepted responses, in their order. Out: a [`Snapshot`] of what they add up to. Everything is in one directory that only its owner may
//! enter, on the pod's memory volume. It knows names, versions and bytes, not what is in them. A thread of its own does the IO.

pub mod identity;
mod log;
mod snapshot;

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    sync::mpsc,
    thread,
};

use bytes::Bytes;
use tokio::sync::oneshot;

pub use snapshot::Snapshot;

use log::Log;

/// More than this is not kept: the memory is the pod's.
const MOST: u64 = 128 << 20;

enum Request {
    Accepted(Bytes),
    Forget(String),
    Read(oneshot::Sender<Snapshot>),
}

/// The configuration that is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    requests: mpsc::Sender<Request>,
}

impl Store {
    /// Opens what an earlier process of the same proxy kept in `directory`, or begins anew.
    ///
    /// # Errors
    /// When the directory can't be made, or is not ours.
    pub fn open(directory: &Path, node: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
        let path = directory.join("configuration");
        let mut log = Log::open(&path, node, MOST);
        let (requests, received) = mpsc::channel();
        thread::Builder::new().name("state".to_owned()).spawn(move || {
            for request in received {
                match request {
                    Request::Accepted(response) => log.accepted(&response),
                    Request::Forget(type_url) => log.forget(&type_url),
                    // Nobody waits for it any more.
                    Request::Read(reply) => drop(reply.send(log.read())),
                }
            }
        })?;
        Ok(Self { requests })
    }

    /// Envoy has accepted a response (`DeltaDiscoveryResponse`, encoded).
    pub fn accepted(&self, response: Bytes) {
        // The thread ends with the last of us.
        let _ = self.requests.send(Request::Accepted(response));
    }

    /// All of a type is void: what is accepted next is all that there is.
    pub fn forget(&self, type_url: &str) {
        let _ = self.requests.send(Request::Forget(type_url.to_owned()));
    }

    /// What is kept now.
    pub async fn read(&self) -> Snapshot {
        let (reply, snapshot) = oneshot::channel();
        let _ = self.requests.send(Request::Read(reply));
        snapshot.await.unwrap_or_default()
    }
}
