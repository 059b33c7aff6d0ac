//! Credentials: certificates, keys and authorities that a `credentialName` names, held for those whom they are for.
//!
//! In: what is in Secrets and ConfigMaps. Out: values that are whole, or why they are not. A private key is shown by nothing here: not in logs, not in
//! reports, not in tests that fail.

use crate::{ObjectRef, Str};
use std::fmt;

/// Text that is not to be seen: a private key, in PEM.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hidden(Str);

impl Hidden {
    /// Hides `text`.
    pub fn new(text: impl Into<Str>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A certificate with what is between it and a root, and its key: both in PEM, and they belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPair {
    /// The certificate, and those between it and a root.
    pub chain: Str,
    /// Its key.
    pub key: Hidden,
}

/// Whose certificates are taken, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustedAuthorities {
    /// Certificates of authorities; at least one.
    pub certificates: Str,
    /// Lists of certificates that they have revoked.
    pub revoked: Option<Str>,
}

/// What is behind a `credentialName`: each half as it can be used, or why it can't.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Credential {
    /// What servers are shown.
    pub certificate: Result<KeyPair, Str>,
    /// Whose certificates of servers are taken.
    pub authorities: Result<TrustedAuthorities, Str>,
    /// The objects that name it, in order.
    pub named_by: Vec<ObjectRef>,
}
