//! Certificates of Secrets, towards a server outside the mesh that wants one: replaced under 500 requests a second, withdrawn, and back.
//! The agents relay them over mutual TLS.

use crate::{CLIENT, RATE, alone, run, say};
use anyhow::{Context, Result, ensure};
use axum::{Extension, Json, Router, extract::Request, http::StatusCode, routing::any};
use meltemi_local::{Identity, echo::EchoAnswer};
use mesh_model::{Kind, ObjectRef};
use mesh_pki::{Credential, Facts, TrustBundle, tls};
use mesh_runtime::transport::{Peer, Security, TransportConfig, serve_connections};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::{Load, Traffic};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
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

/// Signs for both sides.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "outside");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    fn issue(&self, name: SanType) -> Result<Credential> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?.pem();
        Ok(Credential::from_pem(&certificate, &key.serialize_pem())?)
    }

    /// A client's, that says which one it is.
    fn client(&self, name: &str) -> Result<Credential> {
        self.issue(SanType::URI(format!("spiffe://outside/ns/a/sa/{name}").as_str().try_into()?))
    }
}

/// Answers whoever shows a certificate, and says whose that is as its version.
async fn answer(Extension(peer): Extension<Peer>, request: Request) -> Result<Json<EchoAnswer>, StatusCode> {
    let shown = peer.certificates.first().and_then(|leaf| Facts::read(leaf).ok()?.workload().ok());
    let name = shown.ok_or(StatusCode::UNAUTHORIZED)?;
    let identity = Identity {
        pod: "outside".into(),
        namespace: "outside".into(),
        workload: "outside".into(),
        app: "outside".into(),
        version: name.service_account().into(),
    };
    let protocol = format!("{:?}", request.version());
    let address = peer.address.ip();
    Ok(Json(EchoAnswer { identity, address, port: 0, protocol, request: None, payload: String::new() }))
}

/// A server that takes certificates of `authority`; it ends with the guard.
async fn serve(authority: &Authority, address: &Loopback) -> Result<(SocketAddr, DropGuard)> {
    let shown = authority.issue(SanType::DnsName(HOST.try_into()?))?;
    let settings = tls::server(&shown, &TrustBundle::from_pem(&authority.0.pem())?, None)?;
    let listener = TcpListener::bind((address.ip(), 0)).await?;
    let (at, end) = (listener.local_addr()?, CancellationToken::new());
    let (sender, security) = watch::channel(Arc::new(settings));
    let routes = Routes::from(Router::new().fallback(any(answer)));
    let ending = end.clone();
    tokio::spawn(async move {
        let security = Security::Tls(security);
        let served = serve_connections(TransportConfig::default(), security, routes, listener, ending);
        drop((served.await, sender));
    });
    Ok((at, end.drop_guard()))
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

fn secret(authority: &Authority, shown: &Credential) -> String {
    let root = authority.0.pem();
    let mut yaml = "---
apiVersion: v1
kind: Secret
metadata: {name: outside, namespace: secure}
stringData:
"
    .to_owned();
    for (key, text) in [("tls.crt", shown.chain_pem()), ("tls.key", shown.key_pem()), ("ca.crt", &root)] {
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
    let (authority, address) = (Authority::new()?, Loopback::claim()?);
    let (at, _serving) = serve(&authority, &address).await?;
    let rule = rule(at);
    let [first, second, third] =
        [authority.client("first")?, authority.client("second")?, authority.client("third")?];
    let with = |shown: &Credential| format!("{rule}{}", secret(&authority, shown));
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
