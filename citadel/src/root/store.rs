//! Where an authority is kept: one object that is replaced as a whole, or not at all.

mod kubernetes;
mod memory;
mod secret;

pub use kubernetes::{KubernetesStore, request_rotation};
pub use memory::MemoryStore;
pub use secret::{PLUGGED_IN, ROTATE_ANNOTATION, SELF_SIGNED, SecretError};

use super::rotation::Kept;

/// What was kept, and which version of it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// It.
    pub kept: Kept,
    /// Names this version of it.
    pub version: String,
    /// Somebody else's: it is read and never written.
    pub plugged_in: bool,
}

/// The store can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or does not allow it.
    #[error("{0}")]
    Unavailable(String),
    /// What it holds can't be read.
    #[error("{place}: {reason}")]
    Unreadable {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
}

/// Keeps an authority.
pub trait Store: Clone + Send + Sync + 'static {
    /// What is kept, if anything is.
    fn load(&self) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Keeps `kept` if nothing is kept yet. Tells whether it did.
    fn create(&self, kept: &Kept) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps `kept` in place of `before`, if that is still what is kept. Tells whether it did.
    fn replace(&self, before: &Stored, kept: &Kept) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Resolves when something may have changed since the last call.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;

    /// Where it is, for people.
    fn place(&self, plugged_in: bool) -> String;
}
