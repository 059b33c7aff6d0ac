//! Secret, and ConfigMaps with authorities: certificates that a `credentialName` names.
//!
//! In: one of them with Istio's or Kubernetes' keys. Out: its two halves, each whole or why it is not. Whether that is wrong depends on who
//! names the object, so nothing is reported here: most are about something else, and of these nothing is kept. No message
//! repeats a value.

use super::Model;
use crate::{at::At, meta::Meta};
use k8s_openapi::ByteString;
use mesh_model::{Hidden, KeyPair, Str, TrustedAuthorities};
use mesh_pki::{
    Revocations,
    credential::{public_half, read_certificates},
    facts::public_key,
};
use serde_json::Value;
use std::{borrow::Cow, sync::Arc};

/// Keys of the certificate and of its private key: those that come first count.
const PAIRS: [(&str, &str); 2] = [("cert", "key"), ("tls.crt", "tls.key")];
/// Keys of authorities.
const AUTHORITIES: [&str; 2] = ["cacert", "ca.crt"];
/// Keys of lists of what these have revoked.
const REVOKED: [&str; 2] = ["crl", "ca.crl"];

/// What is known of a Secret, or of a ConfigMap, which has authorities alone.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyMaterial {
    /// It is there.
    Found {
        /// What servers are shown.
        certificate: Result<KeyPair, Str>,
        /// Whose certificates of servers are taken.
        authorities: Result<TrustedAuthorities, Str>,
    },
    /// There is none of that name.
    Absent,
    /// It can't be read: why.
    Closed(Str),
}

/// Reads a Secret.
pub fn parse(_: Meta, value: &Value, _: &At<'_>) -> Option<Model> {
    let content = Content { plain: &value["stringData"], encoded: &value["data"] };
    Some(Model::KeyMaterial(Arc::new(KeyMaterial::Found {
        certificate: parse_pair(&content),
        authorities: parse_authorities(&content),
    })))
}

/// Reads a ConfigMap. Its `binaryData` is not looked at, as in Istio.
pub fn parse_config_map(_: Meta, value: &Value, _: &At<'_>) -> Option<Model> {
    let content = Content { plain: &value["data"], encoded: &Value::Null };
    Some(Model::KeyMaterial(Arc::new(KeyMaterial::Found {
        certificate: Err("a ConfigMap has authorities alone".into()),
        authorities: parse_authorities(&content),
    })))
}

/// What is there by key: as text, and in base64.
struct Content<'a> {
    plain: &'a Value,
    encoded: &'a Value,
}

impl<'a> Content<'a> {
    fn has(&self, key: &str) -> bool {
        [self.plain, self.encoded].iter().any(|part| part.get(key).is_some_and(|value| value != ""))
    }

    /// The text under `key`.
    fn text(&self, key: &str) -> Result<Cow<'a, str>, Str> {
        if let Some(text) = self.plain.get(key).and_then(Value::as_str) {
            return Ok(text.into());
        }
        let decoded = serde_json::from_value::<ByteString>(self.encoded[key].clone());
        let decoded = decoded.ok().and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
        decoded.map(Cow::Owned).ok_or_else(|| format!("its `{key}` is no text in base64").into())
    }
}

fn parse_pair(content: &Content<'_>) -> Result<KeyPair, Str> {
    let found = PAIRS.into_iter().find(|(chain, key)| content.has(chain) && content.has(key));
    let (chain_key, key_key) = found.ok_or("it has neither `tls.crt` and `tls.key` nor `cert` and `key`")?;
    let (chain, key) = (content.text(chain_key)?, content.text(key_key)?);
    // Not as rustls sees it, which refuses certificates that Envoy takes. What a parser says is not repeated: it may quote them.
    let certificate = read_certificates(&chain).ok().and_then(|all| public_key(all.first()?).ok());
    let certificate = certificate.ok_or_else(|| format!("its `{chain_key}` is no certificate in PEM"))?;
    match public_half(&key) {
        Ok(public) if public == certificate => Ok(KeyPair { chain: chain.into(), key: Hidden::new(key) }),
        Ok(_) => Err(format!("its `{key_key}` is not the key of the certificate in `{chain_key}`").into()),
        Err(_) => Err(format!("its `{key_key}` is no private key that can be used").into()),
    }
}

fn parse_authorities(content: &Content<'_>) -> Result<TrustedAuthorities, Str> {
    let key = AUTHORITIES.into_iter().find(|key| content.has(key));
    let key = key.ok_or("it has neither `ca.crt` nor `cacert`")?;
    let certificates = content.text(key)?;
    if read_certificates(&certificates).map_or(true, |found| found.is_empty()) {
        return Err(format!("its `{key}` has no certificates in PEM").into());
    }
    let revoked = match REVOKED.into_iter().find(|key| content.has(key)) {
        None => None,
        Some(key) => {
            let lists = content.text(key)?;
            match Revocations::from_pem(&lists) {
                Ok(Some(_)) => Some(lists.into()),
                Ok(None) | Err(_) => return Err(format!("its `{key}` has no revocation lists in PEM").into()),
            }
        }
    };
    Ok(TrustedAuthorities { certificates: certificates.into(), revoked })
}
