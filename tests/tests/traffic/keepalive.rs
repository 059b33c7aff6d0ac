//! Endpoints that are connected and say nothing: `http2KeepAlive` tells that they are gone.

use crate::{CLIENT, failover::rules, run};
use anyhow::{Result, ensure};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::Request;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Within which what was acknowledged is taken up by every thread.
const SOON: Duration = Duration::from_secs(20);
/// A SETTINGS frame of HTTP/2 that sets nothing.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// A server of HTTP/2 that begins as one does, reads all that comes, and answers nothing: no request, and no ping.
async fn say_nothing(listener: TcpListener) {
    let begin = async |mut stream: TcpStream| -> Result<()> {
        stream.write_all(SETTINGS).await?;
        while stream.read(&mut [0; 4096]).await? > 0 {}
        Ok(())
    };
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(begin(stream));
    }
}

#[test]
fn pings_tell_who_is_gone() {
    run(async |traffic| {
        let loopback = Loopback::claim()?;
        let listener = loopback.port()?.into_listener();
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let at = listener.local_addr()?;
        tokio::spawn(say_nothing(listener));
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: pinged, namespace: traffic}}\n\
             spec:\n  hosts: [pinged.test]\n  resolution: STATIC\n\
             \x20 ports: [{{number: 80, name: http2, protocol: HTTP2, targetPort: {}}}]\n\
             \x20 endpoints: [{{address: {}}}]\n",
            at.port(),
            at.ip()
        );
        let proxy = traffic.proxy(CLIENT)?;
        for (keepalive, status, waited) in [
            // The route's own time is up.
            ("interval: 3600s, timeout: 1s", 504, 2000..=10_000),
            ("interval: 3s, timeout: 3600s", 504, 2000..=10_000),
            // The connection is closed before.
            ("interval: 200ms, timeout: 300ms", 503, 300..=1900),
        ] {
            let policy = format!("{{connectionPool: {{http: {{http2KeepAlive: {{{keepalive}}}}}}}}}");
            let rules = rules("pinged", &policy, "timeout: 2s, retries: {attempts: 0}, ");
            traffic.apply("pinged.yaml", &(entry.clone() + &rules)).await?;
            eventually(SOON, async || {
                let answer = Request::get("http://pinged.test/")?.send(proxy).await?;
                let millis = answer.took.as_millis();
                ensure!(
                    answer.status == status && waited.contains(&millis),
                    "{keepalive}: {} after {millis} ms",
                    answer.summary()
                );
                Ok(())
            })
            .await?;
        }
        traffic.remove("pinged.yaml").await
    });
}
