//! Where the authority comes from: a Secret that somebody plugged in, or one that the first replica makes.
//!
//! In: Secrets. Out: [`Authority`], kept up to date. A change that would break connections, or that makes no authority, is not taken: what
//! was good stays, and a warning and a metric say so.

pub mod create;
pub mod keep;
pub mod rotation;
pub mod store;

use std::time::SystemTime;

use mesh_pki::Error;

use crate::{
    authority::{MaterialError, State},
    root::{
        create::Request,
        rotation::Kept,
        store::{Store, StoreError, Stored},
    },
};

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The Secret can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in it makes no authority.
    #[error("the certificate authority in {place}: {source}")]
    Material {
        /// Where it is.
        place: String,
        /// What is wrong.
        source: MaterialError,
    },
    /// A key or a certificate can't be made.
    #[error("a new certificate authority: {0}")]
    Create(#[from] Error),
}

/// An authority and how it was kept.
pub struct Loaded {
    /// It.
    pub state: State,
    /// As it was kept.
    pub stored: Stored,
    /// Whether nobody had one before.
    pub created: bool,
}

/// Loads the authority; makes one if there is none. Replicas may do so at the same time: the first to write wins, and the others take its.
///
/// # Errors
/// When the store can't be used, or holds something that is no authority: then a new one would lock every workload out.
pub async fn load_or_create(store: &impl Store, request: &Request) -> Result<Loaded, RootError> {
    let mut created = false;
    loop {
        if let Some(stored) = store.load().await? {
            let now = SystemTime::now();
            let state = stored
                .kept
                .state(now)
                .map_err(|source| RootError::Material { place: store.place(stored.plugged_in), source })?;
            return Ok(Loaded { state, stored, created });
        }
        let material = Kept::steady(create::self_signed(request, SystemTime::now())?);
        // Read back in either case: what counts is what is kept.
        created = store.create(&material).await?;
    }
}
