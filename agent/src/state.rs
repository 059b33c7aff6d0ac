//! What is kept for a restart while the control plane is away: the configuration that Envoy accepted, and the certificate.
//!
//! In: accepted responses, in their order. Out: a [`Snapshot`] of what they add up to. Everything is in one directory that only its owner may
//! enter, on the pod's memory volume. It knows names, versions and bytes, not what is in them. A thread of its own does the IO; what
//! comes faster than it writes (`pending`) replaces what was not written yet.

pub mod identity;
mod log;
mod pending;
mod snapshot;

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use tokio::sync::oneshot;

pub use snapshot::Snapshot;

use log::Log;
use pending::{Pending, Request};

/// More than this is not kept: the memory is the pod's.
const MOST: u64 = 128 << 20;

/// The configuration that is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Open>);

/// The thread ends with the last of those that hold this.
#[derive(Debug)]
struct Open(Arc<Pending>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.end();
    }
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
        let pending = Arc::new(Pending::default());
        let received = pending.clone();
        thread::Builder::new().name("state".to_owned()).spawn(move || {
            while let Some(request) = received.next() {
                match request {
                    Request::Accepted(response) => log.accepted(&response),
                    Request::Forget(type_url) => log.forget(&type_url),
                    // Nobody waits for it any more.
                    Request::Read(reply) => drop(reply.send(log.read())),
                }
            }
        })?;
        Ok(Self(Arc::new(Open(pending))))
    }

    /// Envoy has accepted a response (`DeltaDiscoveryResponse`, encoded).
    pub fn accepted(&self, response: Bytes) {
        self.0.0.push(Request::Accepted(response));
    }

    /// All of a type is void: what is accepted next is all that there is.
    pub fn forget(&self, type_url: &str) {
        self.0.0.push(Request::Forget(type_url.to_owned()));
    }

    /// What is kept now.
    pub async fn read(&self) -> Snapshot {
        let (reply, snapshot) = oneshot::channel();
        self.0.0.push(Request::Read(reply));
        snapshot.await.unwrap_or_default()
    }
}
