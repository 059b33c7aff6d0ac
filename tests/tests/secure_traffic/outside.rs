//! A server outside the mesh that is called by TLS: its objects, what is told of its rule, and the server itself.

use crate::authority::Authority;
use anyhow::{Result, ensure};
use axum::{Router, extract::Request};
use meltemi_local::{Identity, echo::EchoAnswer};
use mesh_model::{Kind, ObjectRef};
use mesh_pki::{Credential, TrustBundle, tls};
use mesh_runtime::transport::{Peer, Security, TransportConfig, serve_connections};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::Traffic;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;

const WITHIN: Duration = Duration::from_secs(60);

/// What is written of it.
pub struct Outside {
    /// Of the objects.
    pub name: &'static str,
    pub namespace: &'static str,
    pub host: &'static str,
    /// More of the rule.
    pub policy: &'static str,
    /// The beginning of its `tls`.
    pub tls: &'static str,
}

impl Outside {
    /// The objects of the server at this address.
    pub fn at(&self, at: SocketAddr) -> String {
        let Self { name, namespace, host, policy, tls } = self;
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{host}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http2, protocol: HTTP2, targetPort: {}}}]
  endpoints: [{{address: {}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{hosts: [{host}], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {host}}}}}]}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {host}
  {policy}
  trafficPolicy:
    connectionPool: {{http: {{maxRequestsPerConnection: 10}}}}
    tls: {{{tls}, sni: {host}, subjectAltNames: [{host}]}}
",
            at.port(),
            at.ip()
        )
    }

    /// Waits until what is told of the rule is as it should be, which is what conditions of it are not met: reports follow what they are about.
    pub async fn told(&self, traffic: &Traffic, expected: impl Fn(&[String]) -> bool) -> Result<()> {
        let rule = ObjectRef::new(Kind::DestinationRule, self.namespace, self.name);
        eventually(WITHIN, async || {
            let conditions = traffic.pilot().status(&rule).into_iter().flatten();
            let unmet = conditions.filter(|condition| condition.status != "True");
            let unmet: Vec<_> = unmet.map(|condition| condition.message).collect();
            ensure!(expected(&unmet), "{unmet:?}");
            Ok(())
        })
        .await
    }
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
