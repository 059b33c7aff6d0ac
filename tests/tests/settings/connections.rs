//! What proxies take of connections that clients make to them: `connectionSettings` of the mesh.

use super::{SOON, get, mesh_settings, run, seen_path};
use anyhow::{Context, Result, bail, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Deaf, Request, Traffic};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than any limit that is set here, and shorter than what holds without one.
const LIMITED: Duration = Duration::from_secs(4);
/// The beginning of an HTTP/2 connection, with SETTINGS that say nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn set(traffic: &Traffic, settings: &str) -> Result<()> {
    let settings = format!("defaultConfig: {{connectionSettings: {{{settings}}}}}");
    traffic.apply("mesh.yaml", &mesh_settings(&settings)).await
}

/// All that a proxy answers to these bytes until it closes the connection, which it does within the limit.
async fn until_closed(proxy: SocketAddr, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(bytes).await?;
    let mut said = Vec::new();
    timeout(LIMITED, stream.read_to_end(&mut said)).await.context("it stays open")??;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What a proxy says to the beginning of an HTTP/2 connection: streams at a time, the window of each, and how much more the
/// connection's window is than usual.
async fn greeting(proxy: SocketAddr) -> Result<[u32; 3]> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(PREFACE).await?;
    let mut found = [0; 3];
    let read = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]).try_into()?];
            stream.read_exact(&mut payload).await?;
            match kind {
                4 if flags == 0 => {
                    for setting in payload.chunks_exact(6) {
                        let [_, id, value @ ..] = setting else { continue };
                        let value = u32::from_be_bytes(value.try_into()?);
                        match id {
                            3 => found[0] = value,
                            4 => found[1] = value,
                            _ => {}
                        }
                    }
                }
                8 => {
                    found[2] = u32::from_be_bytes(payload.as_slice().try_into()?);
                    return Ok(found);
                }
                // Ours are acknowledged.
                4 => {}
                other => bail!("a frame of type {other}"),
            }
        }
    };
    timeout(LIMITED, read).await.context("no greeting")?
}

#[test]
fn times_of_connections_and_streams() {
    run(async |traffic| {
        let proxy = traffic.proxy("client-0")?;
        let head = "POST http://app.set/ HTTP/1.1\r\nhost: app.set\r\ncontent-length: 5\r\n\r\n";
        let whole = "GET http://app.set/ HTTP/1.1\r\nhost: app.set\r\n\r\n";
        for (settings, sent, answer) in [
            ("httpRequestHeadersTimeout: 300ms", "GET / HTTP/1.1\r\nhost: a", "HTTP/1.1 408"),
            ("httpRequestTimeout: 300ms", head, "HTTP/1.1 408"),
            // What is over is kept for another five seconds, if nobody says how long.
            ("httpIdleTimeout: 300ms, httpDrainTimeout: 100ms", whole, "HTTP/1.1 200"),
            ("httpMaxConnectionDuration: 300ms, httpDrainTimeout: 100ms", whole, "HTTP/1.1 200"),
        ] {
            set(traffic, settings).await?;
            // Acknowledged is not yet taken up by every thread.
            eventually(SOON, async || {
                let said = until_closed(proxy, sent.as_bytes()).await.context(settings)?;
                ensure!(said.starts_with(answer), "{settings}: {said}");
                Ok(())
            })
            .await?;
        }
        for settings in ["httpStreamIdleTimeout: 300ms", "httpMaxStreamDuration: 300ms"] {
            set(traffic, settings).await?;
            eventually(SOON, async || {
                let answer = get(traffic, "/?delay=3s").await?;
                let over = [408, 504].contains(&answer.status) && answer.took < Duration::from_secs(2);
                ensure!(over, "{settings}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("mesh.yaml").await
    });
}

#[test]
fn sizes_and_paths() {
    run(async |traffic| {
        let proxy = traffic.proxy("client-0")?;
        for (settings, expected) in [
            (
                "httpMaxConcurrentStreams: 7, http2InitialStreamWindowSize: 70000, \
                 http2InitialConnectionWindowSize: 165535",
                [7, 70_000, 100_000],
            ),
            ("profile: EDGE", [100, 65_536, 1_048_576 - 65_535]),
        ] {
            set(traffic, settings).await?;
            eventually(SOON, async || {
                let said = greeting(proxy).await?;
                ensure!(said == expected, "{settings}: {said:?}");
                Ok(())
            })
            .await?;
        }
        for (settings, path, status, seen) in [
            ("httpMergeSlashes: true", "/a//b", 200, "/a/b"),
            ("httpMergeSlashes: false", "/a//b", 200, "/a//b"),
            ("httpPathWithEscapedSlashesAction: REJECT_REQUEST", "/a%2Fb", 400, ""),
            ("httpPathWithEscapedSlashesAction: UNESCAPE_AND_FORWARD", "/a%2Fb", 200, "/a/b"),
        ] {
            set(traffic, settings).await?;
            eventually(SOON, async || {
                let answer = get(traffic, path).await?;
                let same = answer.status == status && seen_path(&answer) == seen;
                ensure!(same, "{settings}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("mesh.yaml").await
    });
}

/// Nobody waits longer for a connection than the mesh says.
#[test]
fn connections_that_are_not_made_are_given_up() {
    run(async |traffic| {
        let deaf = Deaf::start().await?;
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: deaf, namespace: set}}\n\
             spec:\n  hosts: [deaf.test]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {}}}]\n\
             \x20 endpoints: [{{address: {}}}]\n",
            deaf.port(),
            deaf.ip()
        );
        traffic.apply("deaf.yaml", &entry).await?;
        traffic.apply("mesh.yaml", &mesh_settings("connectTimeout: 300ms")).await?;
        eventually(SOON, async || {
            let sent = Instant::now();
            let answer = Request::get("http://deaf.test/")?.send(traffic.proxy("client-0")?).await?;
            // Three attempts, and ten seconds for each if nobody says anything.
            let within = Duration::from_millis(300)..Duration::from_secs(8);
            ensure!(
                answer.status == 503 && within.contains(&sent.elapsed()),
                "{}, {:?}",
                answer.summary(),
                answer.took
            );
            Ok(())
        })
        .await?;
        traffic.remove("mesh.yaml").await?;
        traffic.remove("deaf.yaml").await
    });
}

/// What an application does not take is kept for it, as much as a connection to it may buffer. Usually that is one MiB, and what the operating
/// system keeps is a few more.
#[test]
fn what_connections_to_services_may_buffer() {
    const MUCH: usize = 64 << 20;
    run(async |traffic| {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let port = server.local_addr()?.port();
        // Connections are taken, and never read.
        let keeping = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = server.accept().await {
                kept.push(stream);
            }
        });
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: full, namespace: set}}\n\
             spec:\n  hosts: [full.test]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {port}}}]\n\
             \x20 endpoints: [{{address: 127.0.0.1}}]\n"
        );
        traffic.apply("full.yaml", &entry).await?;
        set(traffic, &format!("clusterPerConnectionBufferLimitBytes: {}", 2 * MUCH)).await?;
        let body = vec![0; MUCH];
        eventually(SOON, async || {
            let mut stream = TcpStream::connect(traffic.proxy("client-0")?).await?;
            let head = format!(
                "POST http://full.test/ HTTP/1.1\r\nhost: full.test\r\ncontent-length: {MUCH}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            timeout(LIMITED, stream.write_all(&body)).await.context("it is not taken")??;
            Ok(())
        })
        .await?;
        keeping.abort();
        traffic.remove("mesh.yaml").await?;
        traffic.remove("full.yaml").await
    });
}

/// A body that a connection may not buffer is not kept to be sent again.
#[test]
fn what_connections_may_buffer() {
    run(async |traffic| {
        let retried = "defaultHttpRetryPolicy: {attempts: 2, retryOn: 5xx, backoff: 1ms}\n";
        for (settings, sent_again) in
            [("httpStreamIdleTimeout: 61s", 2), ("listenerPerConnectionBufferLimitBytes: 2048", 0)]
        {
            let settings = format!("{retried}defaultConfig: {{connectionSettings: {{{settings}}}}}");
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            let retries = async || {
                let name = "cluster.outbound|80||app.set.svc.cluster.local;.upstream_rq_retry";
                traffic.stat("client-0", name).await
            };
            eventually(SOON, async || {
                let before = retries().await?;
                let request =
                    Request::get("http://app.set/?status=500")?.method("POST")?.body("x".repeat(64 << 10));
                let answer = request.send(traffic.proxy("client-0")?).await?;
                let again = retries().await? - before;
                ensure!(again == sent_again, "{settings}: {again} times again, {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("mesh.yaml").await
    });
}
