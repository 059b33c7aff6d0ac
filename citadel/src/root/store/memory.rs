//! In this process: for a mesh on one machine, whose workloads end with it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Store, StoreError, Stored};
use crate::root::rotation::Kept;

/// Keeps an authority in memory. Clones are views of the same one.
#[derive(Clone)]
pub struct MemoryStore {
    kept: Arc<Mutex<Option<Kept>>>,
    version: Arc<watch::Sender<u64>>,
    seen: watch::Receiver<u64>,
}

impl MemoryStore {
    /// Nothing is kept yet.
    pub fn new() -> Self {
        let (version, seen) = watch::channel(0);
        Self { kept: Arc::default(), version: Arc::new(version), seen }
    }

    fn write(&self, change: impl FnOnce(&mut Option<Kept>, u64) -> bool) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut kept, *self.version.borrow());
        if changed {
            self.version.send_modify(|version| *version += 1);
        }
        changed
    }

    /// Asks for a new root.
    pub fn request_rotation(&self) {
        self.write(|kept, _| kept.as_mut().map(|kept| kept.requested = true).is_some());
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    async fn load(&self) -> Result<Option<Stored>, StoreError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let version = self.version.borrow().to_string();
        Ok(kept.map(|kept| Stored { kept, version, plugged_in: false }))
    }

    async fn create(&self, new: &Kept) -> Result<bool, StoreError> {
        Ok(self.write(|kept, _| {
            let free = kept.is_none();
            if free {
                *kept = Some(new.clone());
            }
            free
        }))
    }

    async fn replace(&self, before: &Stored, new: &Kept) -> Result<bool, StoreError> {
        Ok(self.write(|kept, version| {
            let same = before.version == version.to_string();
            if same {
                *kept = Some(new.clone());
            }
            same
        }))
    }

    async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            // It can't: the sender is in `self`.
            std::future::pending::<()>().await;
        }
    }

    fn place(&self, _: bool) -> String {
        "memory".to_owned()
    }
}
