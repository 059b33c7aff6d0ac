//! Tokens of Kubernetes service accounts, as the API server judges them.
//!
//! In: a bearer token, and the cluster that it is said to be of. Out: the service account, from the API server's answer alone. Questions
//! in flight are bounded: a flood of tokens must not become a flood of reviews.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::{Api, api::PostParams};
use tokio::time::timeout;

use super::{
    Refusal, TrustDomain, cache,
    cache::Cache,
    clusters::{Clusters, Reviewer},
    service_account,
};
use crate::caller::{Caller, Pod, Proof};

/// How long a review may take, the wait for its turn included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks API servers about tokens.
pub struct TokenReviewer {
    clusters: Clusters,
    audiences: Vec<String>,
    cache: Cache,
}

impl TokenReviewer {
    /// Tokens must be for one of `audiences`.
    pub fn new(clusters: Clusters, audiences: Vec<String>) -> Self {
        Self { clusters, audiences, cache: Cache::default() }
    }

    pub(super) async fn caller(
        &self,
        token: &str,
        cluster: Option<&str>,
        domain: &TrustDomain,
    ) -> Result<Caller, Refusal> {
        let (cluster, reviewer) = self.clusters.reviewer(cluster)?;
        let key = cache::key(&cluster, reviewer.generation, token);
        let ask = async {
            let reviewed = timeout(PATIENCE, self.review(&reviewer, token)).await;
            let status =
                reviewed.map_err(|_| Refusal::Unavailable("the API server takes too long".to_owned()))??;
            self.judge(status, cluster, domain)
        };
        self.cache.get_or_ask(key, ask).await
    }

    async fn review(&self, reviewer: &Reviewer, token: &str) -> Result<TokenReviewStatus, Refusal> {
        let unavailable =
            |error: &dyn std::fmt::Display| Refusal::Unavailable(format!("the API server: {error}"));
        let Reviewer { client, generation: _, permits } = reviewer;
        let _permit = permits.acquire().await.map_err(|error| unavailable(&error))?;
        let review = TokenReview {
            spec: TokenReviewSpec { audiences: Some(self.audiences.clone()), token: token.to_owned() },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(client.clone());
        let answer =
            api.create(&PostParams::default(), &review).await.map_err(|error| unavailable(&error))?;
        answer.status.ok_or_else(|| unavailable(&"it answered without a status"))
    }

    fn judge(
        &self,
        status: TokenReviewStatus,
        cluster: Arc<str>,
        domain: &TrustDomain,
    ) -> Result<Caller, Refusal> {
        let TokenReviewStatus { audiences, authenticated, error, user } = status;
        let unproven = |why: &str| Refusal::Unproven(format!("service account token: {why}"));
        if authenticated != Some(true) {
            return Err(unproven(error.as_deref().unwrap_or("not authenticated")));
        }
        // An API server that knows nothing of audiences leaves them out: then it has not checked them.
        let audiences = audiences.unwrap_or_default();
        if !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(unproven("it is for another audience"));
        }
        let user = user.ok_or_else(|| unproven("it is nobody's"))?;
        let name = user.username.unwrap_or_default();
        let (namespace, account) =
            service_account(&name).ok_or_else(|| unproven("it is not that of a service account"))?;
        let extra = user.extra.unwrap_or_default();
        let first = |key: &str| extra.get(key).and_then(|values| values.first()).cloned();
        let pod = first("authentication.kubernetes.io/pod-name")
            .zip(first("authentication.kubernetes.io/pod-uid"))
            .map(|(name, uid)| Pod { name, uid, node: first("authentication.kubernetes.io/node-name") });
        let proof = Proof::ServiceAccount { cluster, pod };
        Ok(Caller { identity: domain.identity(namespace, account)?, proof })
    }
}
