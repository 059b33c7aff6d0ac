//! An authority as a Secret, and back.
//!
//! The data that Istio knows stays as Istio has it, so that either control plane can go on with the other's Secret; how far a change of the
//! root is stands beside it, under names of our own.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{StoreError, Stored};
use crate::{
    authority::{Material, MaterialError, material::Data},
    root::rotation::{Kept, Rotation},
};

/// The Secret that somebody plugged in.
pub const PLUGGED_IN: &str = "cacerts";
/// The Secret of a self-signed authority.
pub const SELF_SIGNED: &str = "istio-ca-secret";
/// Set on it, with any value, it asks for a new root.
pub const ROTATE_ANNOTATION: &str = "identity.meltemi.io/rotate";
/// Its type, as Istio has it.
const TYPE: &str = "istio.io/ca-root";

const ROTATION: &str = "rotation.json";
const NEXT_CERTIFICATE: &str = "next-ca-cert.pem";
const NEXT_KEY: &str = "next-ca-key.pem";
const OLD_CERTIFICATE: &str = "old-ca-cert.pem";
/// In seconds.
const LONGEST: &str = "longest-lifetime";

/// Why a Secret holds no authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Its material.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// How far a change of the root is.
    #[error("{ROTATION}: {0}")]
    Rotation(String),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "camelCase")]
enum Written {
    Distributing {
        /// In seconds since 1970.
        since: u64,
    },
    Retiring {
        /// In seconds since 1970.
        until: u64,
    },
}

/// What a Secret holds.
pub(super) fn read(secret: &Secret, plugged_in: bool) -> Result<Stored, StoreError> {
    let name = if plugged_in { PLUGGED_IN } else { SELF_SIGNED };
    let data: Data =
        secret.data.iter().flatten().map(|(key, ByteString(bytes))| (key.clone(), bytes.clone())).collect();
    let unreadable = |error: SecretError| StoreError::Unreadable {
        place: format!("Secret {}/{name}", secret.metadata.namespace.as_deref().unwrap_or_default()),
        reason: error.to_string(),
    };
    let material = Material::from_secret(&data).map_err(|error| unreadable(error.into()))?;
    let rotation = if plugged_in { Rotation::Steady } else { read_rotation(&data).map_err(unreadable)? };
    let annotations = secret.metadata.annotations.as_ref();
    let requested =
        !plugged_in && annotations.is_some_and(|annotations| annotations.contains_key(ROTATE_ANNOTATION));
    let version = secret.metadata.resource_version.clone().unwrap_or_default();
    let longest = data.get(LONGEST).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok());
    let longest = longest.map(Duration::from_secs);
    Ok(Stored { kept: Kept { material, rotation, requested, longest }, version, plugged_in })
}

fn read_rotation(data: &Data) -> Result<Rotation, SecretError> {
    let Some(written) = data.get(ROTATION) else { return Ok(Rotation::Steady) };
    let wrong = |error: &dyn std::fmt::Display| SecretError::Rotation(error.to_string());
    let text = |name: &'static str| -> Result<String, SecretError> {
        let bytes = data.get(name).ok_or(MaterialError::Missing(name))?;
        String::from_utf8(bytes.clone()).map_err(|error| wrong(&error))
    };
    Ok(match serde_json::from_slice(written).map_err(|error| wrong(&error))? {
        Written::Distributing { since } => {
            let certificate = text(NEXT_CERTIFICATE)?;
            let next = Material {
                key: Zeroizing::new(text(NEXT_KEY)?),
                chain: String::new(),
                roots: certificate.clone(),
                revocations: None,
                certificate,
            };
            Rotation::Distributing { next: Box::new(next), since: time(since) }
        }
        Written::Retiring { until } => Rotation::Retiring { old: text(OLD_CERTIFICATE)?, until: time(until) },
    })
}

/// A Secret that holds `kept`; with `version`, it takes the place of that version only.
pub(super) fn write(kept: &Kept, namespace: &str, version: Option<&str>) -> Result<Secret, StoreError> {
    let Kept { material, rotation, requested, longest } = kept;
    let mut data = material.to_secret();
    let mut put = |name: &str, text: &str| data.insert(name.to_owned(), text.as_bytes().to_vec());
    if let Some(longest) = longest {
        put(LONGEST, &longest.as_secs().to_string());
    }
    let written = match rotation {
        Rotation::Steady => None,
        Rotation::Distributing { next, since } => {
            put(NEXT_CERTIFICATE, &next.certificate);
            put(NEXT_KEY, &next.key);
            Some(Written::Distributing { since: seconds(*since) })
        }
        Rotation::Retiring { old, until } => {
            put(OLD_CERTIFICATE, old);
            Some(Written::Retiring { until: seconds(*until) })
        }
    };
    if let Some(written) = written {
        let text = serde_json::to_string(&written)
            .map_err(|error| StoreError::Unavailable(format!("{ROTATION}: {error}")))?;
        put(ROTATION, &text);
    }
    let annotations = requested.then(|| BTreeMap::from([(ROTATE_ANNOTATION.to_owned(), "true".to_owned())]));
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(SELF_SIGNED.to_owned()),
            namespace: Some(namespace.to_owned()),
            resource_version: version.map(str::to_owned),
            annotations,
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(data.into_iter().map(|(key, bytes)| (key, ByteString(bytes))).collect()),
        ..Secret::default()
    })
}

fn seconds(time: SystemTime) -> u64 {
    // Up: a step that waits must not end early by a part of a second.
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() + u64::from(since.subsec_nanos() > 0))
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
