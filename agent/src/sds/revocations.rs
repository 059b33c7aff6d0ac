//! Certificates of the mesh that are no longer good, in a file that the control plane's ConfigMap is mounted as.
//!
//! In: the file, and the workload's own chain and roots, with lists that came with these. Out: what Envoy is to look into. An empty file revokes nothing; one that has gone
//! or is broken leaves what it said before, and where it said nothing before, Envoy gets no roots either: nobody is trusted by mistake.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use mesh_pki::{Facts, Revocations};

use crate::Identity;

/// As large as what Envoy is handed for a secret may become.
const MAX_BYTES: u64 = 4 << 20;

/// What Envoy is to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lists {
    /// Nothing.
    None,
    /// Nobody can say.
    Unknown,
    /// These.
    Some {
        /// They.
        lists: Revocations,
        /// Some authority of the workload's own chain or roots has no list. Envoy then looks after the certificates of workloads only:
        /// it would refuse a whole chain for the sake of one authority without a list.
        only_leaves: bool,
    },
}

/// The file.
#[derive(Debug)]
pub(super) struct RevocationFile {
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// What it said when it could be read; `None`: it never could.
    said: Option<Option<Revocations>>,
    /// What was told last: each trouble is told once.
    told: Vec<String>,
}

impl RevocationFile {
    /// `None`: there is none. One in a directory that is not there is none: nothing is mounted later.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let path = path.filter(|path| path.parent().is_some_and(Path::is_dir));
        Self { path, held: Mutex::default() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What it says now, for a workload, with what came with the workload's certificate.
    pub(super) fn read(&self, identity: &Identity) -> Lists {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut troubles = Vec::new();
        if let Some(path) = &self.path {
            match load(path) {
                Ok(said) => held.said = Some(said),
                Err(Trouble::Absent) if held.said.is_none() => {}
                Err(trouble) => troubles.push(trouble.to_string()),
            }
        }
        let is_known = held.said.is_some() || troubles.is_empty();
        let of_file = held.said.clone().flatten();
        let all = of_file.into_iter().chain(identity.revoked.clone()).reduce(|one, other| one.with(&other));
        let lists = match all {
            _ if !is_known => Lists::Unknown,
            None => Lists::None,
            Some(lists) => {
                let missing = unlisted(identity, &lists);
                let only_leaves = !missing.is_empty();
                troubles
                    .extend(missing.into_iter().map(|authority| format!("there is no list of {authority}")));
                Lists::Some { lists, only_leaves }
            }
        };
        if troubles != held.told {
            let file = self.path.as_deref().map(Path::display);
            for trouble in &troubles {
                tracing::error!(
                    file = file.as_ref().map(tracing::field::display),
                    "revocation lists: {trouble}"
                );
            }
            held.told = troubles;
        }
        lists
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it is not there; what it said before goes on")]
    Absent,
    #[error("it can't be read: {0}")]
    Unreadable(io::Error),
    #[error("{0}")]
    Broken(mesh_pki::Error),
}

fn load(path: &Path) -> Result<Option<Revocations>, Trouble> {
    let trouble = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Trouble::Absent,
        _ => Trouble::Unreadable(error),
    };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)).map_err(trouble)?;
    Revocations::from_pem(&text).map_err(Trouble::Broken)
}

/// Authorities of the workload's own chain, and roots, of which there is no list.
fn unlisted(identity: &Identity, lists: &Revocations) -> Vec<String> {
    let chain = identity.credential.certified().cert.iter().skip(1);
    let authorities = chain.chain(identity.trusted.roots());
    let missing = authorities.filter(|authority| !lists.cover(authority));
    missing.filter_map(|authority| Facts::read(authority).ok()).map(|facts| facts.subject).collect()
}
