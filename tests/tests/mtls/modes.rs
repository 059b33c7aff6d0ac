//! What gets through in which mode: requests, bytes, and a port on which either may come; from a sidecar, in plaintext, and by mTLS as it is.

use super::{By, CLIENT, HTTP, HTTP_PROXY_PORT, Pair, Stage, WITHIN, run, target};
use crate::certificates::Validity;
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::Request;
use std::net::SocketAddr;

/// A PeerAuthentication of the namespace.
pub(super) fn mode(mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: {mode}}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_by_protocol_and_client() {
    run(modes()).await;
}

async fn modes() -> Result<()> {
    let stage = Stage::set().await?;
    let client = stage.authority.issue(CLIENT, Validity::Now)?;
    // The first is what holds where nobody says anything.
    for (taken, plaintext, mutual) in
        [("", true, true), ("STRICT", false, true), ("DISABLE", true, false), ("PERMISSIVE", true, true)]
    {
        if !taken.is_empty() {
            stage.take(taken).await?;
        }
        // Acknowledged is not yet taken up by every thread of an Envoy.
        eventually(WITHIN, async || taken_is(&stage, &client, taken, plaintext, mutual).await).await?;
    }
    Ok(())
}

/// Whether plaintext and mTLS are taken at every port, and nothing else.
async fn taken_is(stage: &Stage, client: &Pair, taken: &str, plaintext: bool, mutual: bool) -> Result<()> {
    // Sidecars speak what is taken.
    for port in [80, 9001] {
        let seen = stage.request(port, By::Mesh).await?;
        let seen = seen.with_context(|| format!("{taken}: no answer on {port} through the sidecar"))?;
        ensure!(seen.contains(&format!("URI={CLIENT}")) == mutual, "{taken} {port}: XFCC `{seen}`");
        let seen = stage.request(port, By::Stranger).await?;
        ensure!(seen.is_some() == plaintext, "{taken}: plaintext requests on {port}: {seen:?}");
        ensure!(
            !seen.is_some_and(|seen| seen.contains("URI=")),
            "{taken} {port}: an identity out of nowhere"
        );
    }
    // Where the client chooses the version, the server hears of it by ALPN: otherwise it would take requests for bytes.
    let request = Request::get("http://web:9001/")?.http2();
    let answer = request.send(SocketAddr::new(stage.client.address, HTTP_PROXY_PORT)).await?;
    let echo = answer.echo.with_context(|| format!("{taken}: no answer over HTTP/2"))?;
    let seen = echo.request.context("an answer of the application")?;
    let shown = seen.headers.get("x-forwarded-client-cert").is_some_and(|shown| shown.contains("URI="));
    ensure!(echo.protocol == "HTTP/2" && shown == mutual, "{taken}: {} {seen:?}", echo.protocol);
    for port in [9000, 9001] {
        ensure!(stage.bytes(port, By::Mesh).await, "{taken}: bytes on {port} through the sidecar");
        let got = stage.bytes(port, By::Stranger).await;
        ensure!(got == plaintext, "{taken}: plaintext bytes on {port}: {got}");
    }
    // Whoever speaks mTLS whatever is taken, as sidecars do that have not heard of it yet.
    for port in [80, 9001] {
        let got = stage.openssl_to(target(port), HTTP, Some(client)).await?;
        ensure!(got == mutual, "{taken}: a request by mTLS on {port}: {got}");
    }
    for port in [9000, 9001] {
        let got = stage.openssl_bytes(target(port), Some(client)).await?;
        ensure!(got == mutual, "{taken}: bytes by mTLS on {port}: {got}");
    }
    Ok(())
}

/// One for some level: `spec` in YAML.
fn peers(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_from_the_mesh_to_a_port() {
    run(levels()).await;
}

async fn levels() -> Result<()> {
    let stage = Stage::set().await?;
    let client = stage.authority.issue(CLIENT, Validity::Now)?;
    let mesh = peers("istio-system", "default", "{mtls: {mode: STRICT}}");
    let namespace = mesh.clone() + &peers("default", "default", "{mtls: {mode: PERMISSIVE}}");
    let own = |spec: &str| {
        let spec = format!("{{selector: {{matchLabels: {{app: server}}}}, {spec}}}");
        namespace.clone() + &peers("default", "server", &spec)
    };
    // Whether plaintext and mTLS are taken for requests, and for bytes: what is narrower is what holds.
    for (what, yaml, requests, bytes) in [
        ("mesh", mesh.clone(), [false, true], [false, true]),
        ("namespace", namespace.clone(), [true, true], [true, true]),
        ("workload", own("mtls: {mode: DISABLE}"), [true, false], [true, false]),
        (
            "port",
            own("mtls: {mode: DISABLE}, portLevelMtls: {9090: {mode: STRICT}}"),
            [true, false],
            [false, true],
        ),
        ("a mode that nobody knows", own("mtls: {mode: STRCT}"), [false, true], [false, true]),
        ("none of the workload", namespace.clone(), [true, true], [true, true]),
    ] {
        stage.mesh.edit("peers.yaml", &yaml).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let got = [
                stage.request(80, By::Stranger).await?.is_some(),
                stage.openssl_to(target(80), HTTP, Some(&client)).await?,
            ];
            ensure!(got == requests, "{what}: requests in plaintext and by mTLS: {got:?}");
            let got = [
                stage.bytes(9000, By::Stranger).await,
                stage.openssl_bytes(target(9000), Some(&client)).await?,
            ];
            ensure!(got == bytes, "{what}: bytes in plaintext and by mTLS: {got:?}");
            // Sidecars speak what is taken.
            ensure!(stage.request(80, By::Mesh).await?.is_some(), "{what}: a request through the sidecar");
            ensure!(stage.bytes(9000, By::Mesh).await, "{what}: bytes through the sidecar");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
