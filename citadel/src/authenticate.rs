//! Finds out who calls.
//!
//! In: what came with a request: the certificates of its connection, its metadata. Out: a [`Caller`], or why there is none. The order is
//! Istio's: a certificate of the mesh, then a token of an OIDC issuer, then one of a service account. What was tried and failed is
//! logged; a caller learns only that it is not known, and whether to try again.

mod cache;
mod certificate;
mod clusters;
mod layer;
mod oidc;
mod token_review;

use std::{sync::Arc, time::SystemTime};

use http::{Extensions, HeaderMap};
use mesh_pki::SpiffeId;
use mesh_runtime::transport::Peer;
use tokio::sync::watch;
use tonic::Status;

use crate::{caller::Caller, config::MeshIdentity};

pub use clusters::{Clusters, KubeconfigError};
pub(crate) use clusters::{Reviewer, follow};
pub use layer::{Authenticated, RequireCaller};
pub use oidc::{KeySource, Oidc, OidcError, OidcRule};
pub use token_review::TokenReviewer;

/// Largest token that is looked at.
const MAX_TOKEN: usize = 16 * 1024;

/// The trust domain of a mesh, and its other names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain {
    /// In which identities are issued.
    pub name: String,
    /// Whose certificates are taken, too.
    pub aliases: Vec<String>,
}

impl TrustDomain {
    /// Whether an identity belongs to the mesh.
    pub fn has(&self, identity: &SpiffeId) -> bool {
        let domain = identity.trust_domain();
        self.name == domain || self.aliases.iter().any(|alias| alias == domain)
    }

    /// The identity of a service account of the mesh.
    fn identity(&self, namespace: &str, service_account: &str) -> Result<SpiffeId, Refusal> {
        SpiffeId::new(&self.name, namespace, service_account)
            .map_err(|error| Refusal::Unproven(error.to_string()))
    }
}

/// Why a caller is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing that could prove it.
    #[error("no client certificate, and no bearer token in `authorization`")]
    Nothing,
    /// What it brought proves nothing.
    #[error("{0}")]
    Unproven(String),
    /// It can't be found out now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // What exactly is wrong with a token helps nobody but whoever tries tokens.
            Refusal::Nothing | Refusal::Unproven(_) => Self::unauthenticated("request authenticate failure"),
            Refusal::Unavailable(_) => Self::unavailable("the caller can't be authenticated now: try again"),
        }
    }
}

/// All ways to prove who one is. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    mesh: watch::Receiver<Arc<MeshIdentity>>,
    oidc: Vec<Oidc>,
    tokens: Option<TokenReviewer>,
}

impl Authenticator {
    /// Certificates of the mesh's trust domain are always taken; tokens as configured.
    pub fn new(
        mesh: watch::Receiver<Arc<MeshIdentity>>,
        oidc: Vec<Oidc>,
        tokens: Option<TokenReviewer>,
    ) -> Self {
        Self { inner: Arc::new(Inner { mesh, oidc, tokens }) }
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// When that is not proven, or can't be found out now.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Caller, Refusal> {
        let Inner { mesh, oidc, tokens } = &*self.inner;
        let mesh = mesh.borrow().clone();
        let domain = &mesh.trust_domain;
        let peer = extensions.get::<Peer>();
        let mut why = Vec::new();
        if let Some(leaf) = peer.and_then(|peer| peer.certificates.first()) {
            match certificate::caller(leaf, domain, SystemTime::now()) {
                Ok(caller) => return Ok(caller),
                Err(refusal) => why.push(refusal.to_string()),
            }
        }
        let Some(token) = bearer(headers) else {
            return Err(if why.is_empty() { Refusal::Nothing } else { Refusal::Unproven(why.join("; ")) });
        };
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Unproven("the token is too long".to_owned()));
        }
        if let Some(oidc) = oidc.iter().find(|oidc| oidc.is_issuer_of(token)) {
            return oidc.caller(token, domain).await;
        }
        let Some(tokens) = tokens else {
            why.push("no issuer of tokens is known".to_owned());
            return Err(Refusal::Unproven(why.join("; ")));
        };
        let cluster = headers.get("clusterid").and_then(|value| value.to_str().ok());
        tokens.caller(token, cluster, domain).await
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The namespace and name in `system:serviceaccount:<namespace>:<name>`.
fn service_account(subject: &str) -> Option<(&str, &str)> {
    let (namespace, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_pki::pki_types::CertificateDer;
    use proptest::prelude::*;

    fn authenticator() -> Authenticator {
        let mesh = MeshIdentity::of("cluster.local").fixed();
        let tokens = crate::LocalTokens::new("istio-ca").unwrap();
        Authenticator::new(mesh, vec![Oidc::new(tokens.rule())], None)
    }

    fn ask(headers: &HeaderMap, extensions: &Extensions) -> Result<Caller, Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(authenticator().authenticate(headers, extensions))
    }

    #[test]
    fn service_accounts_have_exactly_two_parts() {
        assert_eq!(service_account("system:serviceaccount:a:b"), Some(("a", "b")));
        for text in ["system:serviceaccount:a", "system:serviceaccount:a:b:c", "a:b", ""] {
            assert_eq!(service_account(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_anybody_known(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                headers.insert(http::header::AUTHORIZATION, value.clone());
                headers.insert("clusterid", value);
            }
            prop_assert!(ask(&headers, &Extensions::new()).is_err());
        }

        #[test]
        fn no_token_makes_anybody_known(parts in proptest::collection::vec("[A-Za-z0-9_-]{0,80}", 0..5)) {
            let mut headers = HeaderMap::new();
            let value = format!("Bearer {}", parts.join(".")).parse().unwrap();
            headers.insert(http::header::AUTHORIZATION, value);
            prop_assert!(ask(&headers, &Extensions::new()).is_err());
        }

        #[test]
        fn no_bytes_are_a_certificate(der in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut extensions = Extensions::new();
            let certificates = [CertificateDer::from(der)].into();
            extensions.insert(Peer { address: ([127, 0, 0, 1], 1).into(), certificates });
            prop_assert!(ask(&HeaderMap::new(), &extensions).is_err());
        }
    }
}
