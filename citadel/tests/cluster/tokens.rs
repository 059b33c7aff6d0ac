//! Tokens of service accounts: which are taken, and for whom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mesh_pki::{keys, keys::KeyKind, request};
use mesh_testkit::ApiServer;
use tonic::Code;

use crate::port::{self, Proof, openssl_text, openssl_verify, order, order_for, token};

/// Runs `test` with an authority of its own, in a fresh namespace.
async fn with_authority(test: impl AsyncFn(&ApiServer, &port::Served, &str) -> Result<()>) {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = server.fresh_namespace("ca").await?;
        let served = port::serve(port::config(server, &namespace, "one").await?).await?;
        test(server, &served, &namespace).await
    };
    outcome.await.unwrap_or_else(|error| panic!("{error:#}"));
}

fn csr() -> String {
    request::make(&keys::generate(KeyKind::P256).unwrap(), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gets_a_certificate_that_openssl_verifies() {
    with_authority(async |server, served, namespace| {
        let token = token(server, namespace, "web", "istio-ca").await?;
        // What the request says of itself makes no difference.
        let key = keys::generate(KeyKind::P256)?;
        let evil = "spiffe://cluster.local/ns/kube-system/sa/admin".parse()?;
        let chain = served.ask(Proof::token(&token), order(&request::make(&key, Some(&evil))?)).await?;
        openssl_verify(&chain)?;
        let text = openssl_text(&chain[0])?;
        for expected in [
            &format!("URI:spiffe://cluster.local/ns/{namespace}/sa/web") as &str,
            "X509v3 Subject Alternative Name: critical",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "Digital Signature, Key Encipherment",
            "CA:FALSE",
            "Subject: \n",
        ] {
            ensure!(text.contains(expected), "no {expected} in {text}");
        }
        ensure!(!text.contains("admin"), "{text}");

        // With it, it renews without a token, as the same workload.
        let credential = served.enrol(Proof::token(&token)).await?;
        let renewed = served.enrol(Proof::credential(&credential)).await?;
        ensure!(renewed.facts().uris == credential.facts().uris, "{renewed:?}");
        ensure!(renewed.facts().serial != credential.facts().serial);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_prove_nothing_are_refused() {
    with_authority(async |server, served, namespace| {
        let refused = async |proof: Proof<'_>, what: &str| -> Result<()> {
            let status = served.ask(proof, order(&csr())).await.expect_err(what);
            ensure!(status.code() == Code::Unauthenticated, "{what}: {status:?}");
            Ok(())
        };
        refused(Proof::default(), "no proof").await?;
        refused(Proof::token("nonsense"), "nonsense").await?;
        let other = token(server, namespace, "web", "somebody-else").await?;
        refused(Proof::token(&other), "another audience").await?;
        let good = token(server, namespace, "web", "istio-ca").await?;
        let elsewhere = Proof { cluster: Some("elsewhere"), ..Proof::token(&good) };
        refused(elsewhere, "a cluster that is not known").await?;
        let named = Proof { cluster: Some("Kubernetes"), ..Proof::token(&good) };
        ensure!(served.ask(named, order(&csr())).await.is_ok());

        // Of a service account that is gone: asked about for the first time, so that no answer is remembered.
        let doomed = token(server, namespace, "doomed", "istio-ca").await?;
        server.kubectl(&["delete", "serviceaccount", "doomed", "-n", namespace]).await?;
        refused(Proof::token(&doomed), "a deleted service account").await?;

        let (head, _) = good.rsplit_once('.').unwrap_or_default();
        refused(Proof::token(&format!("{head}.AAAA")), "a forged signature").await?;
        ensure!(served.metrics.unauthenticated.get() >= 6);
        Ok(())
    })
    .await;
}

/// A token that the API server has signed, which lived from `from` seconds before now until `until` seconds after: none that it makes on
/// request lives for less than ten minutes.
fn made_by(server: &ApiServer, namespace: &str, uid: &str, from: u64, until: i64) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = serde_json::json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "aud": ["istio-ca"],
        "sub": format!("system:serviceaccount:{namespace}:web"),
        "iat": now - from,
        "nbf": now - from,
        "exp": now.saturating_add_signed(until),
        "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": "web", "uid": uid } },
    });
    let key = EncodingKey::from_ec_pem(&std::fs::read(server.token_key_path())?)?;
    Ok(encode(&Header::new(Algorithm::ES256), &claims, &key)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_have_expired_are_refused() {
    with_authority(async |server, served, namespace| {
        server.kubectl(&["create", "serviceaccount", "web", "-n", namespace]).await?;
        let get = ["get", "serviceaccount", "web", "-n", namespace, "-o", "jsonpath={.metadata.uid}"];
        let uid = server.kubectl(&get).await?;
        let good = made_by(server, namespace, &uid, 3600, 600)?;
        ensure!(served.ask(Proof::token(&good), order(&csr())).await.is_ok(), "the same while it is good");
        let expired = made_by(server, namespace, &uid, 3600, -120)?;
        let status = served.ask(Proof::token(&expired), order(&csr())).await.expect_err("expired");
        ensure!(status.code() == Code::Unauthenticated, "{status:?}");
        // Of a service account that was made anew under its name.
        let other = made_by(server, namespace, "00000000-0000-0000-0000-000000000000", 3600, 600)?;
        let status = served.ask(Proof::token(&other), order(&csr())).await.expect_err("another's");
        ensure!(status.code() == Code::Unauthenticated, "{status:?}");

        // One that expires while it is remembered as good: it is so for half a minute at most. API servers forgive a minute.
        let ending = made_by(server, namespace, &uid, 3600, -40)?;
        ensure!(served.ask(Proof::token(&ending), order(&csr())).await.is_ok());
        mesh_testkit::eventually(Duration::from_secs(120), async || {
            let status =
                served.ask(Proof::token(&ending), order(&csr())).await.err().context("still taken")?;
            ensure!(status.code() == Code::Unauthenticated, "{status:?}");
            Ok(())
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_namespace_is_good_for_that_one_alone() {
    with_authority(async |server, served, namespace| {
        let elsewhere = &server.fresh_namespace("elsewhere").await?;
        for (namespace, other) in [(namespace, elsewhere.as_str()), (elsewhere, namespace)] {
            let token = token(server, namespace, "web", "istio-ca").await?;
            let wanted = format!("spiffe://cluster.local/ns/{other}/sa/web").parse()?;
            let csr = request::make(&keys::generate(KeyKind::P256)?, Some(&wanted))?;
            let chain = served.ask(Proof::token(&token), order(&csr)).await?;
            let text = openssl_text(&chain[0])?;
            ensure!(text.contains(&format!("URI:spiffe://cluster.local/ns/{namespace}/sa/web")), "{text}");
            ensure!(!text.contains(&wanted.to_string()), "{text}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_for_others_unless_trusted_and_on_their_node() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("ca").await?;
        let mut config = port::config(server, namespace, "one").await?;
        config.node_accounts = vec![format!("{namespace}/ztunnel").parse().map_err(anyhow::Error::msg)?];
        let served = port::serve(config).await?;
        let pods = [("ztunnel-a", "ztunnel", "a"), ("web-a", "web", "a"), ("db-b", "db", "b")];
        for (_, account, _) in pods {
            server.kubectl(&["create", "serviceaccount", account, "-n", namespace]).await?;
        }
        for (name, account, node) in pods {
            let pod = format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{nodeName: {node}, \
                 serviceAccountName: {account}, containers: [{{name: a, image: a}}]}}}}"
            );
            server.kubectl_apply(&pod).await?;
        }
        let bound = async |account: &str, pod: &str| {
            let args = [
                "create",
                "token",
                account,
                "-n",
                namespace,
                "--audience=istio-ca",
                "--bound-object-kind=Pod",
            ];
            let pod = format!("--bound-object-name={pod}");
            let args: Vec<&str> = args.into_iter().chain([pod.as_str()]).collect();
            server.kubectl(&args).await.map(|token| token.trim().to_owned())
        };
        let id = |account: &str| format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
        let act = async |token: &str, account: &str| {
            served.ask(Proof::token(token), order_for(&csr(), &id(account))).await
        };

        let ztunnel = bound("ztunnel", "ztunnel-a").await?;
        let chain = act(&ztunnel, "web").await?;
        ensure!(openssl_text(&chain[0])?.contains(&id("web")));
        let web = bound("web", "web-a").await?;
        let unbound = token(server, namespace, "ztunnel", "istio-ca").await?;
        for (token, account, what) in [
            (&ztunnel, "db", "a workload of another node"),
            (&ztunnel, "nobody", "a workload that does not run"),
            (&web, "db", "a caller that is not trusted"),
            (&unbound, "web", "a token that is bound to no pod"),
        ] {
            let status = act(token, account).await.expect_err(what);
            ensure!(status.code() == Code::Unauthenticated, "{what}: {status:?}");
        }
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_go_on_while_the_api_server_is_away() {
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("away").await?;
        let served = port::serve(port::config(&server, namespace, "one").await?).await?;
        let known = token(&server, namespace, "web", "istio-ca").await?;
        let credential = served.enrol(Proof::token(&known)).await?;
        let unknown = token(&server, namespace, "late", "istio-ca").await?;
        server.kill();
        let renewed = served.enrol(Proof::credential(&credential)).await?;
        served.enrol(Proof::credential(&renewed)).await?;
        // Whoever has only a token is told to try again, not that it is nobody.
        let status = served.ask(Proof::token(&unknown), order(&csr())).await.expect_err("nobody can tell");
        ensure!(status.code() == Code::Unavailable, "{status:?}");
        server.serve_again().await?;
        served.enrol(Proof::token(&unknown)).await?;
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
