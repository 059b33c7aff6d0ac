//! Services and pods with addresses of both versions of IP, and of the newer alone: each of their addresses leads there.

use super::{control_plane, echo_at, get, redirecting, sidecar, whoami};
use anyhow::{Context, Result, ensure};
use mesh_testkit::SweptDir;
use mesh_tests::{
    lacking::lacking,
    traffic::namespace::{Namespace, Network},
};
use std::{fs, net::IpAddr, path::PathBuf};

const CONFIGURATION: &str = include_str!("dual_stack.yaml");

#[test]
fn each_address_of_a_service_leads_to_its_pods() {
    redirecting(called);
}

fn called(binary: PathBuf) -> Result<()> {
    let network = Network::new(2)?;
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    network.hub.run_async(|| async {
        let directory = SweptDir::new("meltemi-dual-")?;
        fs::write(directory.path().join("mesh.yaml"), lacking(CONFIGURATION).as_bytes())?;
        let (_trigger, pilot) = control_plane(&network, directory.path()).await?;
        let (xds, six) = (pilot.grpc_address(), |at: &Namespace| [IpAddr::from(at.address_v6())]);
        let (near, far) = (six(client), six(app));
        let near = sidecar("client", client, &near, &binary, xds);
        let (near, far) = tokio::join!(near, sidecar("app", app, &far, &binary, xds));
        let (near, far) = (near.context("Envoy")?, far.context("Envoy")?);
        near.ready().await?;
        far.ready().await?;
        let (client, app) = (client.try_clone()?, app.try_clone()?);
        tokio::task::spawn_blocking(move || serve_and_ask(&client, &app)).await?
    })
}

/// Who listens says at which of the pod's addresses it was called.
fn serve_and_ask(client: &Namespace, app: &Namespace) -> Result<()> {
    app.run_async(|| async {
        let _four = echo_at(app.address(), "four").await?;
        let _six = echo_at(app.address_v6().into(), "six").await?;
        let client = client.try_clone()?;
        tokio::task::spawn_blocking(move || client.run_async(ask)).await?
    })
}

async fn ask() -> Result<()> {
    for (host, addresses, pod) in [
        // Clients of both versions call a pod at the version that its Service has first.
        ("four-first", &["10.96.0.51", "fd96::51"][..], "four"),
        ("six-first", &["fd96::52", "10.96.0.52"], "six"),
        // Without slices, at its own first address.
        ("by-selector", &["10.96.0.50", "fd96::50"], "four"),
        ("newer", &["fd96::53"], "six"),
    ] {
        for address in addresses {
            let to: IpAddr = address.parse()?;
            let literal = if to.is_ipv6() { format!("[{to}]") } else { to.to_string() };
            for host in [host, literal.as_str()] {
                let answer = get(host, (to, 80)).await?;
                ensure!(
                    answer.status == 200 && answer.pod() == pod,
                    "{host} at {to}, not by {pod}: {}",
                    answer.summary()
                );
            }
            let bytes = whoami((to, 9000)).await?;
            ensure!(bytes == pod, "bytes for {host} at {to} go to {bytes} and not to {pod}");
        }
    }
    Ok(())
}
