//! Certificates of Secrets, towards a server outside the mesh that wants one: replaced under 500 requests a second, withdrawn, and back.
//! The agents relay them over mutual TLS.

use crate::{CLIENT, RATE, alone, authority::Authority, run, say};
use anyhow::{Context, Result, ensure};
use axum::{Extension, Json, Router, extract::Request, http::StatusCode, routing::any};
use meltemi_local::{Identity, echo::EchoAnswer};
use mesh_model::{Kind, ObjectRef};
use mesh_pki::{Credential, Facts, TrustBundle, tls};
use mesh_runtime::transport::{Peer, Security, TransportConfig, serve_connections};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::{Load, Traffic};
use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
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

/// An answer of this version.
pub fn echo(version: &str, peer: &Peer, request: &Request) -> EchoAnswer {
    let identity = Identity {
        pod: "outside".into(),
        namespace: "outside".into(),
        workload: "outside".into(),
        app: "outside".into(),
        version: version.into(),
    };
    let protocol = format!("{:?}", request.version());
    let address = peer.address.ip();
    EchoAnswer { identity, address, port: 0, protocol, request: None, payload: String::new() }
}

/// A server that takes certificates of `authority`, too; it ends with the guard.
pub async fn serve(
    authority: &Authority,
    shown: &Credential,
    address: &Loopback,
    answer: Router,
) -> Result<(SocketAddr, DropGuard)> {
    let settings = tls::server(shown, &TrustBundle::from_pem(&authority.root())?, None)?;
    let listener = TcpListener::bind((address.ip(), 0)).await?;
    let (at, end) = (listener.local_addr()?, CancellationToken::new());
    let (sender, security) = watch::channel(Arc::new(settings));
    let routes = Routes::from(answer);
    let ending = end.clone();
    tokio::spawn(async move {
        let security = Security::Tls(security);
        let served = serve_connections(TransportConfig::default(), security, routes, listener, ending);
        drop((served.await, sender));
    });
    Ok((at, end.drop_guard()))
}

fn answers() -> Router {
    Router::new().fallback(any(answer))
}

fn rule(at: SocketAddr) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: secure}}
spec:
  hosts: [{HOST}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http2, protocol: HTTP2, targetPort: {}}}]
  endpoints: [{{address: {}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: outside, namespace: secure}}
spec: {{hosts: [{HOST}], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {HOST}}}}}]}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: outside, namespace: secure}}
spec:
  host: {HOST}
  workloadSelector: {{matchLabels: {{app: client}}}}
  trafficPolicy:
    connectionPool: {{http: {{maxRequestsPerConnection: 10}}}}
    tls: {{mode: MUTUAL, credentialName: outside, sni: {HOST}, subjectAltNames: [{HOST}]}}
",
        at.port(),
        at.ip()
    )
}

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

/// What conditions of the rule are not met.
fn unmet(traffic: &Traffic) -> Vec<String> {
    let rule = ObjectRef::new(Kind::DestinationRule, "secure", "outside");
    let conditions = traffic.pilot().status(&rule).into_iter().flatten();
    conditions.filter(|condition| condition.status != "True").map(|condition| condition.message).collect()
}

/// Waits until what is told of the rule is as it should be: reports follow what they are about.
async fn told(traffic: &Traffic, expected: impl Fn(&[String]) -> bool) -> Result<()> {
    eventually(WITHIN, async || {
        let unmet = unmet(traffic);
        ensure!(expected(&unmet), "{unmet:?}");
        Ok(())
    })
    .await
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
    let rule = rule(at);
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
    told(traffic, |unmet| unmet.is_empty()).await?;
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
    told(traffic, |unmet| unmet.iter().any(|said| said.contains("there is no Secret secure/outside")))
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
    let (rule, root) = (rule(at), authority.root());
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
