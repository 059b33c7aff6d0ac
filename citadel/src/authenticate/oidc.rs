//! Tokens of an OIDC issuer: workloads outside of any cluster, and meshes without one.
//!
//! In: a JWT. Out: the service account in its `sub`, if the issuer's keys say that it is genuine, current and meant for us. Keys are
//! given, or fetched from the issuer and fetched again when a token names one that is not known, at most every so often.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous, decode, decode_header, jwk::JwkSet};
use serde::Deserialize;
use tokio::{sync::Mutex, time::timeout};

use super::{Refusal, TrustDomain, service_account};
use crate::caller::{Caller, Proof};

/// Between two fetches of keys.
const FETCH_EVERY: Duration = Duration::from_secs(30);
/// Keys are fetched anew after this time in any case: the issuer may have withdrawn one.
const KEYS_LAST: Duration = Duration::from_secs(20 * 60);
/// Seconds by which the issuer's clock may differ.
const CLOCK_SKEW: u64 = 5;
const FETCH_WITHIN: Duration = Duration::from_secs(5);
const MAX_KEYS_BYTES: usize = 256 * 1024;
/// Signatures by a shared secret are never taken: a public key could be passed off as the secret.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::EdDSA,
];

/// Which tokens are taken.
#[derive(Debug, Clone)]
pub struct OidcRule {
    /// `iss`.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are.
    pub keys: KeySource,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Here.
    Inline(JwkSet),
    /// At this URL.
    Url(http::Uri),
    /// Where the issuer's `/.well-known/openid-configuration` says.
    Discover,
}

/// A rule that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule for tokens: {0}")]
pub struct OidcError(String);

/// Istio's `JWT_RULE`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule {
    issuer: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default, alias = "jwks_uri")]
    jwks_uri: Option<String>,
    #[serde(default)]
    jwks: Option<String>,
}

impl OidcRule {
    /// From JSON as in Istio's `JWT_RULE`.
    ///
    /// # Errors
    /// When it is not one, or names no audience.
    pub fn from_json(text: &str) -> Result<Self, OidcError> {
        let wrong = |error: &dyn std::fmt::Display| OidcError(error.to_string());
        let WrittenRule { issuer, audiences, jwks_uri, jwks } =
            serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if audiences.is_empty() {
            return Err(wrong(&"it names no audience: any token of the issuer would do"));
        }
        let keys = match (jwks, jwks_uri) {
            (Some(jwks), _) => KeySource::Inline(serde_json::from_str(&jwks).map_err(|error| wrong(&error))?),
            (None, Some(uri)) => KeySource::Url(uri.parse().map_err(|error| wrong(&error))?),
            (None, None) => KeySource::Discover,
        };
        Ok(Self { issuer, audiences, keys })
    }
}

/// Judges tokens of one issuer.
pub struct Oidc {
    rule: OidcRule,
    fetched: Mutex<Fetched>,
}

#[derive(Default)]
struct Fetched {
    keys: Option<Arc<JwkSet>>,
    at: Option<Instant>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

#[derive(Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: String,
}

impl Oidc {
    /// By `rule`.
    pub fn new(rule: OidcRule) -> Self {
        Self { rule, fetched: Mutex::default() }
    }

    /// Whether a token says that it is of this issuer. Whether it truly is, is looked at later.
    pub(super) fn is_issuer_of(&self, token: &str) -> bool {
        dangerous::insecure_decode_claims::<Issuer>(token).is_ok_and(|claims| claims.iss == self.rule.issuer)
    }

    pub(super) async fn caller(&self, token: &str, domain: &TrustDomain) -> Result<Caller, Refusal> {
        let unproven = |error: &dyn std::fmt::Display| Refusal::Unproven(format!("token: {error}"));
        let header = decode_header(token).map_err(|error| unproven(&error))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(unproven(&"its algorithm is not taken"));
        }
        let keys = self.keys(header.kid.as_deref()).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.rule.issuer]);
        validation.set_audience(&self.rule.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = CLOCK_SKEW;
        let mut why = "no key of the issuer fits".to_owned();
        let named = |key: &&jsonwebtoken::jwk::Jwk| header.kid.is_none() || key.common.key_id == header.kid;
        for key in keys.keys.iter().filter(named) {
            let verified =
                DecodingKey::from_jwk(key).and_then(|key| decode::<Claims>(token, &key, &validation));
            match verified {
                Ok(data) => {
                    let (namespace, account) = service_account(&data.claims.sub)
                        .ok_or_else(|| unproven(&"`sub` is not system:serviceaccount:<namespace>:<name>"))?;
                    return Ok(Caller { identity: domain.identity(namespace, account)?, proof: Proof::Oidc });
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(unproven(&why))
    }

    async fn keys(&self, wanted: Option<&str>) -> Result<Arc<JwkSet>, Refusal> {
        let url = match &self.rule.keys {
            KeySource::Inline(keys) => return Ok(Arc::new(keys.clone())),
            KeySource::Url(url) => Some(url),
            KeySource::Discover => None,
        };
        // Under the lock: callers that come meanwhile wait for the one fetch.
        let mut fetched = self.fetched.lock().await;
        let age = fetched.at.map(|at| at.elapsed());
        let known =
            fetched.keys.as_ref().is_some_and(|keys| wanted.is_none_or(|wanted| keys.find(wanted).is_some()));
        let due = age.is_none_or(|age| age > KEYS_LAST || (!known && age > FETCH_EVERY));
        if due {
            fetched.at = Some(Instant::now());
            match timeout(FETCH_WITHIN, fetch_keys(&self.rule.issuer, url)).await {
                Ok(Ok(keys)) => fetched.keys = Some(Arc::new(keys)),
                Ok(Err(error)) => tracing::warn!(issuer = self.rule.issuer, error, "cannot fetch its keys"),
                Err(_) => tracing::warn!(issuer = self.rule.issuer, "cannot fetch its keys in time"),
            }
        }
        fetched.keys.clone().ok_or_else(|| Refusal::Unavailable("the issuer's keys are not here".to_owned()))
    }
}

#[derive(Deserialize)]
struct Discovered {
    jwks_uri: String,
}

async fn fetch_keys(issuer: &str, url: Option<&http::Uri>) -> Result<JwkSet, String> {
    let url = match url {
        Some(url) => url.clone(),
        None => {
            let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let body = fetch(place.parse().map_err(|error| format!("{place}: {error}"))?).await?;
            let found: Discovered =
                serde_json::from_slice(&body).map_err(|error| format!("{place}: {error}"))?;
            found.jwks_uri.parse().map_err(|error| format!("jwks_uri: {error}"))?
        }
    };
    serde_json::from_slice(&fetch(url).await?).map_err(|error| error.to_string())
}

async fn fetch(url: http::Uri) -> Result<Bytes, String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| error.to_string())?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.get(url.clone()).await.map_err(|error| format!("{url}: {error}"))?;
    if !answer.status().is_success() {
        return Err(format!("{url}: {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_KEYS_BYTES).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| format!("{url}: {error}"))
}
