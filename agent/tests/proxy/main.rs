//! The agent as a program, beside a real Envoy, with a real control plane behind it: `meltemi-agent proxy sidecar` in the environment that an
//! injector would give it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

mod another;
mod ends;
mod machine;
mod memory;
mod mutual;
mod pods;
mod settings;
mod telling;
mod world;

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::{Context, Result, ensure};
use mesh_runtime::admin_client::{get, post};
use mesh_testkit::{Envoy, eventually};

use memory::small;
use world::{ControlPlane, Proxy, World};

const WITHIN: Duration = Duration::from_secs(120);

/// The file that is edited, and what it says.
fn teapot(status: u16) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: hello}}
spec:
  hosts: [hello]
  http:
  - match: [{{uri: {{prefix: /teapot}}}}]
    directResponse: {{status: {status}}}
  - route: [{{destination: {{host: hello}}}}]
"
    )
}

/// A name that only the mesh knows.
fn names(address: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: hello}}
spec:
  hosts: [db.test]
  addresses: [{address}]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: 10.6.6.1}}]
"
    )
}

async fn answers(proxy: &Proxy, path: &str, status: u16) -> Result<()> {
    let answered = proxy.request(path).await?;
    ensure!(answered == status, "{path}: {answered} instead of {status}\n{}", proxy.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_starts_serves_and_ends_in_good_order() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world =
            World::new("agent-serves", &[("hello.yaml", &teapot(418)), ("names.yaml", &names("10.6.6.6"))])
                .await?;
        let plane = ControlPlane::start(&world).await?;
        let echo = plane.start_echo().await?;
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        answers(&proxy, "/", 200).await?;
        answers(&proxy, "/teapot", 418).await?;
        ensure!(echo.requests() > 0, "the application answered");

        // What a kubelet and Prometheus ask, by Envoy and by the agent.
        let listen = proxy.listen();
        get(listen.health, "/healthz/ready").await?;
        let stats = get(listen.prometheus, "/stats/prometheus").await?;
        ensure!(String::from_utf8_lossy(&stats).contains("envoy_server_live"));
        let stats = get(listen.status, "/stats/prometheus").await?;
        let stats = String::from_utf8_lossy(&stats);
        ensure!(
            stats.contains("envoy_server_live") && stats.contains("istio_agent_scrapes_total 1"),
            "{stats}"
        );
        // How long each workload's certificate still lives: a day, which is what agents ask for.
        let lives = |name: &str| -> Result<f64> {
            let begin = format!("istio_agent_cert_expiry_seconds{{resource_name=\"{name}\"}} ");
            let line = stats.lines().find_map(|line| line.strip_prefix(&begin));
            Ok(line.with_context(|| format!("no {begin} in {stats}"))?.parse()?)
        };
        let day = 24.0 * 3600.0;
        ensure!((day - 3600.0..=day).contains(&lives("default")?), "{}", lives("default")?);
        ensure!(lives("ROOTCA")? > 365.0 * day, "{}", lives("ROOTCA")?);
        get(listen.status, "/app-health/hello/readyz").await?;

        // The key is kept for a restart, where its owner alone gets at it.
        let state = world.root().join("etc/istio/proxy/state");
        for (path, allowed) in [(state.join("identity.json"), 0o600), (state, 0o700)] {
            let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
            ensure!(mode == allowed, "{}: {mode:o}", path.display());
        }

        // Names that the control plane tells: by the file that is edited, and through DNS.
        eventually(WITHIN, async || {
            let names = get(listen.status, "/debug/ndsz").await?;
            ensure!(String::from_utf8_lossy(&names).contains("db.test"));
            Ok(())
        })
        .await?;
        ensure!(proxy.resolve("db.test.").await? == ["10.6.6.6"]);
        world.write("names.yaml", &names("10.6.6.7"))?;
        eventually(WITHIN, async || {
            ensure!(proxy.resolve("db.test.").await? == ["10.6.6.7"]);
            Ok(())
        })
        .await?;
        println!("{}", eventually(WITHIN, async || small(&proxy, "with one service")).await?);

        // A pod's end: in order, and with success.
        let connection = tokio::net::TcpStream::connect(listen.admin).await?;
        proxy.signal("TERM");
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        world::closed(connection).await;

        // The same by request, of this machine.
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        post(listen.status, "/quitquitquit").await?;
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());

        // Killed: no Envoy is left behind.
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        let connection = tokio::net::TcpStream::connect(listen.admin).await?;
        proxy.signal("KILL");
        proxy.wait().await?;
        world::closed(connection).await;
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_the_control_plane_is_away_serves() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let other = names("10.6.6.5")
            .replace("db.test", "other.test")
            .replace("name: hello", "name: other, namespace: agent-alone");
        let files = [("hello.yaml", teapot(418)), ("names.yaml", names("10.6.6.6")), ("other.yaml", other)];
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let world = World::new("agent-alone", &files).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        // An edit, so that what is kept is not what was sent first.
        world.write("hello.yaml", &teapot(409))?;
        eventually(WITHIN, async || answers(&proxy, "/teapot", 409).await).await?;
        let serial = proxy.serial()?;
        // Names come one by one, and one goes.
        let known = async |proxy: &Proxy, expected: [bool; 2]| {
            let names = get(proxy.listen().status, "/debug/ndsz").await?;
            let names = String::from_utf8_lossy(&names).into_owned();
            let got = ["db.test", "other.test"].map(|name| names.contains(name));
            ensure!(got == expected, "{names}");
            anyhow::Ok(())
        };
        eventually(WITHIN, async || known(&proxy, [true, true]).await).await?;
        world.write("other.yaml", "# Nothing any more.\n")?;
        eventually(WITHIN, async || known(&proxy, [true, false]).await).await?;

        let stopped = plane.stop().await;
        let connection = tokio::net::TcpStream::connect(proxy.listen().admin).await?;
        proxy.signal("KILL");
        proxy.wait().await?;
        world::closed(connection).await;
        world.write("hello.yaml", &teapot(410))?;
        let mut proxy = Proxy::restart(proxy)?;
        eventually(WITHIN, async || proxy.ready().await).await.context(proxy.log())?;
        for _ in 0..20 {
            answers(&proxy, "/", 200).await?;
            answers(&proxy, "/teapot", 409).await?;
        }
        ensure!(proxy.serial()? == serial, "the certificate is the one that was kept");
        known(&proxy, [true, false]).await?;
        ensure!(proxy.resolve("db.test.").await? == ["10.6.6.6"]);
        world.write("names.yaml", &names("10.6.6.7"))?;

        // Back: the edit that was made meanwhile arrives, and Envoy is the same.
        let uptime = proxy.envoy_uptime().await?;
        let plane = stopped.start_again().await?;
        eventually(WITHIN, async || answers(&proxy, "/teapot", 410).await).await.context(proxy.log())?;
        eventually(WITHIN, async || {
            ensure!(proxy.resolve("db.test.").await? == ["10.6.6.7"]);
            Ok(())
        })
        .await?;
        known(&proxy, [true, false]).await?;
        world.write("hello.yaml", &teapot(411))?;
        eventually(WITHIN, async || answers(&proxy, "/teapot", 411).await).await?;
        ensure!(proxy.envoy_uptime().await? >= uptime, "it was not started anew");
        proxy.signal("TERM");
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        drop(plane);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_is_broken_is_ignored() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-broken", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let state = world.root().join("etc/istio/proxy/state");
        std::fs::create_dir_all(&state)?;
        for file in ["configuration", "identity.json"] {
            std::fs::write(state.join(file), b"{\"format\": 1, \"not\": \"ours\"}\n\xff\x00")?;
        }
        let proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        answers(&proxy, "/teapot", 418).await?;
        ensure!(proxy.log().matches("of no use").count() == 2, "{}", proxy.log());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
