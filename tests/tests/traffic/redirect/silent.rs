//! Endpoints that are cut off: `tcpKeepalive` of a DestinationRule, and of the mesh.

use super::{WITHIN, settings::Settings};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Time, interval and a probe of a second each, and some more. What the operating system has by itself is hours, and without
/// its own number of probes eight seconds more.
const NOTICED: Duration = Duration::from_secs(6);
/// Far below what the operating system has by itself, and the least that Envoy takes.
const KEEPALIVE: &str = "tcpKeepalive: {time: 1s, interval: 1s, probes: 1}";

/// A connection over which something has gone is closed soon after its other end is cut off.
async fn noticed(settings: &Settings, at: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(b"hello").await?;
    let mut heard = [0; 5];
    timeout(WITHIN, stream.read_exact(&mut heard)).await?.context("an echo")?;
    let client = settings.network.members.first().context("the client's namespace")?;
    client.set_cut_off(at, true)?;
    let closed = timeout(NOTICED, stream.read(&mut heard)).await;
    client.set_cut_off(at, false)?;
    let closed = closed.context("the connection is still open")?;
    ensure!(!matches!(closed, Ok(1..)), "{closed:?}");
    Ok(())
}

pub(super) async fn ask(settings: &Settings, outside: IpAddr) -> Result<()> {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: meant-bytes, namespace: pods}}\n\
         spec: {{host: bytes.example.com, trafficPolicy: {{connectionPool: {{tcp: {{{KEEPALIVE}}}}}}}}}\n"
    );
    settings.write("meant-bytes.yaml", &rule)?;
    eventually(WITHIN * 3, async || noticed(settings, SocketAddr::new(outside, 9092)).await).await?;
    // Where no rule says anything the mesh does, also of connections to nobody that it knows.
    settings.set(KEEPALIVE)?;
    eventually(WITHIN * 3, async || noticed(settings, SocketAddr::new(outside, 7070)).await).await
}
