//! The same in pods: traffic is redirected, and programs know of no proxy. Ports that no service knows are not let through either.

use super::{ANSWER, CLIENT, SERVER, WITHIN, bootstrap, mode};
use crate::certificates::Authority;
use anyhow::{Context, Result, ensure};
use meltemi_agent::sds;
use meltemi_local::{
    echo::{self, EchoHandle, EchoSpec},
    envoy::{EnvoySettings, SidecarSpec},
};
use mesh_model::{LocalPort, Locality, Protocol};
use mesh_runtime::{drain, ready::Readiness};
use mesh_testkit::{Envoy, Launch, SweptDir, or_skip};
use mesh_tests::traffic::{
    Request,
    namespace::{self, Namespace, Network},
};
use pilot::{Config, Pilot, SourceConfig};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A port that no service leads to.
const UNKNOWN: u16 = 7777;

#[test]
fn what_is_taken_where_traffic_is_redirected() {
    if Envoy::binary().is_none()
        || or_skip("redirected traffic in network namespaces", namespace::available()).is_none()
    {
        return;
    }
    redirected().unwrap_or_else(|error| panic!("{error:#}"));
}

fn redirected() -> Result<()> {
    let network = Network::new(2)?;
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    network.hub.run_async(|| async {
        let directory = SweptDir::new("meltemi-mtls-")?;
        let files = directory.path().join("files");
        fs::create_dir(&files)?;
        fs::write(files.join("mesh.yaml"), super::objects(client.address(), app.address()))?;
        let config = Config {
            grpc_address: SocketAddr::new(network.hub.address(), 0),
            ..Config::new(SourceConfig::Files(files.clone()))
        };
        let (_trigger, drain) = drain::channel();
        let pilot = pilot::start(config, &Readiness::new(), &drain).await?;
        let authority = Authority::new("the mesh")?;
        let end = CancellationToken::new();
        let _end = end.clone().drop_guard();
        // Identities stay as they are; a workload without one has ended.
        let (mut identities, mut sidecars) = (Vec::new(), Vec::new());
        for (name, at, id) in [("client", client, CLIENT), ("server", app, SERVER)] {
            let socket = directory.path().join(format!("{name}.sock"));
            let (sender, current) = watch::channel(Some(authority.identity(id)?));
            identities.push(sender);
            tokio::spawn(sds::serve(sds::bind(&socket).await?, current, end.clone()));
            sidecars.push(sidecar(name, at, &socket, pilot.grpc_address()).await.context("Envoy")?);
        }
        let (done, ended) = oneshot::channel::<()>();
        let application = tokio::task::spawn_blocking({
            let (app, address) = (app.try_clone()?, app.address());
            move || {
                app.run_async(|| async move {
                    let _application = application(address).await?;
                    let _ = ended.await;
                    Ok(())
                })
            }
        });
        for sidecar in &sidecars {
            sidecar.ready().await?;
        }
        for (taken, unknown) in [("PERMISSIVE", true), ("STRICT", false), ("DISABLE", true)] {
            edit(&pilot, &files, &mode(taken)).await.context(taken)?;
            let (from, to) = (client.try_clone()?, app.address());
            let asked = tokio::task::spawn_blocking(move || from.run_async(|| ask(to)));
            let [service, other] = asked.await?.context(taken)?;
            let seen = service.with_context(|| format!("{taken}: the service does not answer"))?;
            ensure!(
                seen.contains(&format!("URI={CLIENT}")) == (taken != "DISABLE"),
                "{taken}: XFCC `{seen}`"
            );
            ensure!(other.is_some() == unknown, "{taken}: plaintext to a port that nobody knows: {other:?}");
        }
        drop(done);
        application.await??;
        drop(identities);
        Ok(())
    })
}

async fn edit(pilot: &Pilot, files: &Path, yaml: &str) -> Result<()> {
    let mut published = pilot.published();
    let before = *published.borrow_and_update();
    let aside = files.with_extension("aside");
    fs::write(&aside, yaml)?;
    fs::rename(&aside, files.join("peers.yaml"))?;
    tokio::time::timeout(WITHIN, published.wait_for(|now| *now > before))
        .await
        .context("not published")??;
    tokio::time::timeout(WITHIN, pilot.acknowledged()).await.context("not acknowledged")?;
    Ok(())
}

async fn application(address: IpAddr) -> Result<EchoHandle> {
    let ports = [(8080, Protocol::Http), (UNKNOWN, Protocol::Http)];
    let ports = ports.map(|(number, protocol)| LocalPort { number, protocol }).into();
    let spec =
        EchoSpec { identity: super::called("server"), pod_address: address, application: address, ports };
    Ok(echo::start(spec).await?)
}

async fn sidecar(name: &str, at: &Namespace, socket: &Path, xds: SocketAddr) -> Option<Envoy> {
    let spec = SidecarSpec {
        identity: super::called(name),
        pod_address: at.address(),
        application: at.address(),
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
    let mut bootstrap = bootstrap(&spec, &settings, socket);
    bootstrap["node"]["metadata"]["INTERCEPTION_MODE"] = "REDIRECT".into();
    let launch = Launch { by: at.envoy_command(), admin: at.address() };
    Envoy::launch_with(&launch, &bootstrap.to_string()).await
}

/// What the application saw of the client, by the service's address and at a port of its own; `None`: it was not reached.
async fn ask(application: IpAddr) -> Result<[Option<String>; 2]> {
    let get = async |url: &str, to: SocketAddr| -> Result<Option<String>> {
        let answer = tokio::time::timeout(ANSWER, Request::get(url)?.direct().send(to)).await;
        let Ok(Ok(answer)) = answer else { return Ok(None) };
        let seen = answer.echo.and_then(|echo| echo.request);
        Ok(seen.map(|seen| seen.headers.get("x-forwarded-client-cert").cloned().unwrap_or_default()))
    };
    let service = get("http://web/", SocketAddr::new("10.96.0.10".parse()?, 80)).await?;
    let other = get("http://whatever/", SocketAddr::new(application, UNKNOWN)).await?;
    Ok([service, other])
}
