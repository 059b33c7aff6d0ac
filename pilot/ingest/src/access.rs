//! What others may do in the cluster, as its API server says.
//!
//! In: a service account. Out: yes or no. Nothing is remembered here.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

/// Asks about rights.
#[derive(Clone)]
pub struct Access(Api<SubjectAccessReview>);

impl Access {
    /// Asks the API server of `client`.
    pub fn new(client: Client) -> Self {
        Self(Api::all(client))
    }

    /// Whether a service account may list the Secrets of its namespace: then it may as well be handed one.
    ///
    /// # Errors
    /// When the API server does not answer, or this process may not ask.
    pub async fn may_list_secrets(&self, namespace: &str, account: &str) -> Result<bool, kube::Error> {
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some("list".to_owned()),
            resource: Some("secrets".to_owned()),
            ..Default::default()
        };
        let groups = [
            "system:serviceaccounts",
            &format!("system:serviceaccounts:{namespace}"),
            "system:authenticated",
        ];
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                groups: Some(groups.map(str::to_owned).into()),
                resource_attributes: Some(attributes),
                ..Default::default()
            },
            ..Default::default()
        };
        let answer = self.0.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
