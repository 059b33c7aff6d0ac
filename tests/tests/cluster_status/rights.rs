//! The rights in `charts/rbac` are what the control plane needs, and no more.

use crate::told::{ROOT, apply, get, leader_with, prepare, until};
use anyhow::{Context, Result, ensure};
use mesh_model::Kind;
use mesh_testkit::ApiServer;
use mesh_tests::Asker;
use pilot::{Config, SourceConfig};
use pilot_ingest::{has_status, kinds::KINDS};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

const ROUTE: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\n\
                     spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}\n";

/// Mesh settings that everybody who reads them can tell.
const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\n\
                        data: {mesh: 'connectTimeout: 7s'}\n";

pub fn rights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/rbac/control-plane.yaml")
}

/// Rights that not every mesh needs.
pub fn options() -> PathBuf {
    rights().with_file_name("control-plane-options.yaml")
}

#[derive(Debug, Deserialize)]
struct Role {
    kind: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// What is watched and written is what the role names: a kind that is added or goes has to be added or go there.
#[test]
fn name_the_kinds_that_are_watched() -> Result<()> {
    let text = std::fs::read_to_string(rights())?;
    let roles: Vec<Role> = text.split("\n---\n").map(serde_saphyr::from_str).collect::<Result<_, _>>()?;
    let named = |verbs: &[&str]| -> BTreeSet<String> {
        let cluster_wide =
            roles.iter().filter(|role| role.kind == "ClusterRole").flat_map(|role| &role.rules);
        let these = cluster_wide.filter(|rule| rule.verbs == verbs);
        these
            .flat_map(|rule| {
                rule.resources.iter().map(|name| format!("{}/{name}", rule.api_groups.join(",")))
            })
            .collect()
    };
    let watched = KINDS.iter().filter(|row| row.watched && row.kind != Kind::MeshConfig);
    let watched: BTreeSet<String> = watched.map(|row| format!("{}/{}", row.group, row.plural)).collect();
    assert_eq!(named(&["list", "watch"]), watched);
    let told = KINDS.iter().filter(|row| row.watched && has_status(row.kind));
    let told: BTreeSet<String> = told.map(|row| format!("{}/{}/status", row.group, row.plural)).collect();
    assert_eq!(named(&["patch"]), told);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn suffice_and_are_all() {
    let Some(server) = ApiServer::own().await else { return };
    suffice(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn suffice(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let path = rights();
    server.kubectl(&["apply", "-f", path.to_str().context("UTF-8")?]).await?;
    apply(server, ROOT, SETTINGS).await?;
    let directory = tempfile::tempdir()?;

    // All that it does with a cluster: reads every kind and the settings, leads, writes.
    let source = own_account(server, directory.path()).await?;
    let control_plane = leader_with(server, "one", |config| Config { source, ..config }).await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;
    client.until_cluster(&format!("outbound|80||web.{namespace}.svc.cluster.local")).await?;
    apply(server, namespace, ROUTE).await?;
    let one = |status: &str, _: &str, message: &str| status == "True" && message == "1 of 1 proxy";
    until(server, namespace, "virtualservice/web", "Programmed", one).await?;
    let connect_timeout = control_plane.pilot().mesh().borrow().config().connect_timeout;
    ensure!(connect_timeout == mesh_model::Duration::from_secs(7), "the settings are not read");
    let lease = get(server, ROOT, "lease/meltemi-leader").await?;
    ensure!(lease["spec"]["holderIdentity"] == "one", "{lease:#}");
    control_plane.stop().await?;
    // Given back.
    mesh_testkit::eventually(Duration::from_secs(30), async || {
        let lease = get(server, ROOT, "lease/meltemi-leader").await?;
        ensure!(lease["spec"]["holderIdentity"] != "one", "{lease:#}");
        Ok(())
    })
    .await?;

    // What it has no business with.
    for denied in [
        &["get", "secrets", "-n", ROOT][..],
        &["list", "secrets", "-n", namespace],
        &["list", "configmaps", "-n", ROOT],
        &["list", "configmaps", "-n", namespace],
        &["patch", "virtualservices", "-n", namespace],
        &["create", "virtualservices", "-n", namespace],
        &["delete", "virtualservices", "-n", namespace],
        &["update", "virtualservices/status", "-n", namespace],
        &["update", "services", "-n", namespace],
        &["create", "pods", "-n", namespace],
        &["get", "leases/another", "-n", ROOT],
        &["patch", "leases/another", "-n", ROOT],
        &["create", "leases", "-n", namespace],
    ] {
        let user = format!("--as=system:serviceaccount:{ROOT}:meltemi");
        let answer = server.kubectl(&[&["auth", "can-i"], denied, &[&user]].concat()).await;
        // kubectl fails when the answer is no.
        ensure!(answer.is_err(), "it may {denied:?}");
    }
    Ok(())
}

/// The cluster as the control plane's own account sees it, by a kubeconfig in `directory`.
pub async fn own_account(server: &ApiServer, directory: &Path) -> Result<SourceConfig> {
    let kubeconfig = directory.join("kubeconfig");
    let token = server.kubectl(&["create", "token", "meltemi", "-n", ROOT]).await?;
    std::fs::write(&kubeconfig, with_token(server, token.trim()))?;
    Ok(SourceConfig::Cluster { kubeconfig: Some(kubeconfig) })
}

fn with_token(server: &ApiServer, token: &str) -> String {
    let (url, ca) = (server.url(), server.ca_path().display());
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters: [{{name: test, cluster: {{server: '{url}', certificate-authority: '{ca}'}}}}]\n\
         users: [{{name: meltemi, user: {{token: '{token}'}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: meltemi}}}}]\n\
         current-context: test\n"
    )
}
