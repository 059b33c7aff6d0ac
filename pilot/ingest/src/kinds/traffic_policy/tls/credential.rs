//! `credentialName`: a Secret with a certificate and authorities, or a ConfigMap with authorities alone.
//!
//! In: the name as it is written. Out: which object that is. Both are in the namespace of the rule, as in Istio.

use crate::at::At;
use mesh_model::{NamespacedName, Reason, Str};

/// The scheme of ConfigMaps.
const CONFIG_MAP_SCHEME: &str = "configmap://";
/// The scheme of Secrets, which may be left out.
const SECRET_SCHEME: &str = "kubernetes://";
/// The longest name of a Secret or ConfigMap.
const MAX_NAME: usize = 253;

/// What is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A Secret in the namespace of the rule, whose clients are there, too.
    Secret(Str),
    /// A ConfigMap. Clients are wherever the rule has some.
    ConfigMap(NamespacedName),
}

/// Whether sidecars take no notice of a block with this credential, unless its rule selects them. ConfigMaps are for all.
pub fn is_for_gateways(name: &str) -> bool {
    !name.starts_with(CONFIG_MAP_SCHEME)
}

/// Finds out which object is named; `mutual`: it is to have a certificate.
pub fn parse_credential(name: &str, mutual: bool, at: &At<'_>) -> Option<Named> {
    if let Some(name) = name.strip_prefix(CONFIG_MAP_SCHEME) {
        return parse_config_map(name, mutual, at);
    }
    let plain = name.strip_prefix(SECRET_SCHEME).unwrap_or(name);
    if plain.contains("://") {
        at.error_hint(
            Reason::NotSupported,
            "only Secrets and ConfigMaps are handed to sidecars, so nothing is sent to this host",
            "put it into a Secret, and write its name",
        );
        return None;
    }
    if !is_name(plain) {
        at.error_hint(
            Reason::InvalidValue,
            "this is no name of a Secret, so nothing is sent to this host",
            "name one in the namespace of this rule",
        );
        return None;
    }
    Some(Named::Secret(plain.into()))
}

/// `configmap://`, and then the name, or the namespace and the name.
fn parse_config_map(text: &str, mutual: bool, at: &At<'_>) -> Option<Named> {
    let own = at.namespace();
    let (namespace, name) = text.split_once('/').unwrap_or((own, text));
    if !is_name(name) {
        at.error_hint(
            Reason::InvalidValue,
            "this is no name of a ConfigMap, so nothing is sent to this host",
            format!("name one in the namespace of this rule, as in `configmap://{own}/roots`"),
        );
        return None;
    }
    if namespace != own {
        at.error_hint(
            Reason::InvalidValue,
            "a rule names ConfigMaps of its own namespace, so nothing is sent to this host",
            format!("write `configmap://{own}/{name}`, and put the authorities there"),
        );
        return None;
    }
    if mutual {
        at.error_hint(
            Reason::Conflict,
            "MUTUAL needs a certificate and its key, and a ConfigMap has authorities alone, so nothing is sent to this host",
            "name a Secret, or write `mode: SIMPLE`",
        );
        return None;
    }
    Some(Named::ConfigMap(NamespacedName::new(own, name)))
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits)
}
