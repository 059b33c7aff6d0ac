//! What an endpoint sees of a connection before the client's own bytes: the PROXY protocol, tunnels; and endpoints that are no IP addresses.

use crate::{CLIENT, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::ports::Loopback;
use mesh_tests::traffic::{Deaf, Request, Traffic};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    sync::mpsc,
    time::timeout,
};

/// Longer than anything here takes.
const WITHIN: Duration = Duration::from_secs(20);
/// The first bytes of version 2 of the PROXY protocol.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// An endpoint that tells what it is sent up to the end of an HTTP head, and answers that.
struct Endpoint {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Vec<u8>>,
    _loopback: Loopback,
}

impl Endpoint {
    async fn start() -> Result<Self> {
        let loopback = Loopback::claim()?;
        let listener = loopback.port()?.into_listener();
        listener.set_nonblocking(true)?;
        let (listener, address) = (TcpListener::from_std(listener)?, loopback.ip());
        let address = SocketAddr::new(address, listener.local_addr()?.port());
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, tell.clone()));
            }
        });
        Ok(Self { address, seen, _loopback: loopback })
    }

    async fn seen(&mut self) -> Result<Vec<u8>> {
        timeout(WITHIN, self.seen.recv()).await.context("nothing arrives")?.context("it has ended")
    }
}

/// Reads a head, answers it, and sends back whatever follows.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, tell: mpsc::UnboundedSender<Vec<u8>>) {
    let (mut head, mut part) = (Vec::new(), [0; 4096]);
    // The header of the PROXY protocol's version 2 has empty lines, too.
    while !head.strip_prefix(PROXY_V2).unwrap_or(&head).windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => head.extend(&part[..count]),
            _ => return,
        }
    }
    let _ = (tell.send(head), stream.write_all(ANSWER).await);
    while let Ok(count) = stream.read(&mut part).await
        && count > 0
        && stream.write_all(&part[..count]).await.is_ok()
    {}
}

/// A ServiceEntry for `<name>.test` with one endpoint, and a policy.
async fn apply(traffic: &Traffic, name: &str, port: &str, endpoint: &str, policy: &str) -> Result<()> {
    let yaml = format!(
        "apiVersion: networking.istio.io/v1\n\
         kind: ServiceEntry\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec:\n\
         \x20 hosts: [{name}.test]\n\
         \x20 location: MESH_EXTERNAL\n\
         \x20 resolution: STATIC\n\
         \x20 ports: [{{name: port, {port}}}]\n\
         \x20 endpoints: [{{address: '{endpoint}'}}]\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: DestinationRule\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec: {{host: {name}.test, trafficPolicy: {policy}}}\n"
    );
    traffic.apply(&format!("{name}.yaml"), &yaml).await
}

#[test]
fn the_proxy_protocol_comes_first() {
    run(async |traffic| {
        let v2 = [PROXY_V2, b"\x21\x11"].concat();
        for (version, begins) in [("V1", &b"PROXY TCP4 127."[..]), ("V2", &v2[..])] {
            let mut endpoint = Endpoint::start().await?;
            let name = format!("proxied-{}", version.to_lowercase());
            let port = format!("number: 80, protocol: HTTP, targetPort: {}", endpoint.address.port());
            let address = endpoint.address.ip().to_string();
            apply(traffic, &name, &port, &address, &format!("{{proxyProtocol: {{version: {version}}}}}"))
                .await?;
            let answer = Request::get(&format!("http://{name}.test/"))?.send(traffic.proxy(CLIENT)?).await?;
            ensure!(answer.status == 204, "{}", answer.summary());
            let seen = endpoint.seen().await?;
            ensure!(seen.starts_with(begins), "{version}: {:?}", String::from_utf8_lossy(&seen));
        }
        Ok(())
    });
}

#[test]
fn a_tunnel_says_where_it_leads() {
    run(async |traffic| {
        for (protocol, number, begins) in [
            ("CONNECT", 9210, "CONNECT db.example.com:5432 HTTP/1.1\r\n"),
            ("POST", 9211, "POST / HTTP/1.1\r\n"),
        ] {
            let mut endpoint = Endpoint::start().await?;
            let name = format!("tunnel-{}", protocol.to_lowercase());
            let port = format!("number: {number}, protocol: TCP, targetPort: {}", endpoint.address.port());
            let policy =
                format!("{{tunnel: {{protocol: {protocol}, targetHost: db.example.com, targetPort: 5432}}}}");
            apply(traffic, &name, &port, &endpoint.address.ip().to_string(), &policy).await?;
            let mut stream = TcpStream::connect((traffic.proxy(CLIENT)?.ip(), number)).await?;
            stream.write_all(b"bytes").await?;
            let head = String::from_utf8_lossy(&endpoint.seen().await?).into_owned();
            ensure!(head.starts_with(begins), "{protocol}: {head:?}");
            ensure!(head.contains("db.example.com:5432"), "{protocol}: {head:?}");
            if protocol == "CONNECT" {
                let mut echo = [0; 5];
                timeout(WITHIN, stream.read_exact(&mut echo)).await??;
                ensure!(&echo == b"bytes", "{echo:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn connections_of_bytes_end_when_nothing_passes() {
    run(async |traffic| {
        let endpoint = Endpoint::start().await?;
        let port = format!("number: 9212, protocol: TCP, targetPort: {}", endpoint.address.port());
        let policy = "{connectionPool: {tcp: {idleTimeout: 300ms}}}";
        apply(traffic, "idle-bytes", &port, &endpoint.address.ip().to_string(), policy).await?;
        let mut stream = TcpStream::connect((traffic.proxy(CLIENT)?.ip(), 9212)).await?;
        // Neither end closes it.
        let read = timeout(WITHIN, stream.read(&mut [0])).await.context("it stays")??;
        ensure!(read == 0, "the endpoint has said nothing");
        Ok(())
    });
}

/// The mesh's own patience is ten seconds.
#[test]
fn connections_that_are_not_made_are_given_up() {
    run(async |traffic| {
        let deaf = Deaf::start().await?;
        let port = format!("number: 80, protocol: HTTP, targetPort: {}", deaf.port());
        let policy = "{connectionPool: {tcp: {connectTimeout: 300ms}}}";
        apply(traffic, "given-up", &port, &deaf.ip().to_string(), policy).await?;
        let answer = Request::get("http://given-up.test/")?.send(traffic.proxy(CLIENT)?).await?;
        // Three attempts, as nothing is said about retries.
        let within = Duration::from_millis(300)..Duration::from_secs(8);
        ensure!(answer.status == 503 && within.contains(&answer.took), "{}", answer.summary());
        Ok(())
    });
}

#[test]
fn an_endpoint_may_be_a_unix_socket() {
    run(async |traffic| {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("server");
        let listener = UnixListener::bind(&path)?;
        let (tell, mut seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, tell.clone()));
            }
        });
        let endpoint = format!("unix://{}", path.display());
        apply(traffic, "unix", "number: 80, protocol: HTTP", &endpoint, "{}").await?;
        let answer = Request::get("http://unix.test/by-file")?.send(traffic.proxy(CLIENT)?).await?;
        ensure!(answer.status == 204, "{}", answer.summary());
        let head = timeout(WITHIN, seen.recv()).await?.context("nothing arrives")?;
        ensure!(head.starts_with(b"GET /by-file "), "{:?}", String::from_utf8_lossy(&head));
        Ok(())
    });
}

#[test]
fn an_endpoint_may_be_a_name_that_is_looked_up() {
    run(async |traffic| {
        for (resolution, name) in [("DNS", "looked-up"), ("DNS_ROUND_ROBIN", "looked-up-one")] {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            let (tell, mut seen) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream, tell.clone()));
                }
            });
            let yaml = format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: traffic}}\n\
                 spec:\n  hosts: [{name}.test]\n  location: MESH_EXTERNAL\n  resolution: {resolution}\n\
                 \x20 ports: [{{number: 80, name: http, protocol: HTTP}}]\n\
                 \x20 endpoints: [{{address: localhost, ports: {{http: {port}}}}}]\n"
            );
            traffic.apply(&format!("{name}.yaml"), &yaml).await?;
            let answer = Request::get(&format!("http://{name}.test/"))?.send(traffic.proxy(CLIENT)?).await?;
            ensure!(answer.status == 204, "{resolution}: {}", answer.summary());
            let head = timeout(WITHIN, seen.recv()).await?.context("nothing arrives")?;
            let head = String::from_utf8_lossy(&head);
            ensure!(head.contains(&format!("host: {name}.test\r\n")), "{resolution}: {head:?}");
        }
        Ok(())
    });
}
