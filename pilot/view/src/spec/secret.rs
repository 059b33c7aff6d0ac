//! What a secret that the control plane hands out depends on. Mirrors `envoy.extensions.transport_sockets.tls.v3.Secret`.

use mesh_model::{KeyPair, NamespacedName, ObjectRef, Str, TrustedAuthorities};

/// How the names of secrets begin that come of Secrets. Istio's.
const SECRET_SCHEME: &str = "kubernetes://";
/// And those of ConfigMaps.
const CONFIG_MAP_SCHEME: &str = "configmap://";

/// The secret that is the certificate and key of a Secret.
pub fn credential_certificate(credential: &str) -> Str {
    format!("{SECRET_SCHEME}{credential}").into()
}

/// The secret that is the authorities of a Secret.
pub fn credential_authorities(credential: &str) -> Str {
    format!("{SECRET_SCHEME}{credential}-cacert").into()
}

/// The secret that is the authorities of a ConfigMap.
pub fn config_map_authorities(NamespacedName { namespace, name }: &NamespacedName) -> Str {
    format!("{CONFIG_MAP_SCHEME}{namespace}/{name}-cacert").into()
}

/// Whether the control plane itself hands out the secret of this name.
pub fn is_handed_out(name: &str) -> bool {
    [SECRET_SCHEME, CONFIG_MAP_SCHEME].iter().any(|scheme| name.starts_with(scheme))
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretSpec {
    /// Its name.
    pub name: Str,
    /// What is in it.
    pub content: SecretContent,
    /// The objects that name it.
    pub origins: Vec<ObjectRef>,
}

/// What a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretContent {
    /// A certificate and its key.
    Certificate(KeyPair),
    /// Authorities, which are no secret.
    Authorities(TrustedAuthorities),
}
