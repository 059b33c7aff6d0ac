//! Tokens for workloads of a mesh without a cluster, made in the same process that takes them.
//!
//! In: a namespace and a service account. Out: a token as a kubelet would mount it. The key never leaves the process, so that whoever has
//! a token was given it by whoever started the workload.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk, jwk::JwkSet};
use mesh_pki::keys::{self, KeyKind};
use serde::Serialize;

use crate::authenticate::{KeySource, OidcRule};

const ISSUER: &str = "https://meltemi.local";
const KEY_ID: &str = "local";

/// Makes tokens.
#[derive(Clone)]
pub struct LocalTokens {
    key: EncodingKey,
    audience: String,
    keys: JwkSet,
}

/// Tokens can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tokens for local workloads: {0}")]
pub struct LocalTokensError(String);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a [&'a str],
    sub: String,
    exp: u64,
}

impl LocalTokens {
    /// Tokens for `audience`, by a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(audience: &str) -> Result<Self, LocalTokensError> {
        let error = |error: &dyn std::fmt::Display| LocalTokensError(error.to_string());
        let pair = keys::generate(KeyKind::P256).map_err(|why| error(&why))?;
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(|why| error(&why))?;
        public.common.key_id = Some(KEY_ID.to_owned());
        Ok(Self { key, audience: audience.to_owned(), keys: JwkSet { keys: vec![public] } })
    }

    /// What an authority must be told to take these tokens.
    pub fn rule(&self) -> OidcRule {
        OidcRule {
            issuer: ISSUER.to_owned(),
            audiences: vec![self.audience.clone()],
            keys: KeySource::Inline(self.keys.clone()),
        }
    }

    /// A token of a service account.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn token(
        &self,
        namespace: &str,
        service_account: &str,
        lifetime: Duration,
    ) -> Result<String, LocalTokensError> {
        let expires = SystemTime::now() + lifetime;
        let claims = Claims {
            iss: ISSUER,
            aud: &[&self.audience],
            sub: format!("system:serviceaccount:{namespace}:{service_account}"),
            exp: expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        };
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims, &self.key).map_err(|error| LocalTokensError(error.to_string()))
    }
}
