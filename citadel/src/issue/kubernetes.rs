//! Certificates by a signer of the Kubernetes API: cert-manager, a cloud's authority, or whatever else answers
//! `CertificateSigningRequest` objects.
//!
//! In: orders. Out: an object for each, approved by this authority, which has authenticated the caller; the certificate that the signer
//! writes into it; and no object left behind, whatever the outcome.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use k8s_openapi::{
    ByteString,
    api::certificates::v1::{
        CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec,
    },
};
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use mesh_pki::{Credential, keys, keys::KeyKind, request};
use serde_json::json;
use tokio::time::timeout;

use super::{Issue, IssueError, Issued, Order, elsewhere};
use crate::Authority;

/// How long a signer may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// The API server allows no shorter life.
const SHORTEST: Duration = Duration::from_secs(600);
const USAGES: [&str; 4] = ["digital signature", "key encipherment", "server auth", "client auth"];

/// Which signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerName {
    /// Of requests that name none (`K8S_SIGNER`).
    pub usual: Option<String>,
    /// Requests may name one of this domain (`CERT_SIGNER_DOMAIN`).
    pub domain: Option<String>,
}

/// Asks signers of the Kubernetes API.
pub(crate) struct KubernetesSigner {
    api: Api<CertificateSigningRequest>,
    name: SignerName,
    /// Knows the roots.
    authority: Authority,
}

impl KubernetesSigner {
    /// By `client`; what the signer makes must chain to the roots of signers that `authority` knows.
    pub(crate) fn new(client: Client, name: SignerName, authority: Authority) -> Self {
        Self { api: Api::all(client), name, authority }
    }

    async fn sign(&self, order: Order) -> Result<Issued, IssueError> {
        elsewhere::admit(&order)?;
        let signer = self.name.for_order(order.signer.as_deref())?;
        let request = &order.request_pem;
        let asked = wanted("meltemi-workload-", request, order.lifetime, &signer);
        let answer = self.certify(asked, &format!("the caller has proven to be {}", order.identity)).await?;
        elsewhere::accept(&answer, &order, &self.authority.current(), SystemTime::now())
    }

    /// A certificate for a server that goes by `names`, which is this one.
    pub(crate) async fn sign_server(
        &self,
        signer: &str,
        names: &[String],
        lifetime: Duration,
    ) -> Result<Credential, IssueError> {
        let internal = |error: &dyn std::fmt::Display| IssueError::Internal(error.to_string());
        let key = keys::generate(KeyKind::P256).map_err(|error| internal(&error))?;
        let request = request::make_for_server(&key, names).map_err(|error| internal(&error))?;
        let asked = wanted("meltemi-serving-", &request, lifetime, signer);
        let answer = timeout(PATIENCE, self.certify(asked, "it is the control plane's own"));
        let answer = answer.await.map_err(|_| late())??;
        let trusted = self.authority.current().bundle().clone();
        let chain = elsewhere::accept_server(&answer, &key, names, &trusted, SystemTime::now())?;
        Credential::from_pem(&chain, &key.serialize_pem()).map_err(|error| internal(&error))
    }

    /// Has a request signed.
    async fn certify(
        &self,
        asked: CertificateSigningRequest,
        approved_since: &str,
    ) -> Result<String, IssueError> {
        let signer = asked.spec.signer_name.clone();
        let unavailable = |what: &str, error: &dyn std::fmt::Display| {
            IssueError::Unavailable(format!("the API server, {what} for signer {signer}: {error}"))
        };
        let made = self.api.create(&PostParams::default(), &asked).await;
        let made = made.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 422 => {
                IssueError::Request(format!("signer {signer}: {}", status.message))
            }
            error => unavailable("making a certificate request", &error),
        })?;
        let name = made.metadata.name.unwrap_or_default();
        let _gone = CleanUp { api: self.api.clone(), name: name.clone() };
        let approval = json!({ "status": { "conditions": [{
            "type": "Approved",
            "status": "True",
            "reason": "AuthenticatedByMesh",
            "message": approved_since,
        }] } });
        let (params, approval) = (PatchParams::default(), Patch::Strategic(&approval));
        let approved = self.api.patch_approval(&name, &params, &approval).await;
        approved.map_err(|error| unavailable("approving a certificate request", &error))?;
        let answered =
            await_condition(self.api.clone(), &name, |object: Option<&CertificateSigningRequest>| {
                object.is_none_or(|object| outcome(object).is_some())
            });
        let answered = answered.await.map_err(|error| unavailable("waiting for a certificate", &error))?;
        match answered.as_ref().and_then(outcome) {
            Some(Ok(certificate)) => Ok(certificate.to_owned()),
            Some(Err(why)) => Err(IssueError::Internal(format!("signer {signer}: {why}"))),
            None => Err(IssueError::Unavailable(format!("signer {signer}: the request was deleted"))),
        }
    }
}

impl Issue for KubernetesSigner {
    fn issue(&self, order: Order) -> BoxFuture<'_, Result<Issued, IssueError>> {
        Box::pin(async move { timeout(PATIENCE, self.sign(order)).await.map_err(|_| late())? })
    }
}

fn late() -> IssueError {
    IssueError::Unavailable("the signer takes too long".to_owned())
}

impl SignerName {
    /// Whether requests may be signed by `signer`.
    pub(crate) fn may_be(&self, signer: &str) -> bool {
        let Self { usual, domain } = self;
        let within = |domain: &String| signer.split_once('/').is_some_and(|(of, _)| of == domain);
        usual.as_deref() == Some(signer) || domain.as_ref().is_some_and(within)
    }

    /// The signer of a request that names `wanted`.
    fn for_order(&self, wanted: Option<&str>) -> Result<String, IssueError> {
        let Self { usual, domain } = self;
        let no = |why: String| Err(IssueError::Request(why));
        match (wanted, domain, usual) {
            (Some(wanted), Some(domain), _) => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if wanted.len() > 253 || !wanted.chars().all(allowed) {
                    return no(format!("`{}` is no name of a signer", wanted.escape_debug()));
                }
                Ok(format!("{domain}/{wanted}"))
            }
            (Some(wanted), None, _) => no(format!(
                "signer `{}` was asked for, and no CERT_SIGNER_DOMAIN says of which domain",
                wanted.escape_debug()
            )),
            (None, _, Some(usual)) => Ok(usual.clone()),
            (None, _, None) => no("the request names no signer, and there is no K8S_SIGNER".to_owned()),
        }
    }
}

fn wanted(prefix: &str, request: &str, lifetime: Duration, signer: &str) -> CertificateSigningRequest {
    let lifetime = lifetime.max(SHORTEST).as_secs();
    CertificateSigningRequest {
        metadata: ObjectMeta {
            generate_name: Some(prefix.to_owned()),
            labels: Some(BTreeMap::from([(
                "app.kubernetes.io/managed-by".to_owned(),
                "meltemi-citadel".to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        spec: CertificateSigningRequestSpec {
            request: ByteString(request.as_bytes().to_vec()),
            signer_name: signer.to_owned(),
            expiration_seconds: Some(i32::try_from(lifetime).unwrap_or(i32::MAX)),
            usages: Some(USAGES.map(str::to_owned).to_vec()),
            ..CertificateSigningRequestSpec::default()
        },
        status: None,
    }
}

/// The certificate, or why there will be none; `None` as long as neither is known.
fn outcome(object: &CertificateSigningRequest) -> Option<Result<&str, String>> {
    let status = object.status.as_ref()?;
    let refusals = status.conditions.iter().flatten();
    let mut refused = refusals.filter(|condition| matches!(&*condition.type_, "Denied" | "Failed")).map(
        |CertificateSigningRequestCondition { type_, reason, message, .. }| {
            let [reason, message] = [reason, message].map(|text| text.as_deref().unwrap_or_default());
            format!("{type_} {reason} {message}")
        },
    );
    if let Some(why) = refused.next_back() {
        return Some(Err(why));
    }
    let ByteString(certificate) = status.certificate.as_ref().filter(|bytes| !bytes.0.is_empty())?;
    Some(std::str::from_utf8(certificate).map_err(|_| "the certificate is not text".to_owned()))
}

/// Deletes a request when it is no longer waited for: also when the caller went away.
struct CleanUp {
    api: Api<CertificateSigningRequest>,
    name: String,
}

impl Drop for CleanUp {
    fn drop(&mut self) {
        let (api, name) = (self.api.clone(), std::mem::take(&mut self.name));
        tokio::spawn(async move {
            if let Err(error) = api.delete(&name, &DeleteParams::default()).await {
                // Kubernetes deletes old ones by itself.
                tracing::debug!(name, %error, "cannot delete a certificate request");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_one_of_the_domain_or_the_usual_one() {
        let name = |usual: Option<&str>, domain: Option<&str>, wanted| {
            SignerName { usual: usual.map(str::to_owned), domain: domain.map(str::to_owned) }
                .for_order(wanted)
        };
        assert_eq!(name(Some("a/b"), None, None).unwrap(), "a/b");
        assert_eq!(name(Some("a/b"), Some("d.io"), Some("c")).unwrap(), "d.io/c");
        assert_eq!(name(Some("a/b"), Some("d.io"), None).unwrap(), "a/b");
        for (usual, domain, wanted) in [
            (Some("a/b"), None, Some("c")),
            (None, Some("d.io"), None),
            (None, None, None),
            (None, Some("d.io"), Some("x/../kubernetes.io")),
            (None, Some("d.io"), Some("kubernetes.io/kube-apiserver-client")),
        ] {
            assert!(matches!(name(usual, domain, wanted), Err(IssueError::Request(_))), "{wanted:?}");
        }
    }
}
