//! What the workload hears of its client's certificate, to whom mTLS is spoken at all, and who may answer: `x-forwarded-client-cert`, where a
//! ServiceEntry says its servers are, and whose accounts a Service names.

use super::{By, CLIENT, HTTP_PROXY_PORT, Stage, WITHIN, objects, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::Request;
use std::net::SocketAddr;

/// The other name that its certificate has.
const NAME: &str = "client.example.com";
const SUBJECT: &str = "Subject=\"CN=client.example.com\"";
const DNS: &str = "DNS=client.example.com";
/// What a client says of itself, and nobody believes.
const CLAIMED: &str = "By=nobody;URI=spiffe://nowhere";

#[tokio::test(flavor = "multi_thread")]
async fn the_workload_hears_of_its_client_what_the_mesh_says() {
    run(certificates()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mtls_is_spoken_within_the_mesh() {
    run(locations()).await;
}

/// What is seen of the client by the server of `host`.
async fn seen(stage: &Stage, host: &str) -> Result<String> {
    let request = Request::get(&format!("http://{host}/"))?.header("x-forwarded-client-cert", CLAIMED)?;
    let answer = request.send(SocketAddr::new(stage.client.address, HTTP_PROXY_PORT)).await?;
    ensure!(answer.status == 200, "{}", answer.summary());
    let seen = answer.echo.and_then(|echo| echo.request).context("an answer of the application")?;
    let seen = seen.headers.get("x-forwarded-client-cert").cloned().unwrap_or_default();
    ensure!(!seen.contains("nowhere"), "what a client claims is passed on: `{seen}`");
    Ok(seen)
}

async fn certificates() -> Result<()> {
    let stage = Stage::set().await?;
    stage.take("STRICT").await?;
    stage.client.identity.send_replace(Some(stage.authority.identity_called(CLIENT, NAME)?));
    let by = format!("URI={CLIENT}");
    let details = |setting: &str| {
        format!("{{forwardedClientCert: SANITIZE_SET, setCurrentClientCertDetails: {{{setting}}}}}")
    };
    // Each with what is there, and what is not.
    let cases = [
        ("{forwardedClientCert: SANITIZE}".to_owned(), "", ";"),
        (details("uri: true"), by.as_str(), "Cert="),
        (details("subject: true"), SUBJECT, "URI="),
        (details("cert: true"), "Cert=", "Chain="),
        (details("chain: true"), "Chain=", "Subject="),
        (details("dns: true"), DNS, "URI="),
    ];
    for (step, (headers, there, not)) in cases.into_iter().enumerate() {
        // With each step clusters differ, so that no connection is left that knows older settings.
        let settings = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data:\n  mesh: |\n    connectTimeout: 9.{step:03}s\n    defaultConfig: {{proxyHeaders: {headers}}}\n"
        );
        stage.mesh.edit("settings.yaml", &settings).await?;
        stage.acknowledged().await?;
        // Acknowledged is not yet taken up by every thread of an Envoy.
        eventually(WITHIN, async || {
            let seen = seen(&stage, "web").await?;
            ensure!(seen.contains(there) && !seen.contains(not), "{headers}: `{seen}`");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_say_who_else_serves_it() {
    run(others()).await;
}

async fn others() -> Result<()> {
    const OTHER: &str = "spiffe://cluster.local/ns/default/sa/other";
    let stage = Stage::set().await?;
    stage.take("STRICT").await?;
    // The pod says another account than that whose certificate it has.
    stage.server.identity.send_replace(Some(stage.authority.identity(OTHER)?));
    let mesh = objects(stage.client.address, stage.server.address);
    let (service, annotated) =
        ("{name: web, namespace: default}", "{name: web, namespace: default, annotations: {");
    for (annotation, answers) in [
        ("alpha.istio.io/kubernetes-serviceaccounts: 'older, impostor'".to_owned(), false),
        ("alpha.istio.io/kubernetes-serviceaccounts: 'older, other'".to_owned(), true),
        (format!("alpha.istio.io/canonical-serviceaccounts: '{OTHER}/more'"), false),
        (format!("alpha.istio.io/canonical-serviceaccounts: '{OTHER}'"), true),
    ] {
        stage.mesh.edit("mesh.yaml", &mesh.replace(service, &format!("{annotated}{annotation}}}}}"))).await?;
        stage.acknowledged().await?;
        // Of bytes, each connection is a new one.
        eventually(WITHIN, async || {
            let got = stage.bytes(9000, By::Mesh).await;
            ensure!(got == answers, "{annotation}: answered: {got}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn locations() -> Result<()> {
    let stage = Stage::set().await?;
    stage.take("PERMISSIVE").await?;
    for (location, mutual) in [("MESH_INTERNAL", true), ("MESH_EXTERNAL", false), ("MESH_INTERNAL", true)] {
        let yaml = format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: machine, namespace: default}}
spec:
  hosts: [machine.example.com]
  location: {location}
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  endpoints: [{{address: {}, serviceAccount: server, labels: {{security.istio.io/tlsMode: istio}}}}]
",
            stage.server.address
        );
        stage.mesh.edit("machine.yaml", &yaml).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let seen = seen(&stage, "machine.example.com").await?;
            ensure!(seen.contains(&format!("URI={CLIENT}")) == mutual, "{location}: `{seen}`");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
