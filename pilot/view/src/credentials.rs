//! Credentials as the secrets that proxies ask for by name.
//!
//! In: a credential. Out: a spec for each half that can be used. Who may have them is not decided here.

use crate::spec::{SecretContent, SecretSpec, credential_authorities, credential_certificate};
use mesh_model::Credential;

/// The secrets of the credential `name`: the one with the key, and the one without. A half that is missing gives none.
pub fn derive_secrets(name: &str, credential: &Credential) -> [Option<SecretSpec>; 2] {
    let Credential { certificate, authorities, named_by } = credential;
    let spec = |name, content| SecretSpec { name, content, origins: named_by.clone() };
    let certificate = certificate.as_ref().ok().cloned().map(SecretContent::Certificate);
    let authorities = authorities.as_ref().ok().cloned().map(SecretContent::Authorities);
    [
        certificate.map(|content| spec(credential_certificate(name), content)),
        authorities.map(|content| spec(credential_authorities(name), content)),
    ]
}
