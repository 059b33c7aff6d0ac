//! Credentials as the secrets that proxies ask for by name.
//!
//! In: a credential. Out: a spec for each half that can be used. Who may have them is not decided here.

use crate::spec::{
    SecretContent, SecretSpec, config_map_authorities, credential_authorities, credential_certificate,
};
use mesh_model::{Credential, NamespacedName, Str};

/// The secrets of a Secret `name`: the one with the key, and the one without. A half that is missing gives none.
pub fn derive_secrets(name: &str, credential: &Credential) -> [Option<SecretSpec>; 2] {
    let certificate = credential.certificate.as_ref().ok().cloned().map(SecretContent::Certificate);
    [
        certificate.map(|content| spec(credential_certificate(name), content, credential)),
        authorities(credential_authorities(name), credential),
    ]
}

/// The secret of the ConfigMap `name`.
pub fn derive_authorities(name: &NamespacedName, credential: &Credential) -> Option<SecretSpec> {
    authorities(config_map_authorities(name), credential)
}

fn authorities(name: Str, credential: &Credential) -> Option<SecretSpec> {
    let authorities = credential.authorities.as_ref().ok()?.clone();
    Some(spec(name, SecretContent::Authorities(authorities), credential))
}

fn spec(name: Str, content: SecretContent, credential: &Credential) -> SecretSpec {
    SecretSpec { name, content, origins: credential.named_by.clone() }
}
