//! Who is let in, and who is talked to: by root, name, trust domain and time.

use super::{Authority, By, CLIENT, SERVER, Stage, WITHIN, ingress::served, run};
use crate::certificates::Validity;
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use std::{net::SocketAddr, process::Stdio};

const VERSION: &str = "meshMTLS: {minProtocolVersion: TLSV1_3}";
const CIPHER: &str = "meshMTLS: {cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdhCurves: [P-384]}";
const BY_HAND: &str = "enableAutoMtls: false";
const RENAMED: &str = "trustDomain: other.local";
const ALIAS: &str = "trustDomainAliases: [other.local]";

/// The ConfigMap of a mesh with these settings.
fn mesh_settings(settings: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: '{settings}'}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_meshs_own_are_let_in() {
    run(identities()).await;
}

async fn identities() -> Result<()> {
    let stage = Stage::set().await?;
    stage.take("STRICT").await?;
    let elsewhere = Authority::new("another mesh")?;
    let (mesh, now) = (&stage.authority, Validity::Now);
    let cases = [
        ("a workload's", Some(mesh.issue(CLIENT, now)?), true),
        ("none", None, false),
        ("one of another root", Some(elsewhere.issue(CLIENT, now)?), false),
        (
            "one of another trust domain",
            Some(mesh.issue("spiffe://other.local/ns/default/sa/client", now)?),
            false,
        ),
        (
            "one of a longer trust domain",
            Some(mesh.issue("spiffe://cluster.local.evil/ns/a/sa/b", now)?),
            false,
        ),
        ("one that has expired", Some(mesh.issue(CLIENT, Validity::Past)?), false),
    ];
    for (what, shown, expected) in cases {
        let got = stage.openssl(shown.as_ref()).await.context(what)?;
        ensure!(got == expected, "{what}: let in: {got}");
    }
    // A server that is somebody else is not talked to, and is again when it is itself. Of bytes, each connection is a new one.
    let answers = async |expected: bool| {
        let got = stage.bytes(9000, By::Mesh).await;
        ensure!(got == expected, "answered: {got}");
        anyhow::Ok(())
    };
    answers(true).await?;
    for (what, refused) in [
        ("another workload", mesh.identity("spiffe://cluster.local/ns/default/sa/impostor")?),
        ("of another trust domain", mesh.identity(&SERVER.replace("cluster.local", "other.local"))?),
        ("expired", mesh.identity_of(SERVER, Validity::Past)?),
        ("of another root", elsewhere.identity(SERVER)?),
    ] {
        for (identity, expected) in [(refused, false), (mesh.identity(SERVER)?, true)] {
            stage.server.identity.send_replace(Some(identity));
            eventually(WITHIN, async || answers(expected).await).await.context(what)?;
        }
    }
    versions(&stage).await?;
    automatic(&stage).await?;
    // Whose trust domain is said to be this mesh's, too, is let in, and talked to.
    let renamed = |id: &str| id.replace("cluster.local", "other.local");
    stage.mesh.edit("settings.yaml", &mesh_settings(ALIAS)).await?;
    stage.acknowledged().await?;
    let shown = mesh.issue(&renamed(CLIENT), now)?;
    eventually(WITHIN, async || {
        ensure!(stage.openssl(Some(&shown)).await?, "an alias");
        Ok(())
    })
    .await?;
    let server = mesh.identity(&renamed(SERVER))?;
    stage.server.identity.send_replace(Some(server.clone()));
    eventually(WITHIN, async || {
        let shown = served(SocketAddr::new(stage.server.address, 9090)).await?;
        ensure!(shown == server.credential.facts().serial, "it shows {shown}");
        answers(true).await.context("a server of an alias")
    })
    .await?;
    // The mesh takes the other name: its own are those who bear it, and nobody else.
    stage.mesh.edit("settings.yaml", &mesh_settings(RENAMED)).await?;
    stage.acknowledged().await?;
    stage.client.identity.send_replace(Some(mesh.identity(&renamed(CLIENT))?));
    let before = mesh.issue(CLIENT, now)?;
    eventually(WITHIN, async || {
        answers(true).await.context("trustDomain")?;
        ensure!(!stage.openssl(Some(&before)).await?, "who bears the mesh's name of before");
        Ok(())
    })
    .await
}

/// Whoever speaks a version of TLS that the mesh does not take any more is refused.
async fn versions(stage: &Stage) -> Result<()> {
    let client = stage.authority.issue(CLIENT, Validity::Now)?;
    let [certificate, key] = ["version.pem", "version.key"].map(|name| stage.directory.path().join(name));
    client.write(&certificate, &key)?;
    let to = SocketAddr::new(stage.server.address, 9090).to_string();
    let offered = async |offer: &[&str]| -> Result<bool> {
        let mut command = tokio::process::Command::new("openssl");
        command.args(["s_client", "-connect", &to, "-cert"]).arg(&certificate).arg("-key").arg(&key);
        command.args(offer);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command.output().await?.status.success())
    };
    let agreed = async |version: &str| offered(&[version]).await;
    let see = async |what: &str, expected: [bool; 2]| {
        eventually(WITHIN, async || {
            let got = [agreed("-tls1_2").await?, agreed("-tls1_3").await?];
            ensure!(got == expected, "{what}: TLS 1.2 and 1.3: {got:?}");
            Ok(())
        })
        .await
    };
    see("usually", [true, true]).await?;
    stage.mesh.edit("settings.yaml", &mesh_settings(VERSION)).await?;
    stage.acknowledged().await?;
    see("minProtocolVersion", [false, true]).await?;
    stage.mesh.edit("settings.yaml", &mesh_settings(CIPHER)).await?;
    stage.acknowledged().await?;
    let with =
        async |cipher: &str, curve: &str| offered(&["-tls1_2", "-cipher", cipher, "-curves", curve]).await;
    let (aes128, aes256) = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384");
    eventually(WITHIN, async || {
        let got = [
            with(aes256, "P-256:P-384").await?,
            with(aes128, "P-256:P-384").await?,
            with(aes256, "P-256").await?,
        ];
        ensure!(got == [true, false, false], "as demanded, another cipher, another curve: {got:?}");
        Ok(())
    })
    .await
}

/// Sidecars speak mTLS to each other unless the mesh leaves that to DestinationRules.
async fn automatic(stage: &Stage) -> Result<()> {
    stage.take("PERMISSIVE").await?;
    for (settings, mutual) in [(VERSION, true), (BY_HAND, false)] {
        stage.mesh.edit("settings.yaml", &mesh_settings(settings)).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let seen = stage.request(80, By::Mesh).await?.context("no answer")?;
            ensure!(seen.contains("URI=") == mutual, "{settings}: `{seen}`");
            Ok(())
        })
        .await?;
    }
    stage.take("STRICT").await
}
