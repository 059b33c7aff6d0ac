//! How a proxy is waited for, asked, drained and ended: what hooks of a pod do.

use std::{net::SocketAddr, process::Output};

use anyhow::{Context, Result, ensure};
use mesh_runtime::admin_client::{get, post};
use mesh_testkit::{Envoy, eventually};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{
    WITHIN, answers, teapot,
    world::{ControlPlane, Pod, Proxy, World},
};

/// The program, with another command than `proxy`.
async fn command(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_meltemi-agent"));
    Ok(command.args(arguments).kill_on_drop(true).output().await?)
}

/// A client of the application that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(to: SocketAddr) -> Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(to).await?)))
    }

    /// Whether the connection may be used again after an answer, which must be a good one.
    async fn ask(&mut self) -> Result<bool> {
        self.0.write_all(b"GET / HTTP/1.1\r\nhost: hello\r\n\r\n").await?;
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let from = head.len();
            ensure!(self.0.read_line(&mut head).await? > 0, "the connection was closed: {head}");
            if let Some(value) = head[from..].to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        self.0.read_exact(&mut vec![0; length]).await?;
        Ok(!head.to_ascii_lowercase().contains("connection: close"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_waited_for_and_asked_by_other_commands() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-commands", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        let listen = proxy.listen();
        let url = format!("http://{}/healthz/ready", listen.health);
        let waited = command(&["wait", "--timeoutSeconds=120", "--periodMillis=50", "--url", &url]).await?;
        ensure!(waited.status.success(), "{waited:?}\n{}", proxy.log());
        proxy.ready().await?;
        answers(&proxy, "/", 200).await?;
        // Nobody is there, and nobody comes.
        let waited =
            command(&["wait", "--timeoutSeconds=0", "--url", "http://127.0.0.1:1/healthz/ready"]).await?;
        let said = String::from_utf8_lossy(&waited.stderr).into_owned();
        ensure!(!waited.status.success() && said.contains("the proxy is not ready after 0 s"), "{said}");

        let address = listen.status.ip().to_string();
        let ask = async |port: u16, method: &str, path: &str| {
            let port = format!("--debug-port={port}");
            command(&["request", &port, "--address", &address, method, path]).await
        };
        let asked = ask(listen.admin.port(), "GET", "server_info").await?;
        ensure!(
            asked.status.success() && String::from_utf8_lossy(&asked.stdout).contains("LIVE"),
            "{asked:?}"
        );
        let asked = ask(listen.status.port(), "GET", "no-such-path").await?;
        ensure!(!asked.status.success(), "{asked:?}");
        let asked = ask(listen.status.port(), "DELETE", "healthz/ready").await?;
        ensure!(String::from_utf8_lossy(&asked.stderr).contains("use GET or POST"), "{asked:?}");
        let asked = ask(listen.status.port(), "POST", "quitquitquit").await?;
        ensure!(asked.status.success() && asked.stdout == b"ending\n", "{asked:?}");
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_asks_clients_to_go_and_all_else_goes_on() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-drain", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        let mut client = Client::connect(proxy.inbound()).await?;
        ensure!(client.ask().await?, "a connection is kept");
        let status = proxy.listen().status;
        ensure!(get(status, "/drain").await.is_err(), "it is asked for by POST");
        ensure!(post(status, "/drain").await? == b"draining\n"[..]);
        eventually(WITHIN, async || {
            let mut client = Client::connect(proxy.inbound()).await?;
            ensure!(!client.ask().await?, "asked to go");
            Ok(())
        })
        .await?;
        // What the workload asks of others is answered.
        answers(&proxy, "/teapot", 418).await?;
        proxy.signal("TERM");
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_last_connection_where_that_is_asked_for() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-idle", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let more = [("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true"), ("MINIMUM_DRAIN_DURATION", "10ms")];
        let mut proxy = Proxy::start_with(&world, &plane, &envoy, &more)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        let mut client = Client::connect(proxy.inbound()).await?;
        ensure!(client.ask().await?, "a connection is kept");

        proxy.signal("TERM");
        eventually(WITHIN, async || {
            let error = proxy.ready().await.err().context("it takes requests still")?;
            ensure!(
                error.to_string().contains("503") || format!("{error:#}").contains("draining"),
                "{error:#}"
            );
            Ok(())
        })
        .await?;
        // It has looked, and somebody was there: who is served as long as he stays.
        eventually(WITHIN, async || {
            let log = proxy.log();
            ensure!(
                log.contains("draining, then until no connection is left") && log.contains("waiting"),
                "{log}"
            );
            Ok(())
        })
        .await?;
        client.ask().await.context("whoever is there is served")?;
        drop(client);
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

/// Gateways are not built yet: a router's agent does its part, and says what the control plane says.
#[tokio::test(flavor = "multi_thread")]
async fn a_router_has_a_certificate_and_says_why_it_is_not_ready() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-router", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let pod = Pod { name: "hello-0", role: "router", root: world.root(), more: &[] };
        let mut proxy = Proxy::start_of(&pod, &world, &plane, &envoy)?;
        eventually(WITHIN, async || {
            proxy.serial()?;
            let log = proxy.log();
            ensure!(log.contains("node=\"router~") || log.contains("node=router~"), "{log}");
            ensure!(log.contains("proxies of type \\\"router\\\" are not supported yet"), "{log}");
            Ok(())
        })
        .await?;
        let error = proxy.ready().await.err().context("it is ready without any configuration")?;
        let connection = TcpStream::connect(proxy.listen().admin).await?;
        proxy.signal("TERM");
        ensure!(proxy.wait().await?.success(), "{error:#}: {}", proxy.log());
        super::world::closed(connection).await;
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
