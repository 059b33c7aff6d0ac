//! Authorities of a ConfigMap in another namespace, towards a server outside the mesh: replaced under 500 requests a second while the server
//! goes over to a certificate of another authority, withdrawn, and back.

use crate::{
    CLIENT, RATE, alone,
    authority::Authority,
    outside::{Outside, echo, serve},
    run, say,
};
use anyhow::{Context, Result, ensure};
use axum::{Extension, Json, Router, extract, routing::any};
use mesh_runtime::transport::Peer;
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::{Load, Request, Traffic};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};

const HOST: &str = "public.example.com";
const URL: &str = "http://public.example.com/";
const FILE: &str = "config-maps.yaml";
const AFTER_EACH: usize = 150;
const WITHIN: Duration = Duration::from_secs(60);

/// Answers everybody, as `version`.
fn answer(version: &'static str) -> Router {
    let answer = async move |Extension(peer): Extension<Peer>, request: extract::Request| {
        Json(echo(version, &peer, &request))
    };
    Router::new().fallback(any(answer))
}

/// In a namespace where no client is, and for all of them.
const RULE: Outside = Outside {
    name: "public",
    namespace: "outside",
    host: HOST,
    policy: "",
    tls: "mode: SIMPLE, credentialName: 'configmap://outside/roots'",
};

fn roots(authorities: &[&Authority]) -> String {
    let mut yaml = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: roots, namespace: outside}\ndata:\n  ca.crt: |\n"
        .to_owned();
    for authority in authorities {
        authority.root().lines().for_each(|line| {
            let _ = writeln!(yaml, "    {line}");
        });
    }
    yaml
}

#[test]
fn authorities_are_replaced_withdrawn_and_put_back() {
    run(async |traffic| {
        let _alone = alone().await;
        let outcome = visit(traffic).await;
        traffic.remove(FILE).await?;
        outcome
    });
}

async fn visit(traffic: &Traffic) -> Result<()> {
    let (first, second, address) = (Authority::new("first")?, Authority::new("second")?, Loopback::claim()?);
    let (at_first, _serving) = serve(&first, &first.server(HOST)?, &address, answer("first")).await?;
    let (at_second, _serving) = serve(&second, &second.server(HOST)?, &address, answer("second")).await?;
    let apply = async |at: SocketAddr, authorities: &[&Authority]| {
        traffic.apply(FILE, &format!("{}{}", RULE.at(at), roots(authorities))).await
    };
    apply(at_first, &[&first]).await?;
    let proxy = traffic.proxy(CLIENT)?;
    let load = Load::start(proxy, URL, RATE)?;
    load.more(AFTER_EACH).await;
    for (what, at, authorities) in [
        ("two authorities", at_first, vec![&first, &second]),
        ("another server", at_second, vec![&first, &second]),
        ("its authority alone", at_second, vec![&second]),
    ] {
        load.meanwhile(what);
        apply(at, &authorities).await?;
        load.more(AFTER_EACH).await;
    }
    let outcome = load.stop().await?;
    ensure!(outcome.failed == 0, "{outcome:#?}");
    ensure!(outcome.versions.keys().eq(["first", "second"]), "{outcome:#?}");
    say(&format!("{}, none failed", outcome.rate()?));
    RULE.told(traffic, |unmet| unmet.is_empty()).await?;

    let until = async |expected: u16| {
        eventually(WITHIN, async || {
            let got = Request::get(URL)?.send(proxy).await?.status;
            ensure!(got == expected, "{got}");
            Ok(())
        })
        .await
    };
    apply(at_second, &[&first]).await?;
    until(503).await.context("the server's authority is not among them")?;
    apply(at_second, &[&second]).await?;
    until(200).await.context("it is again")?;
    traffic.apply(FILE, &RULE.at(at_second)).await?;
    until(503).await.context("the ConfigMap is gone")?;
    // It stays like that: what Envoy had is not used again.
    for _ in 0..20 {
        let status = Request::get(URL)?.send(proxy).await?.status;
        ensure!(status == 503, "answered {status} without authorities");
    }
    RULE.told(traffic, |unmet| unmet.iter().any(|said| said.contains("there is no ConfigMap outside/roots")))
        .await?;
    apply(at_second, &[&second]).await?;
    until(200).await.context("the ConfigMap is back")
}
