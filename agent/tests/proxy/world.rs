//! In: YAML. Out: a control plane with TLS in this process, the application of its one workload, and `meltemi-agent` processes beside it.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use citadel::{Citadel, LocalTokens, Metrics};
use hickory_proto::{
    op::{Message, Query},
    rr::{Name, RecordType},
};
use meltemi_agent::envoy::{
    Listen,
    bootstrap::{ADMIN_PORT, HEALTH_PORT, PROMETHEUS_PORT, STATUS_PORT},
};
use meltemi_local::{
    HTTP_PROXY_PORT,
    echo::{self, EchoHandle, EchoSpec},
};
use mesh_model::Workload;
use mesh_pki::credential::read_certificates;
use mesh_runtime::{
    admin_client::get,
    drain::{self, Trigger},
    ready::Readiness,
    transport::{Security, TransportConfig, serve_connections},
};
use pilot::{Pilot, SourceConfig, StatusConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

const DNS_PORT: u16 = 15053;
/// The probes of the application, as an injector writes them. Its port is where its Envoy takes it up.
const PROBES: &str =
    r#"{"/app-health/hello/readyz": {"httpGet": {"path": "/ready", "port": 8080}, "timeoutSeconds": 60}}"#;
/// The pod of every mesh.
const HELLO: &str = "hello-0";
const HOUR: Duration = Duration::from_secs(3600);

/// Files, an authority, and a directory that stands for the pod's volumes.
pub struct World {
    files: tempfile::TempDir,
    root: tempfile::TempDir,
    namespace: String,
    tokens: LocalTokens,
    citadel: Citadel,
    _trigger: Trigger,
}

impl World {
    /// A mesh of one workload, `hello`, with more YAML. Addresses follow from names: each test has a namespace of its own.
    pub async fn new(namespace: &str, more: &[(&str, &str)]) -> Result<Self> {
        let (files, root) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let tokens = LocalTokens::new("istio-ca")?;
        let config = citadel::Config::new(citadel::Place::Memory, "cluster.local");
        let config = citadel::Config { oidc: vec![tokens.rule()], ..config };
        let (trigger, drain) = drain::channel();
        let citadel = citadel::start(config, Metrics::unregistered(), &drain).await?;
        let namespace = namespace.to_owned();
        let world = Self { files, root, namespace, tokens, citadel, _trigger: trigger };
        let workload = "apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 1
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec: {containers: [{name: hello, image: hello, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  selector: {app: hello}
  ports: [{name: http, port: 80, targetPort: 8080}]
";
        world.write("workload.yaml", workload)?;
        for (name, text) in more {
            world.write(name, text)?;
        }
        world.mount(world.root())?;
        Ok(world)
    }

    /// What a kubelet mounts into a pod, whose volumes are below `root`.
    fn mount(&self, root: &Path) -> Result<()> {
        let token = root.join("var/run/secrets/tokens/istio-token");
        let roots = root.join("var/run/secrets/istio/root-cert.pem");
        for path in [&token, &roots] {
            std::fs::create_dir_all(path.parent().context("a directory")?)?;
        }
        std::fs::write(token, self.tokens.token(&self.namespace, "default", HOUR)?)?;
        Ok(std::fs::write(roots, self.citadel.bundle().pem())?)
    }

    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let text = text.replace(
            "metadata: {name: hello}",
            &format!("metadata: {{name: hello, namespace: {}}}", self.namespace),
        );
        Ok(std::fs::write(self.files.path().join(name), text)?)
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

/// What serves configuration and certificates, and can be taken away.
pub struct ControlPlane<'a> {
    world: &'a World,
    pub pilot: Pilot,
    pub address: SocketAddr,
    trigger: Trigger,
    end: CancellationToken,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Where one was.
pub struct Stopped<'a> {
    world: &'a World,
    address: SocketAddr,
}

impl<'a> ControlPlane<'a> {
    pub async fn start(world: &'a World) -> Result<Self> {
        Self::start_at(world, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    async fn start_at(world: &'a World, address: SocketAddr) -> Result<Self> {
        let source = SourceConfig::Files(world.files.path().to_path_buf());
        Self::start_with(world, address, source, None).await
    }

    /// One whose configuration is elsewhere.
    pub async fn start_from(
        world: &'a World,
        source: SourceConfig,
        status: Option<StatusConfig>,
    ) -> Result<Self> {
        Self::start_with(world, SocketAddr::from(([127, 0, 0, 1], 0)), source, status).await
    }

    async fn start_with(
        world: &'a World,
        address: SocketAddr,
        source: SourceConfig,
        status: Option<StatusConfig>,
    ) -> Result<Self> {
        let (trigger, drain) = drain::channel();
        let config = pilot::Config {
            grpc_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            status,
            ..pilot::Config::new(source)
        };
        let pilot = pilot::start(config, &Readiness::new(), &drain).await?;
        let admit = |caller: &citadel::Caller, extensions: &mut http::Extensions| {
            let identity = &caller.identity;
            extensions.insert(pilot::admission(identity.namespace(), identity.service_account()));
        };
        let ads = world.citadel.require_caller(admit).layer(pilot.ads());
        let routes = world.citadel.routes().add_service(ads);
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let security = Security::Tls(world.citadel.tls());
        let transport = TransportConfig { drain: Duration::from_millis(100), ..TransportConfig::default() };
        let serving = tokio::spawn(serve_connections(transport, security, routes, listener, end.clone()));
        Ok(Self { world, pilot, address, trigger, end, serving })
    }

    /// Ends it; when it returns nobody listens any more.
    pub async fn stop(self) -> Stopped<'a> {
        let Self { world, pilot, address, trigger, end, serving } = self;
        end.cancel();
        let _ = serving.await;
        drop(pilot);
        let _ = trigger.drain(Duration::from_secs(5)).await;
        Stopped { world, address }
    }

    /// A workload, once the mesh is read.
    pub async fn workload(&self, pod: &str) -> Result<Arc<Workload>> {
        self.pilot.published().wait_for(|sequence| *sequence > 0).await?;
        let mesh = self.pilot.mesh().borrow().clone();
        let found = mesh.workloads().find(|workload| *workload.object.name.name == *pod);
        found.cloned().context("a workload")
    }

    /// Starts the application of `hello`.
    pub async fn start_echo(&self) -> Result<EchoHandle> {
        self.start_echo_of(HELLO).await
    }

    /// Starts the application of a workload.
    pub async fn start_echo_of(&self, pod: &str) -> Result<EchoHandle> {
        let workload = self.workload(pod).await?;
        Ok(echo::start(EchoSpec::of(&workload).context("a workload that is run here")?).await?)
    }
}

impl<'a> Stopped<'a> {
    pub async fn start_again(self) -> Result<ControlPlane<'a>> {
        ControlPlane::start_at(self.world, self.address).await
    }
}

/// A `meltemi-agent` process, killed when it is dropped.
pub struct Proxy {
    command: Command,
    child: Child,
    address: IpAddr,
    root: PathBuf,
    log: PathBuf,
}

/// In bytes.
pub struct Memory {
    /// All that is resident, pages of the program's file included.
    pub all: u64,
    /// What only this process has.
    pub own: u64,
    /// The most that has been resident.
    pub most: u64,
}

/// A workload of the mesh, as a proxy stands beside it.
pub struct Pod<'a> {
    pub name: &'a str,
    /// What its proxy stands for.
    pub role: &'a str,
    /// Its volumes are below.
    pub root: &'a Path,
    /// More of its environment.
    pub more: &'a [(&'a str, &'a str)],
}

/// Where a proxy stands.
pub struct Place<'a> {
    pub name: &'a str,
    /// What its proxy stands for.
    pub role: &'a str,
    /// Its volumes are below.
    pub root: &'a Path,
    pub address: IpAddr,
    /// Where what it stands beside listens.
    pub application: IpAddr,
    /// More of its settings, as JSON.
    pub settings: &'a str,
}

impl Proxy {
    /// Beside `hello`.
    pub fn start(world: &World, plane: &ControlPlane<'_>, envoy: &Path) -> Result<Self> {
        Self::start_with(world, plane, envoy, &[])
    }

    /// The same, with more in its environment.
    pub fn start_with(
        world: &World,
        plane: &ControlPlane<'_>,
        envoy: &Path,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let pod = Pod { name: HELLO, role: "sidecar", root: world.root(), more };
        Self::start_of(&pod, world, plane, envoy)
    }

    /// Beside another workload.
    pub fn start_of(pod: &Pod<'_>, world: &World, plane: &ControlPlane<'_>, envoy: &Path) -> Result<Self> {
        let Pod { name, role, root, more } = *pod;
        let mesh = plane.pilot.mesh().borrow().clone();
        let mut workloads = mesh.workloads();
        let workload =
            workloads.find(|workload| *workload.object.name.name == *name).context("a workload")?;
        let address = *workload.addresses.first().context("an address")?;
        let application = workload.local.as_ref().context("it is run here")?.application;
        let (name, settings) = (&workload.object.name.name, r#""concurrency": 1"#);
        let place = Place { name, role, root, address, application, settings };
        Self::start_at(&place, more, world, plane, envoy)
    }

    /// Beside anything.
    pub fn start_at(
        place: &Place<'_>,
        more: &[(&str, &str)],
        world: &World,
        plane: &ControlPlane<'_>,
        envoy: &Path,
    ) -> Result<Self> {
        let Place { name, role, root, address, application, settings } = *place;
        world.mount(root)?;
        let config = format!(
            r#"{{"discoveryAddress": "{}", "terminationDrainDuration": "0.2s", {settings}}}"#,
            plane.address
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_meltemi-agent"));
        command
            .args(["proxy", role, "--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error"])
            .args([
                "--log_output_level=info,meltemi_agent::drain=debug",
                "--bind-address",
                &address.to_string(),
                "--root",
            ])
            .arg(root)
            .env_clear()
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", &world.namespace)
            .env("INSTANCE_IP", address.to_string())
            .env("SERVICE_ACCOUNT", "default")
            .env("ISTIOD_SAN", "localhost")
            .env("PROXY_CONFIG", config)
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            .env("ISTIO_META_INTERCEPTION_MODE", "NONE")
            .env("ISTIO_META_DNS_CAPTURE", "true")
            .env("DNS_PROXY_ADDR", SocketAddr::new(address, DNS_PORT).to_string())
            .env("ISTIO_KUBE_APP_PROBERS", PROBES)
            .env("ISTIO_META_HTTP_PROXY_PORT", HTTP_PROXY_PORT.to_string())
            .env("ISTIO_META_MELTEMI_APPLICATION_ADDRESS", application.to_string())
            .envs(more.iter().copied());
        // The flag would come before the setting.
        if !settings.contains("binaryPath") {
            command.arg("--envoy").arg(envoy);
        }
        let (root, log) = (root.to_path_buf(), root.join("log"));
        let child = spawn(&mut command, &log)?;
        Ok(Self { command, child, address, root, log })
    }

    /// The same again.
    pub fn restart(mut ended: Self) -> Result<Self> {
        ended.child = spawn(&mut ended.command, &ended.log)?;
        Ok(ended)
    }

    /// Where its application is reached, by way of Envoy.
    pub fn inbound(&self) -> SocketAddr {
        SocketAddr::new(self.address, 8080)
    }

    /// Whether somebody outside the mesh gets an answer of the workload, without TLS.
    pub async fn answers_plaintext(&self) -> Result<bool> {
        let mut stream = TcpStream::connect(self.inbound()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: hello\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        // Who is not let in may be told so by a reset.
        let _ = stream.read_to_end(&mut answer).await;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    }

    pub fn listen(&self) -> Listen {
        let at = |port| SocketAddr::new(self.address, port);
        Listen {
            admin: at(ADMIN_PORT),
            status: at(STATUS_PORT),
            health: at(HEALTH_PORT),
            prometheus: at(PROMETHEUS_PORT),
        }
    }

    pub async fn ready(&self) -> Result<()> {
        get(self.listen().status, "/healthz/ready").await?;
        Ok(())
    }

    /// A request to `hello`; from there: out through its proxy and in again.
    pub async fn request(&self, path: &str) -> Result<u16> {
        self.request_to("hello", path).await
    }

    /// A request of the workload.
    pub async fn request_to(&self, host: &str, path: &str) -> Result<u16> {
        let mut stream = TcpStream::connect((self.address, HTTP_PROXY_PORT)).await?;
        let request =
            format!("GET http://{host}{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).context("no status")?;
        Ok(status.parse()?)
    }

    /// The answer to a DNS query for an address, as the workload would get it.
    pub async fn resolve(&self, name: &str) -> Result<Vec<String>> {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name)?, RecordType::A));
        let socket = UdpSocket::bind((self.address, 0)).await?;
        socket.send_to(&query.to_vec()?, (self.address, DNS_PORT)).await?;
        let mut buffer = [0; 4096];
        let received = tokio::time::timeout(super::WITHIN, socket.recv(&mut buffer)).await;
        let length = received.context("no answer to a DNS query")??;
        let answer = Message::from_vec(&buffer[..length])?;
        Ok(answer.answers.iter().map(|record| record.data.to_string()).collect())
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let kill = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let ended = tokio::time::timeout(super::WITHIN, self.child.wait()).await;
        Ok(ended.with_context(|| format!("it runs on\n{}", self.log()))??)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Of the certificate that is kept.
    pub fn serial(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.root.join("etc/istio/proxy/state/identity.json"))?;
        let kept: serde_json::Value = serde_json::from_str(&text)?;
        let chain = read_certificates(kept["chain"].as_str().context("a chain")?)?;
        Ok(mesh_pki::Facts::read(chain.first().context("a certificate")?)?.serial)
    }

    /// In seconds.
    pub async fn envoy_uptime(&self) -> Result<u64> {
        let stats = get(self.listen().admin, "/stats?filter=^server.uptime$").await?;
        let stats = String::from_utf8_lossy(&stats).into_owned();
        Ok(stats.trim().rsplit(' ').next().context("a number")?.parse()?)
    }

    pub fn resident_memory(&self) -> Result<Memory> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id().context("it runs")?))?;
        let bytes = |field: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
            Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? << 10)
        };
        Ok(Memory { all: bytes("VmRSS:")?, own: bytes("RssAnon:")?, most: bytes("VmHWM:")? })
    }
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let file = std::fs::File::options().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    Ok(command.kill_on_drop(true).spawn()?)
}

/// Resolves when the other end has closed.
pub async fn closed(mut connection: TcpStream) {
    let closed = tokio::time::timeout(super::WITHIN, connection.read(&mut [0])).await;
    // An error (reset) means the same as an end.
    let _ = closed.expect("an Envoy is left behind");
}
