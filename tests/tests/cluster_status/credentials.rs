//! Secrets of a cluster that a DestinationRule names: who is handed what of them, under the rights of `charts/rbac`.

use crate::{
    rights::{options, own_account, rights},
    told::{apply, leader_with, prepare, until},
};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{ApiServer, eventually};
use mesh_tests::{Asker, cluster::Client};
use pilot::Config;
use pilot_xds::resource::ResourceType;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\n\
                    spec: {host: web, workloadSelector: {matchLabels: {app: client}}, \
                    trafficPolicy: {tls: {mode: MUTUAL, credentialName: outside, sni: web}}}\n";

/// May read Secrets of the namespace, as an operator would let it.
const READER: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\n\
                      rules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]\n---\n\
                      apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: reader}\n\
                      roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\n\
                      subjects: [{kind: ServiceAccount, name: reader, namespace: NAMESPACE}]\n";

const KEY: &str = "kubernetes://outside";
const AUTHORITIES: &str = "kubernetes://outside-cacert";

pub fn asker(namespace: &str, pod: &str) -> Asker {
    let labels = [("app".to_owned(), "client".to_owned())].into();
    Asker { identity: true, labels, ..Asker::new(namespace, pod) }
}

/// The secrets that a proxy would be told now.
fn secrets(client: &Client) -> Result<Vec<String>> {
    Ok(client.told()?.of(ResourceType::Secret).map(|secret| secret.name().to_string()).collect())
}

/// Waits until the condition `ResolvedRefs` of the rule is as it should be.
pub async fn refs(server: &ApiServer, namespace: &str, wanted: &str, text: &str) -> Result<()> {
    let met = |status: &str, _: &str, message: &str| status == wanted && message.contains(text);
    until(server, namespace, "destinationrule/web", "ResolvedRefs", met).await.map(drop)
}

pub async fn until_told(client: &Client, expected: &[&str]) -> Result<()> {
    eventually(WITHIN, async || {
        let secrets = secrets(client)?;
        ensure!(secrets == expected, "{secrets:?} instead of {expected:?}");
        Ok(())
    })
    .await
}

/// As a block of YAML.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// A certificate with its key, and its authority: itself.
fn secret() -> Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["client".to_owned()])?.self_signed(&key)?.pem();
    Ok(format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: outside}}\nstringData:\n  tls.crt: |\n{0}  tls.key: |\n{1}  ca.crt: |\n{0}",
        indented(&certificate),
        indented(&key.serialize_pem())
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn are_handed_to_those_who_may_read_them() {
    let Some(server) = ApiServer::own().await else { return };
    handed(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn handed(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let apply_file = async |path: std::path::PathBuf| {
        server.kubectl(&["apply", "-f", path.to_str().context("UTF-8")?]).await
    };
    apply_file(rights()).await?;
    apply(server, namespace, &READER.replace("NAMESPACE", namespace)).await?;
    apply(server, namespace, RULE).await?;
    apply(server, namespace, &secret()?).await?;
    let directory = tempfile::tempdir()?;
    let source = own_account(server, directory.path()).await?;
    let control_plane = leader_with(server, "one", |config| Config { source, ..config }).await?;
    control_plane.ready().await?;

    // Without the right to read it: ready all the same, and told what to do.
    let refs = async |wanted: &str, text: &str| refs(server, namespace, wanted, text).await;
    refs("False", "control-plane-options.yaml").await?;
    apply_file(options()).await?;
    refs("True", "").await?;
    let reader = control_plane.connect_as(&asker(namespace, "reader"), "reader").await?;
    until_told(&reader, &[KEY, AUTHORITIES]).await?;

    let other = control_plane.connect_as(&asker(namespace, "other"), "other").await?;
    until_told(&other, &[AUTHORITIES]).await?;
    refs("False", "service account other may not list Secrets").await?;
    drop(other);
    let unproven = control_plane.connect(&asker(namespace, "unproven")).await?;
    until_told(&unproven, &[]).await?;
    refs("False", "connected without TLS").await?;
    drop(unproven);

    // Gone, back, and with authorities of its own.
    server.kubectl(&["delete", "secret", "outside", "-n", namespace]).await?;
    until_told(&reader, &[]).await?;
    refs("False", "there is no Secret").await?;
    apply(server, namespace, &secret()?).await?;
    until_told(&reader, &[KEY, AUTHORITIES]).await?;
    let version = |name: &str| {
        let told = reader.told()?;
        let found = told.of(ResourceType::Secret).find(|secret| **secret.name() == *name);
        anyhow::Ok(found.map(|secret| secret.version().clone()))
    };
    let before = (version(KEY)?, version(AUTHORITIES)?);
    apply(server, namespace, &secret()?.replace("name: outside", "name: outside-cacert")).await?;
    eventually(WITHIN, async || {
        let now = (version(KEY)?, version(AUTHORITIES)?);
        ensure!(now.0 == before.0 && now.1 != before.1, "the authorities are not those beside it");
        Ok(())
    })
    .await?;
    // Nobody names it any more.
    server.kubectl(&["delete", "destinationrule", "web", "-n", namespace]).await?;
    until_told(&reader, &[]).await?;
    control_plane.stop().await
}
