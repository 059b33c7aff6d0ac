//! ConfigMaps of a cluster that a DestinationRule names: handed to all proxies, by a control plane that may read this one and no other.

use crate::{
    credentials::{asker, indented, refs, until_told},
    rights::{own_account, rights},
    told::{apply, leader_with, prepare},
};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{ApiServer, eventually};
use mesh_tests::cluster::Client;
use pilot::Config;
use pilot_xds::resource::ResourceType;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\n\
                    spec: {host: web, trafficPolicy: {tls: {mode: SIMPLE, credentialName: 'configmap://roots', sni: web}}}\n";

/// Beside it: the namespace has a Secret that somebody names, and may not be read.
const WITH_SECRET: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: secret}\n\
                           spec: {host: secret.example.com, workloadSelector: {matchLabels: {app: client}}, \
                           trafficPolicy: {tls: {mode: SIMPLE, credentialName: secret}}}\n";

/// Less than `charts/rbac/control-plane-options.yaml`: a watch on all ConfigMaps, even of this namespace, would be refused.
const READER: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: roots}\n\
                      rules: [{apiGroups: [''], resources: [configmaps], resourceNames: [roots], verbs: [list, watch]}]\n---\n\
                      apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: roots}\n\
                      roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: roots}\n\
                      subjects: [{kind: ServiceAccount, name: meltemi, namespace: istio-system}]\n";

/// Authorities: a certificate of its own each time.
fn config_map() -> Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["authority".to_owned()])?.self_signed(&key)?.pem();
    let certificate = indented(&certificate);
    Ok(format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: roots}}\ndata:\n  ca.crt: |\n{certificate}"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn are_handed_to_all() {
    let Some(server) = ApiServer::own().await else { return };
    handed(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn handed(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let path = rights();
    server.kubectl(&["apply", "-f", path.to_str().context("UTF-8")?]).await?;
    apply(server, namespace, &format!("{RULE}---\n{WITH_SECRET}")).await?;
    let directory = tempfile::tempdir()?;
    let source = own_account(server, directory.path()).await?;
    let control_plane = leader_with(server, "one", |config| Config { source, ..config }).await?;
    control_plane.ready().await?;

    // Without the right to read it: ready all the same, and told what to do.
    let refs = async |wanted: &str, text: &str| refs(server, namespace, wanted, text).await;
    refs("False", "control-plane-options.yaml").await?;
    apply(server, namespace, READER).await?;
    refs("False", &format!("there is no ConfigMap {namespace}/roots")).await?;
    apply(server, namespace, &config_map()?).await?;
    refs("True", "").await?;

    // Wherever they are, and whether they have proven who they are or not.
    let authorities = &*format!("configmap://{namespace}/roots-cacert");
    let own = control_plane.connect_as(&asker(namespace, "own"), "own").await?;
    let stranger = control_plane.connect(&asker("elsewhere", "stranger")).await?;
    for client in [&own, &stranger] {
        until_told(client, &[authorities]).await?;
    }
    refs("True", "").await?;

    let version = |client: &Client| {
        let told = client.told()?;
        let found = told.of(ResourceType::Secret).next();
        found.map(|secret| secret.version().clone()).context("no secret")
    };
    let before = version(&stranger)?;
    ensure!(version(&own)? == before, "another version for each");
    apply(server, namespace, &config_map()?).await?;
    for client in [&own, &stranger] {
        eventually(WITHIN, async || {
            ensure!(version(client)? != before, "the authorities are those of before");
            Ok(())
        })
        .await?;
    }
    // One that cannot be used is as one that is gone.
    apply(
        server,
        namespace,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: roots}\ndata: {ca.crt: none}\n",
    )
    .await?;
    refs("False", "its `ca.crt` has no certificates in PEM").await?;
    for client in [&own, &stranger] {
        until_told(client, &[]).await?;
    }
    server.kubectl(&["delete", "configmap", "roots", "-n", namespace]).await?;
    refs("False", "there is no ConfigMap").await?;
    apply(server, namespace, &config_map()?).await?;
    until_told(&stranger, &[authorities]).await?;
    // Nobody names it any more.
    server.kubectl(&["delete", "destinationrule", "web", "-n", namespace]).await?;
    until_told(&stranger, &[]).await?;
    control_plane.stop().await
}
