//! Traffic that is redirected, as in a pod: two network namespaces, each with an Envoy, and programs that know of no proxy.
//!
//! It takes root, `ip` and `iptables`; everything happens in namespaces of the test.

mod dual_stack;
mod meant;
mod names;
mod places;
mod settings;
mod silent;
mod transparent;

use anyhow::{Context, Result, ensure};
use meltemi_local::{
    Identity,
    echo::{self, EchoHandle, EchoSpec, WHOAMI},
    envoy::{EnvoySettings, SidecarSpec, build_bootstrap},
};
use mesh_model::{LocalPort, Locality, Protocol};
use mesh_runtime::{drain, ready::Readiness};
use mesh_testkit::{Envoy, Launch, SweptDir, or_skip};
use mesh_tests::{
    lacking::lacking,
    traffic::{
        Answer, Request,
        namespace::{self, Namespace, Network},
    },
};
use names::Names;
use pilot::{Config, Pilot, SourceConfig};
use settings::Settings;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Longer than any answer takes.
const WITHIN: Duration = Duration::from_secs(10);
const CONFIGURATION: &str = include_str!("redirect.yaml");
const CONFIGURATION_OF_METADATA: &str = include_str!("redirect/transparent.yaml");

#[test]
fn redirected_traffic_goes_through_both_sidecars() {
    redirecting(redirected);
}

/// Runs a test with an Envoy, where traffic can be redirected.
pub fn redirecting(test: impl FnOnce(PathBuf) -> Result<()>) {
    let Some(binary) = Envoy::binary() else { return };
    if or_skip("redirected traffic in network namespaces", namespace::available()).is_some() {
        test(binary).unwrap_or_else(|error| panic!("{error:#}"));
    }
}

/// A control plane on the bridge, which asks the Envoys of all pods how they are, for the files in a directory. It ends with the trigger.
pub async fn control_plane(network: &Network, files: &Path) -> Result<(drain::Trigger, Pilot)> {
    let config = Config {
        grpc_address: SocketAddr::new(network.hub.address(), 0),
        ..Config::new(SourceConfig::Files(files.to_owned()))
    };
    let (trigger, drain) = drain::channel();
    Ok((trigger, pilot::start(config, &Readiness::new(), &drain).await?))
}

fn redirected(binary: PathBuf) -> Result<()> {
    let network = Arc::new(Network::new(2)?);
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    network.hub.run_async(|| async {
        let directory = SweptDir::new("meltemi-redirect-")?;
        fs::write(directory.path().join("mesh.yaml"), lacking(CONFIGURATION).as_bytes())?;
        let (_trigger, pilot) = control_plane(&network, directory.path()).await?;
        let xds = pilot.grpc_address();
        let _outside = echo_at(network.hub.address(), "outside").await?;
        let _places = places::serve(&network.hub).await?;
        let names = Names::serve(network.hub.address(), app.address()).await?;
        let resolv_conf = directory.path().join("resolv.conf");
        fs::write(&resolv_conf, format!("nameserver {}\n", network.hub.address()))?;
        let resolving =
            |at: &Namespace| Launch { by: at.envoy_command_resolving(&resolv_conf), admin: at.address() };
        let near = launched(resolving(client), "client", (&[], &[]), &binary, xds);
        let far = launched(resolving(app), "app", (&[], &[]), &binary, xds);
        let (Some(near), Some(far)) = tokio::join!(near, far) else { return Ok(()) };
        near.ready().await?;
        far.ready().await?;

        // What runs in the pods: on threads of their own, while this one serves.
        let work = tokio::task::spawn_blocking({
            let files = directory.path().to_owned();
            let settings = Settings { files, names, network: network.clone() };
            move || serve_and_ask(&settings)
        });
        work.await??;

        // The other side's sidecar took what was meant for its ports.
        let requests = far.stat("http.inbound_0.0.0.0_8080;.downstream_rq_total").await?;
        ensure!(requests > 0, "no request came in by the chain of port 8080");
        Ok(())
    })
}

pub async fn echo_at(address: IpAddr, name: &str) -> Result<EchoHandle> {
    let ports = [
        (8080, Protocol::Http),
        (8081, Protocol::Http),
        (9090, Protocol::Tcp),
        (9092, Protocol::Tcp),
        (9094, Protocol::Tcp),
        (9091, Protocol::Auto),
        (7777, Protocol::Http),
        (7070, Protocol::Tcp),
    ];
    let ports = ports.into_iter().map(|(number, protocol)| LocalPort { number, protocol }).collect();
    let spec = EchoSpec { identity: identity(name), pod_address: address, application: address, ports };
    Ok(echo::start(spec).await?)
}

fn identity(name: &str) -> Identity {
    Identity {
        pod: name.into(),
        namespace: "pods".into(),
        workload: name.into(),
        app: name.into(),
        version: "v1".into(),
    }
}

/// An Envoy with the bootstrap of a local mesh, but in a pod, which has these addresses beside its first.
pub async fn sidecar(
    name: &str,
    at: &Namespace,
    others: &[IpAddr],
    binary: &Path,
    xds: SocketAddr,
) -> Option<Envoy> {
    let launch = Launch { by: at.envoy_command(), admin: at.address() };
    launched(launch, name, (&[], others), binary, xds).await
}

/// The same, where and how this says; its metadata has these values, too.
async fn launched(
    launch: Launch,
    name: &str,
    (asked, others): (&[(&str, &str)], &[IpAddr]),
    binary: &Path,
    xds: SocketAddr,
) -> Option<Envoy> {
    let spec = SidecarSpec {
        identity: identity(name),
        pod_address: launch.admin,
        application: launch.admin,
        labels: Arc::default(),
        service_account: "default".into(),
        locality: Locality::default(),
        start: Default::default(),
    };
    let settings = EnvoySettings {
        binary: binary.to_owned(),
        xds,
        agents: None,
        run_directory: PathBuf::new(),
        cluster_id: "Kubernetes".to_owned(),
        domain: "cluster.local".to_owned(),
    };
    let mut bootstrap = build_bootstrap(&spec, &settings);
    bootstrap["node"]["metadata"]["INTERCEPTION_MODE"] = "REDIRECT".into();
    // It would count before what the mesh says.
    bootstrap["node"]["metadata"]["HTTP_PROXY_PORT"] = "".into();
    // Tests ask for statistics that nobody needs otherwise.
    bootstrap["stats_config"] = serde_json::json!({});
    for (key, value) in asked {
        bootstrap["node"]["metadata"][key] = (*value).into();
    }
    let addresses = std::iter::once(launch.admin).chain(others.iter().copied());
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    bootstrap["node"]["metadata"]["INSTANCE_IPS"] = addresses.join(",").into();
    Envoy::launch_with(&launch, &bootstrap.to_string()).await
}

fn serve_and_ask(settings: &Settings) -> Result<()> {
    let [client, app] = settings.network.members.as_slice() else { anyhow::bail!("two members") };
    let (own, application, outside) = (client.address(), app.address(), settings.network.hub.address());
    app.run_async(|| async move {
        let _application = echo_at(application, "app").await?;
        let _local = echo_at(Ipv4Addr::LOCALHOST.into(), "local").await?;
        tokio::spawn(settings::speak_first(TcpListener::bind((application, settings::SPEAKS_FIRST)).await?));
        // The programs of the other pod, meanwhile.
        let (client, settings) = (client.try_clone()?, settings.clone());
        tokio::task::spawn_blocking(move || {
            client.run_async(|| async move {
                let _own = echo_at(own, "client").await?;
                ask(application, outside).await?;
                places::ask(&settings).await?;
                meant::ask(&settings, application, outside).await?;
                silent::ask(&settings, outside).await?;
                settings.ask(application, outside).await
            })
        })
        .await?
    })
}

/// A request as a program sends it that has looked up the name itself.
async fn get(host: &str, to: (IpAddr, u16)) -> Result<Answer> {
    Request::get(&format!("http://{host}/"))?
        .direct()
        .send(to.into())
        .await
        .with_context(|| format!("{host} at {to:?}"))
}

/// The pod that answers on a TCP port.
async fn whoami(to: (IpAddr, u16)) -> Result<String> {
    let mut stream = TcpStream::connect(to).await.with_context(|| format!("connect to {to:?}"))?;
    // Kept open: Envoy drops a connection whose end it sees while it looks at the first bytes.
    stream.write_all(format!("{WHOAMI}\n").as_bytes()).await?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    tokio::time::timeout(WITHIN, reader.read_line(&mut line))
        .await?
        .with_context(|| format!("whoami at {to:?}"))?;
    let answer: echo::EchoAnswer =
        serde_json::from_str(&line).with_context(|| format!("`{line}` from {to:?}"))?;
    Ok(answer.identity.pod.to_string())
}

async fn ask(application: IpAddr, outside: IpAddr) -> Result<()> {
    let vip: IpAddr = "10.96.0.10".parse()?;
    let seen = |answer: &Answer| {
        let request = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
        request.and_then(|request| request.headers.get("x-by").cloned()).unwrap_or_default()
    };
    // HTTP to the service's address: routed by name.
    let answer = get("app", (vip, 80)).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
    ensure!(seen(&answer) == "route", "the VirtualService has no effect: {}", answer.summary());
    let answer = get("app.pods.svc.cluster.local:80", (vip, 80)).await?;
    ensure!(answer.status == 200 && seen(&answer) == "route", "{}", answer.summary());
    // Bytes to the service's address, on a port that says so and on one that says nothing; and HTTP on the latter.
    ensure!(whoami((vip, 9000)).await? == "app", "TCP");
    ensure!(whoami((vip, 9001)).await? == "app", "bytes on a port of unknown protocol");
    // Any address of a range that a ServiceEntry names, and one that it names.
    for address in ["10.98.7.6", "10.98.0.1", "10.97.0.5"] {
        ensure!(whoami((address.parse()?, 9500)).await? == "app", "a ServiceEntry's address {address}");
    }
    ensure!(whoami(("10.99.7.6".parse()?, 9500)).await? == "outside", "another ServiceEntry's address");
    let answer = get("app:9001", (vip, 9001)).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
    // Only replicas on the client's own node, of which there are none: the same pod answers to other services.
    let answer = get("app-here", ("10.96.0.11".parse()?, 80)).await?;
    ensure!(answer.status == 503, "{}", answer.summary());
    let answer = get("client-here", ("10.96.0.12".parse()?, 80)).await?;
    ensure!(answer.status == 200 && answer.pod() == "client", "{}", answer.summary());
    // The Sidecar's own listeners, which the program calls by itself.
    for own in [([127, 0, 0, 2], 7083), ([127, 0, 0, 1], 7085)] {
        let answer = Request::get("http://app.pods/")?.send(own.into()).await?;
        ensure!(
            answer.status == 200 && answer.pod() == "app" && seen(&answer) == "route",
            "{own:?}: {}",
            answer.summary()
        );
    }
    // Or at a socket of its own, where nothing is ever redirected.
    let answer = Request::get("http://app/")?.direct().send_to_socket("@mesh").await?;
    ensure!(answer.status == 200 && seen(&answer) == "route", "by a socket: {}", answer.summary());
    // Likewise for what comes in: at an address of its own, beside what is redirected.
    let answer = get("client", ([127, 0, 0, 3].into(), 7084)).await?;
    ensure!(answer.status == 200 && answer.pod() == "client", "{}", answer.summary());
    let other = get("client", ([127, 0, 0, 4].into(), 7084)).await;
    ensure!(!other.is_ok_and(|answer| answer.status == 200), "it is bound to another address, too");
    // A headless service is called at its pods' own addresses.
    let answer = get("app-headless:8080", (application, 8080)).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
    ensure!(whoami((application, 9090)).await? == "app", "headless TCP");
    // No service knows this port: straight through both sidecars.
    let answer = get("whatever", (application, 7777)).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
    // No service knows this address at all: straight through one.
    let answer = get("whatever", (outside, 7777)).await?;
    ensure!(answer.status == 200 && answer.pod() == "outside", "{}", answer.summary());
    ensure!(whoami((outside, 9090)).await? == "outside", "bytes to an unknown address");
    // HTTP on a port that is shared, to a name that no service has: where the program wanted to go.
    let answer = get("unknown.example.com", (outside, 8080)).await?;
    ensure!(answer.status == 200 && answer.pod() == "outside", "{}", answer.summary());
    Ok(())
}
