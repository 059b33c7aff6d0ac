//! The certificate and its key, kept for a restart.
//!
//! In: an [`Identity`]. Out: the same from a file that its owner alone can read, replaced as a whole. One that is broken, or no longer valid,
//! is none.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

use mesh_pki::{Credential, TrustBundle};
use serde::{Deserialize, Serialize};

use crate::Identity;

/// Changes with the form of the file.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    chain: String,
    key: String,
    roots: String,
}

/// Replaces what is kept in `file`.
///
/// # Errors
/// When it can't be written.
pub fn keep(file: &Path, identity: &Identity) -> io::Result<()> {
    // Lists come with identities that are not kept: those of another agent, which gives them anew.
    let Identity { credential, trusted, revoked: _ } = identity;
    let written = Written {
        format: FORMAT,
        chain: credential.chain_pem().to_owned(),
        key: credential.key_pem().to_owned(),
        roots: trusted.pem().to_owned(),
    };
    let beside = file.with_extension("new");
    // One that is there may have been made with other rights.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    open.write_all(&serde_json::to_vec(&written)?)?;
    fs::rename(&beside, file)
}

/// What is kept in `file`, if it is valid at `now`.
pub fn load(file: &Path, now: SystemTime) -> Option<Identity> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the certificate that was kept can't be read");
            return None;
        }
    };
    match parse(&text) {
        Ok(identity) if identity.credential.facts().is_valid(now) => Some(identity),
        Ok(_) => {
            tracing::info!(file = %file.display(), "the certificate that was kept is not valid any more");
            None
        }
        Err(reason) => {
            tracing::warn!(file = %file.display(), reason, "the certificate that was kept is of no use: it is ignored");
            None
        }
    }
}

fn parse(text: &[u8]) -> Result<Identity, String> {
    let written = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Written { format, chain, key, roots } = written;
    if format != FORMAT {
        return Err(format!("its format is {format} instead of {FORMAT}"));
    }
    let credential = Credential::from_pem(&chain, &key).map_err(|error| error.to_string())?;
    let trusted = TrustBundle::from_pem(&roots).map_err(|error| error.to_string())?;
    Ok(Identity { credential, trusted, revoked: None })
}
