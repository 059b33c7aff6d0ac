//! Certificates of Secrets, towards a server outside the mesh that wants one: replaced under 500 requests a second, withdrawn, and back.
//! The agents relay them over mutual TLS.

use crate::{
    CLIENT, RATE, alone,
    authority::Authority,
    outside::{Outside, echo, serve},
    run, say,
};
use anyhow::{Context, Result, ensure};
use axum::{Extension, Json, Router, extract::Request, http::StatusCode, routing::any};
use meltemi_local::echo::EchoAnswer;
use mesh_pki::{Credential, Facts};
use mesh_runtime::transport::Peer;
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::{Load, Traffic};
use std::{fmt::Write as _, time::Duration};
use tower::ServiceExt as _;

const HOST: &str = "outside.example.com";
const URL: &str = "http://outside.example.com/";
const FILE: &str = "credentials.yaml";
const AFTER_EACH: usize = 150;
const WITHIN: Duration = Duration::from_secs(60);

/// Answers whoever shows a certificate, and says whose that is as its version.
async fn answer(Extension(peer): Extension<Peer>, request: Request) -> Result<Json<EchoAnswer>, StatusCode> {
    let shown = peer.certificates.first().and_then(|leaf| Facts::read(leaf).ok()?.workload().ok());
    let name = shown.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(echo(name.service_account(), &peer, &request)))
}

fn answers() -> Router {
    Router::new().fallback(any(answer))
}

const RULE: Outside = Outside {
    name: "outside",
    namespace: "secure",
    host: HOST,
    policy: "workloadSelector: {matchLabels: {app: client}}",
    tls: "mode: MUTUAL, credentialName: outside",
};

/// The names that Kubernetes gives a certificate, its key, whose certificates are taken, and which of them no longer; and those that only
/// Istio knows.
const NAMES: [[&str; 4]; 2] = [["tls.crt", "tls.key", "ca.crt", "ca.crl"], ["cert", "key", "cacert", "crl"]];

fn usual(authority: &Authority, shown: &Credential) -> String {
    let [certificate, key, root, _] = NAMES[0];
    secret(&[(certificate, shown.chain_pem()), (key, shown.key_pem()), (root, &authority.root())])
}

fn secret(entries: &[(&str, &str)]) -> String {
    let mut yaml = "---
apiVersion: v1
kind: Secret
metadata: {name: outside, namespace: secure}
stringData:
"
    .to_owned();
    for (key, text) in entries {
        let _ = writeln!(yaml, "  {key}: |");
        text.lines().for_each(|line| {
            let _ = writeln!(yaml, "    {line}");
        });
    }
    yaml
}

#[test]
fn credentials_are_replaced_withdrawn_and_put_back() {
    run(async |traffic| {
        let _alone = alone().await;
        let outcome = visit(traffic).await;
        traffic.remove(FILE).await?;
        outcome
    });
}

async fn visit(traffic: &Traffic) -> Result<()> {
    let (authority, address) = (Authority::new("outside")?, Loopback::claim()?);
    let (at, _serving) = serve(&authority, &authority.server(HOST)?, &address, answers()).await?;
    let rule = RULE.at(at);
    let [first, second, third] =
        [authority.client("first")?, authority.client("second")?, authority.client("third")?];
    let with = |shown: &Credential| format!("{rule}{}", usual(&authority, shown));
    traffic.apply(FILE, &with(&first)).await?;
    let proxy = traffic.proxy(CLIENT)?;
    let load = Load::start(proxy, URL, RATE)?;
    load.more(AFTER_EACH).await;
    load.meanwhile("another certificate");
    traffic.apply(FILE, &with(&second)).await?;
    load.more(AFTER_EACH).await;
    let outcome = load.stop().await?;
    ensure!(outcome.failed == 0, "{outcome:#?}");
    ensure!(outcome.versions.keys().eq(["first", "second"]), "{outcome:#?}");
    say(&format!("{}, none failed", outcome.rate()?));
    RULE.told(traffic, |unmet| unmet.is_empty()).await?;
    nobody_sees(traffic, &second).await?;

    let ask =
        async || -> Result<u16> { Ok(mesh_tests::traffic::Request::get(URL)?.send(proxy).await?.status) };
    let until = async |expected: u16| {
        eventually(WITHIN, async || {
            let got = ask().await?;
            ensure!(got == expected, "{got}");
            Ok(())
        })
        .await
    };
    traffic.apply(FILE, &rule).await?;
    until(503).await.context("the Secret is gone")?;
    // It stays like that: what Envoy had is not used again.
    for _ in 0..20 {
        ensure!(ask().await? == 503, "answered without a Secret");
    }
    RULE.told(traffic, |unmet| unmet.iter().any(|said| said.contains("there is no Secret secure/outside")))
        .await?;
    traffic.apply(FILE, &with(&third)).await?;
    until(200).await.context("the Secret is back")?;
    let answer = mesh_tests::traffic::Request::get(URL)?.send(proxy).await?;
    let shown = answer.echo.context("no answer of the server")?.identity.version;
    ensure!(*shown == *"third", "{shown}");
    // A key that is not the certificate's.
    let broken = with(&third).replace(third.key_pem().trim_end().lines().nth(1).unwrap_or_default(), "AAAA");
    traffic.apply(FILE, &broken).await?;
    until(503).await.context("the Secret is broken")?;
    Ok(())
}

#[test]
fn secrets_have_other_names_and_say_who_is_revoked() {
    run(async |traffic| {
        let _alone = alone().await;
        let outcome = visit_by_names(traffic).await;
        traffic.remove(FILE).await?;
        outcome
    });
}

async fn visit_by_names(traffic: &Traffic) -> Result<()> {
    let (authority, address) = (Authority::new("outside")?, Loopback::claim()?);
    let [server, other] = [authority.server(HOST)?, authority.server(HOST)?];
    let (at, _serving) = serve(&authority, &server, &address, answers()).await?;
    let (rule, root) = (RULE.at(at), authority.root());
    let proxy = traffic.proxy(CLIENT)?;
    // The client that the server sees; nobody where the sidecar does not trust the server.
    let becomes = async |what: &str, expected: Option<&str>| {
        eventually(WITHIN, async || {
            let answer = mesh_tests::traffic::Request::get(URL)?.send(proxy).await?;
            let seen = (answer.status == 200).then(|| answer.version());
            ensure!(seen == expected, "{what}: {}", answer.summary());
            Ok(())
        })
        .await
    };
    for [certificate, key, roots, list] in NAMES {
        let client = authority.client(certificate)?;
        let (nobody, it) = (authority.revoke(&other)?, authority.revoke(&server)?);
        let entries = [(certificate, client.chain_pem()), (key, client.key_pem()), (roots, &root)];
        let with =
            |list: &str, text: &str| format!("{rule}{}", secret(&[&entries[..], &[(list, text)]].concat()));
        for (text, expected) in [(&nobody, Some(certificate)), (&it, None), (&nobody, Some(certificate))] {
            traffic.apply(FILE, &with(list, text)).await?;
            becomes(list, expected).await?;
        }
    }
    // Istio's come first.
    let [usual, own] = [authority.client("usual")?, authority.client("own")?];
    let both = [
        ("tls.crt", usual.chain_pem()),
        ("tls.key", usual.key_pem()),
        ("cert", own.chain_pem()),
        ("key", own.key_pem()),
        ("ca.crt", &root),
    ];
    traffic.apply(FILE, &(rule + &secret(&both))).await?;
    becomes("both", Some("own")).await
}

/// What is shown to people of what a proxy has.
async fn nobody_sees(traffic: &Traffic, credential: &Credential) -> Result<()> {
    let request = axum::http::Request::get(format!("/debug/config_dump?proxyID={CLIENT}.secure"));
    let response = traffic.pilot().debug_routes().oneshot(request.body(axum::body::Body::empty())?).await?;
    let dump = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    let dump = String::from_utf8(dump.to_vec())?;
    ensure!(dump.contains("kubernetes://outside") && dump.contains("[hidden]"), "{dump}");
    let key = credential.key_pem().lines().nth(1).context("no key")?;
    ensure!(!dump.contains(key), "the key is on view");
    Ok(())
}
