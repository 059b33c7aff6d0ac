//! `trustDomain` and its aliases, `meshMTLS`, `tlsDefaults`: who counts as the mesh's, and what TLS is limited to.
//!
//! What Envoy does not know must not get to it: it would refuse all listeners for the sake of one cipher.

use crate::at::At;
use mesh_model::{Reason, Str, TlsLimits, TlsVersion};
use schemars::JsonSchema;
use serde::Deserialize;

/// `meshMTLS` and `tlsDefaults`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// The lowest version of TLS.
    min_protocol_version: Option<Version>,
    /// Curves of the key exchange.
    #[serde(default)]
    ecdh_curves: Vec<String>,
    /// Cipher suites up to TLS 1.2.
    #[serde(default)]
    cipher_suites: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
enum Version {
    #[serde(rename = "TLS_AUTO")]
    Auto,
    #[serde(rename = "TLSV1_2")]
    V1_2,
    #[serde(rename = "TLSV1_3")]
    V1_3,
}

const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
];

const CURVES: &[&str] = &["P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"];

/// Reads the limits that are the setting `name` of the mesh.
pub fn parse_limits(config: TlsConfig, name: &str, at: &At<'_>) -> TlsLimits {
    let at = at.field(name);
    let TlsConfig { min_protocol_version, ecdh_curves, cipher_suites } = config;
    TlsLimits {
        min_version: match min_protocol_version {
            None | Some(Version::Auto | Version::V1_2) => TlsVersion::V1_2,
            Some(Version::V1_3) => TlsVersion::V1_3,
        },
        cipher_suites: parse_cipher_suites(&cipher_suites, &at.field("cipherSuites")),
        ecdh_curves: known(&ecdh_curves, CURVES, &at.field("ecdhCurves")),
    }
}

/// Ciphers that Envoy has.
pub fn parse_cipher_suites(names: &[String], at: &At<'_>) -> Vec<Str> {
    known(names, CIPHER_SUITES, at)
}

/// Those of `names` that there are, each once.
fn known(names: &[String], all: &[&str], at: &At<'_>) -> Vec<Str> {
    let mut found: Vec<Str> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !all.contains(&name.as_str()) {
            let hint = format!("use {}", all.join(", "));
            at.index(index).error_hint(
                Reason::InvalidValue,
                format!("`{name}` is left out: Envoy has none of that name"),
                hint,
            );
        } else if found.iter().any(|known| **known == **name) {
            let message = format!("`{name}` is named twice");
            at.index(index).warning_hint(Reason::Duplicate, message, "leave one of them out");
        } else {
            found.push(name.as_str().into());
        }
    }
    found
}

/// A trust domain as it stands in identities. As Istio: `project@domain` is written with a dot there.
pub fn parse_trust_domain(text: &str, at: &At<'_>) -> Option<Str> {
    let domain = text.replace('@', ".");
    let fits =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-_".contains(letter);
    if domain.is_empty() || domain.len() > 255 || !domain.chars().all(fits) {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no trust domain"),
            "write a name of lower-case letters, digits, `.`, `-` and `_`, such as cluster.local",
        );
        return None;
    }
    Some(domain.into())
}
