//! mTLS between two real Envoys whose certificates come from the agent's SDS: what gets through in which mode, and who is let in.
//!
//! The client of the mesh calls through its sidecar; the one outside connects to the server's sidecar itself, in plaintext or by OpenSSL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by unwrapping it"
)]

mod certificates;
mod given;
mod identities;
mod ingress;
mod logged;
mod modes;
mod outside;
mod redirected;
mod revoked;
mod strangers;
mod told;

use anyhow::{Context, Result, bail};
use certificates::{Authority, Pair};
use meltemi_agent::{Identity, sds};
use meltemi_local::{
    HTTP_PROXY_PORT,
    echo::{self, EchoAnswer, EchoHandle, EchoSpec, WHOAMI},
    envoy::{EnvoySettings, SidecarSpec, build_bootstrap},
};
use mesh_model::{LocalPort, Locality, Protocol};
use mesh_testkit::{Envoy, SweptDir, ports::Loopback};
use mesh_tests::{flow::TestMesh, traffic::Request};
use modes::mode;
use serde_json::{Value, json};
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

const WITHIN: Duration = Duration::from_secs(60);
/// Longer than any answer takes.
const ANSWER: Duration = Duration::from_secs(10);
/// What sidecars offer for requests, and for bytes.
const HTTP: &str = "istio-http/1.1,istio,http/1.1";
const BYTES: &str = "istio-peer-exchange,istio";
const REQUEST: &str = "GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
/// Where revocation lists would be mounted.
const REVOKED: &str = "crl";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

/// Runs a test that asks Envoys, if there are any.
async fn run(test: impl Future<Output = Result<()>>) {
    if Envoy::binary().is_some() {
        test.await.unwrap_or_else(|error| panic!("{error:#}"));
    }
}

/// A workload: an Envoy, where its certificate comes from, and the application.
struct Peer {
    address: IpAddr,
    identity: watch::Sender<Option<Identity>>,
    envoy: Envoy,
    _application: Option<EchoHandle>,
    _serving: DropGuard,
    _addresses: [Loopback; 2],
}

/// Where workloads are.
#[derive(Clone, Copy)]
struct Place<'a> {
    directory: &'a Path,
    xds: SocketAddr,
}

struct Stage {
    mesh: TestMesh,
    authority: Authority,
    client: Peer,
    server: Peer,
    directory: SweptDir,
}

/// Who a workload says it is.
fn called(name: &str) -> meltemi_local::Identity {
    meltemi_local::Identity {
        pod: name.into(),
        namespace: "default".into(),
        workload: name.into(),
        app: name.into(),
        version: "v1".into(),
    }
}

fn objects(client: IpAddr, server: IpAddr) -> String {
    let pod = |name: &str, address: IpAddr| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default, labels: {{app: {name}, security.istio.io/tlsMode: istio}}}}
spec: {{serviceAccountName: {name}, containers: [{{name: app, image: example.com/app}}]}}
status: {{podIP: {address}, phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}
---
"
        )
    };
    format!(
        "{}{}apiVersion: v1
kind: Service
metadata: {{name: web, namespace: default}}
spec:
  clusterIP: 10.96.0.10
  selector: {{app: server}}
  ports:
    - {{name: http, port: 80, targetPort: 8080}}
    - {{name: tcp, port: 9000, targetPort: 9090}}
    - {{name: main, port: 9001, targetPort: 9091}}
",
        pod("client", client),
        pod("server", server)
    )
}

/// The bootstrap of a local mesh's sidecar, but one with an agent.
fn bootstrap(spec: &SidecarSpec, settings: &EnvoySettings, socket: &Path) -> Value {
    let mut bootstrap = build_bootstrap(spec, settings);
    bootstrap["node"]["metadata"].as_object_mut().unwrap().remove("MELTEMI_WITHOUT_IDENTITY");
    bootstrap["static_resources"]["clusters"].as_array_mut().unwrap().push(json!({
        "name": "sds-grpc",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {
            "cluster_name": "sds-grpc",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    }));
    bootstrap
}

impl Peer {
    async fn start(
        name: &str,
        addresses: [Loopback; 2],
        identity: Identity,
        ports: Vec<LocalPort>,
        place: Place<'_>,
    ) -> Result<Self> {
        let Place { directory, xds } = place;
        let (address, application) = (addresses[0].ip(), addresses[1].ip());
        let called = called(name);
        let echo = EchoSpec { identity: called.clone(), pod_address: address, application, ports };
        let echo = if echo.ports.is_empty() { None } else { Some(echo::start(echo).await?) };
        let (sender, current) = watch::channel(Some(identity));
        let socket = directory.join(format!("{name}.sock"));
        let (listener, end) = (sds::bind(&socket).await?, CancellationToken::new());
        let revocations = Some(directory.join(REVOKED).join("ca-crl.pem"));
        let sources = sds::Sources { identity: current, revocations, roots: None };
        tokio::spawn(sds::serve(listener, sources, end.clone()));
        let spec = SidecarSpec {
            identity: called,
            pod_address: address,
            application,
            labels: Arc::default(),
            service_account: name.into(),
            locality: Locality::default(),
            start: Default::default(),
        };
        let settings = EnvoySettings {
            binary: PathBuf::new(),
            xds,
            agents: None,
            run_directory: PathBuf::new(),
            cluster_id: "Kubernetes".to_owned(),
            domain: "cluster.local".to_owned(),
        };
        let envoy =
            Envoy::launch(&bootstrap(&spec, &settings, &socket).to_string()).await.context("Envoy")?;
        Ok(Self {
            address,
            identity: sender,
            envoy,
            _application: echo,
            _serving: end.drop_guard(),
            _addresses: addresses,
        })
    }
}

impl Stage {
    async fn set() -> Result<Self> {
        let directory = SweptDir::new("meltemi-mtls-")?;
        std::fs::create_dir(directory.path().join(REVOKED))?;
        let claim = || -> Result<[Loopback; 2]> { Ok([Loopback::claim()?, Loopback::claim()?]) };
        let (near, far) = (claim()?, claim()?);
        let mesh = TestMesh::start(&[("mesh.yaml", &objects(near[0].ip(), far[0].ip()))]).await?;
        let authority = Authority::new("the mesh")?;
        let place = Place { directory: directory.path(), xds: mesh.pilot.grpc_address() };
        let ports = [(8080, Protocol::Http), (9090, Protocol::Tcp), (9091, Protocol::Auto)];
        let ports = ports.map(|(number, protocol)| LocalPort { number, protocol }).into();
        let client = Peer::start("client", near, authority.identity(CLIENT)?, Vec::new(), place).await?;
        let server = Peer::start("server", far, authority.identity(SERVER)?, ports, place).await?;
        client.envoy.ready().await?;
        server.envoy.ready().await?;
        let stage = Self { mesh, authority, client, server, directory };
        stage.acknowledged().await?;
        Ok(stage)
    }

    async fn acknowledged(&self) -> Result<()> {
        let all = tokio::time::timeout(WITHIN, self.mesh.pilot.acknowledged()).await;
        all.with_context(|| format!("rejected: {:#?}", self.mesh.pilot.xds().rejections.report()))?;
        Ok(())
    }

    async fn take(&self, taken: &str) -> Result<()> {
        self.mesh.edit("peers.yaml", &mode(taken)).await?;
        self.acknowledged().await
    }

    /// Whether a request gets through, and with which identity of the client.
    async fn request(&self, port: u16, by: By) -> Result<Option<String>> {
        let (url, to) = match by {
            By::Mesh => {
                (format!("http://web:{port}/"), SocketAddr::new(self.client.address, HTTP_PROXY_PORT))
            }
            By::Stranger => ("http://web/".to_owned(), SocketAddr::new(self.server.address, target(port))),
        };
        let request = Request::get(&url)?;
        let request = if matches!(by, By::Stranger) { request.direct() } else { request };
        match request.send(to).await {
            Ok(answer) if answer.status == 200 => {
                let seen =
                    answer.echo.and_then(|echo| echo.request).context("an answer of the application")?;
                Ok(Some(seen.headers.get("x-forwarded-client-cert").cloned().unwrap_or_default()))
            }
            Ok(answer) if matches!(by, By::Stranger) => bail!("{}", answer.summary()),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether bytes get through.
    async fn bytes(&self, port: u16, by: By) -> bool {
        let to = match by {
            By::Mesh => SocketAddr::new(self.client.address, port),
            By::Stranger => SocketAddr::new(self.server.address, target(port)),
        };
        whoami(to).await.is_ok_and(|pod| pod == "server")
    }

    /// Whether OpenSSL gets a request through to a port with mTLS, with this certificate.
    async fn openssl(&self, shown: Option<&Pair>) -> Result<bool> {
        self.openssl_to(8080, HTTP, shown).await
    }

    /// The same, to a port of the server and as whoever offers `alpn`.
    async fn openssl_to(&self, port: u16, alpn: &str, shown: Option<&Pair>) -> Result<bool> {
        let said =
            self.openssl_says(port, alpn, shown, REQUEST).await?.context("neither answered nor refused")?;
        Ok(said.starts_with("HTTP/1.1 200"))
    }

    /// Whether OpenSSL gets bytes through, with this certificate.
    async fn openssl_bytes(&self, port: u16, shown: Option<&Pair>) -> Result<bool> {
        let said = self.openssl_says(port, BYTES, shown, &format!("{WHOAMI}\n")).await?;
        // Where no TLS is spoken, nobody may have an answer to its beginning.
        let answer = said.and_then(|said| serde_json::from_str::<EchoAnswer>(said.lines().next()?).ok());
        Ok(answer.is_some_and(|answer| *answer.identity.pod == *"server"))
    }

    /// What OpenSSL is answered at a port of the server as whoever offers `alpn`; `None`: nothing, and the connection stays.
    async fn openssl_says(
        &self,
        port: u16,
        alpn: &str,
        shown: Option<&Pair>,
        asks: &str,
    ) -> Result<Option<String>> {
        let (certificate, key) = (self.directory.path().join("c.pem"), self.directory.path().join("k.pem"));
        let mut command = tokio::process::Command::new("openssl");
        let to = SocketAddr::new(self.server.address, port).to_string();
        command.args(["s_client", "-quiet", "-alpn", alpn, "-connect", &to]);
        if let Some(shown) = shown {
            shown.write(&certificate, &key)?;
            command.arg("-cert").arg(&certificate).arg("-key").arg(&key);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("stdin")?;
        // Refused is who is hung up on, maybe before all is written.
        let _ = input.write_all(asks.as_bytes()).await;
        let mut said = Vec::new();
        let mut output = BufReader::new(child.stdout.take().context("stdout")?);
        // One line of what stays open, and all of what is closed.
        let read = async {
            match asks == REQUEST {
                true => output.read_to_end(&mut said).await,
                false => output.read_until(b'\n', &mut said).await,
            }
        };
        let Ok(read) = tokio::time::timeout(ANSWER, read).await else { return Ok(None) };
        read?;
        Ok(Some(String::from_utf8_lossy(&said).into_owned()))
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
enum By {
    /// Through a sidecar.
    Mesh,
    /// In plaintext.
    Stranger,
}

/// Where the service's port leads.
fn target(port: u16) -> u16 {
    match port {
        80 => 8080,
        9000 => 9090,
        _ => 9091,
    }
}

async fn whoami(to: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(format!("{WHOAMI}\n").as_bytes()).await?;
    let mut line = String::new();
    tokio::time::timeout(ANSWER, BufReader::new(stream).read_line(&mut line)).await??;
    let answer: EchoAnswer = serde_json::from_str(&line)?;
    Ok(answer.identity.pod.to_string())
}
