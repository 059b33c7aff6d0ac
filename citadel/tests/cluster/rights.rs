//! The rights in `charts/rbac` are what the authority needs, and no more.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use citadel::{Clusters, Place};
use mesh_pki::{keys, keys::KeyKind, request};
use mesh_testkit::{ApiServer, eventually};
use tonic::Code;

use crate::port::{self, Proof, order, token};

const WITHIN: Duration = Duration::from_secs(60);
const ROOT: &str = "istio-system";
const WHO: &str = "system:serviceaccount:istio-system:meltemi";

async fn grant(server: &ApiServer, file: &str) -> Result<()> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/rbac").join(file);
    server.kubectl(&["apply", "-f", path.to_str().context("UTF-8")?]).await?;
    Ok(())
}

/// A client with the rights of the control plane's service account.
async fn limited(server: &ApiServer) -> Result<kube::Client> {
    let token = server.kubectl(&["create", "token", "meltemi", "-n", ROOT]).await?;
    let mut file = kube::config::Kubeconfig::read_from(server.kubeconfig_path())?;
    for user in &mut file.auth_infos {
        user.auth_info =
            Some(kube::config::AuthInfo { token: Some(token.trim().into()), ..Default::default() });
    }
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn suffice_and_are_all() {
    // Of its own: the rights are for one namespace with one name.
    let Some(server) = ApiServer::own().await else { return };
    suffice(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn suffice(server: &ApiServer) -> Result<()> {
    server.kubectl(&["create", "namespace", ROOT]).await?;
    server.kubectl(&["create", "namespace", "shop"]).await?;
    server.kubectl(&["create", "serviceaccount", "meltemi", "-n", ROOT]).await?;
    grant(server, "citadel.yaml").await?;
    let mut config = port::config(server, ROOT, "one").await?;
    let client = limited(server).await?;
    let Place::Cluster { client: held, .. } = &mut config.place else { anyhow::bail!("no cluster") };
    held.clone_from(&client);
    config.tokens = Some((Clusters::new("Kubernetes", client), vec!["istio-ca".to_owned()]));
    let served = port::serve(config).await?;

    // All that it does with a cluster: makes the root, leads, judges tokens, publishes roots, changes the root.
    let token = &token(server, "shop", "web", "istio-ca").await?;
    served.enrol(Proof::token(token)).await?;
    let roots = served.citadel.bundle().pem().to_owned();
    let published = eventually(WITHIN, async || {
        let path = "jsonpath={.data.root-cert\\.pem}";
        let args = ["get", "configmap", "istio-ca-root-cert", "-n", "shop", "-o", path];
        ensure!(server.kubectl(&args).await? == roots);
        Ok(())
    });
    published.await?;
    let annotation = format!("{}=now", citadel::root::store::ROTATE_ANNOTATION);
    server.kubectl(&["annotate", "secret", "istio-ca-secret", "-n", ROOT, &annotation]).await?;
    let mut stored = served.citadel.stored();
    let rotates = |stored: &citadel::root::store::Stored| stored.kept.rotation.name() != "steady";
    tokio::time::timeout(WITHIN, stored.wait_for(rotates)).await??;

    // It can't see the Secrets of other clusters: their workloads may try again, in case they get known.
    let csr = request::make(&keys::generate(KeyKind::P256)?, None)?;
    let east = Proof { cluster: Some("east"), ..Proof::token(token) };
    let status = served.ask(east.clone(), order(&csr)).await.expect_err("a cluster that nobody knows");
    ensure!(status.code() == Code::Unavailable, "{status:?}");

    // What it has no business with.
    for denied in [
        &["list", "secrets", "-n", ROOT][..],
        &["get", "secrets/another", "-n", ROOT],
        &["update", "secrets/cacerts", "-n", ROOT],
        &["delete", "secrets/istio-ca-secret", "-n", ROOT],
        &["get", "secrets", "-n", "shop"],
        &["create", "secrets", "-n", "shop"],
        &["list", "configmaps", "-n", "shop"],
        &["patch", "configmaps/another", "-n", "shop"],
        &["create", "configmaps", "-n", "shop"],
        &["delete", "configmaps/istio-ca-root-cert", "-n", "shop"],
        &["update", "configmaps/istio", "-n", ROOT],
        &["get", "leases/another", "-n", ROOT],
        &["create", "serviceaccounts/token", "-n", "shop"],
        &["create", "certificatesigningrequests"],
        &["get", "pods", "-n", "shop"],
        &["create", "pods", "-n", "shop"],
    ] {
        let user = format!("--as={WHO}");
        let answer = server.kubectl(&[&["auth", "can-i"], denied, &[&user]].concat()).await;
        // kubectl fails when the answer is no.
        ensure!(answer.is_err(), "it may {denied:?}");
    }
    grant(server, "citadel-options.yaml").await?;
    eventually(WITHIN, async || {
        let status =
            served.ask(east.clone(), order(&csr)).await.expect_err("a cluster that nobody has named");
        ensure!(status.code() == Code::Unauthenticated, "{status:?}");
        Ok(())
    })
    .await
}
