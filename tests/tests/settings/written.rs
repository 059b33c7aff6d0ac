//! Headers as they are written: the case of their names, the server's own, and the host and port that a request came with.

use super::{SOON, mesh_settings, run};
use anyhow::{Result, ensure};
use mesh_testkit::{eventually, ports::Loopback};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What proxies add where they are asked to.
const HOST: &str = "x-forwarded-host: written.test";
const PORT: &str = "x-forwarded-port: ";
/// What the server outside answers.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nX-AnsWer: yes\r\nserver: its-own\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Up to the end of a head.
async fn head(stream: &mut TcpStream) -> Result<String> {
    let (mut head, mut part) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut part).await?;
        ensure!(count > 0, "it ends after {}", String::from_utf8_lossy(&head));
        head.extend(&part[..count]);
    }
    Ok(String::from_utf8(head)?)
}

/// What the server sees of a request, and the client of its answer.
async fn exchange(proxy: SocketAddr, server: &TcpListener) -> Result<(String, String)> {
    let mut client = TcpStream::connect(proxy).await?;
    let request = "GET http://written.test/ HTTP/1.1\r\nHost: written.test\r\nX-AsKed: yes\r\n\r\n";
    client.write_all(request.as_bytes()).await?;
    let served = async {
        let (mut stream, _) = server.accept().await?;
        let seen = head(&mut stream).await?;
        stream.write_all(ANSWER).await?;
        anyhow::Ok(seen)
    };
    // An answer of the proxy's own comes without the server.
    tokio::select! {
        seen = served => Ok((seen?, head(&mut client).await?)),
        answer = head(&mut client) => Ok((String::new(), answer?)),
    }
}

#[test]
fn names_of_headers_and_hosts_are_kept() {
    run(async |traffic| {
        let loopback = Loopback::claim()?;
        let listener = loopback.port()?.into_listener();
        listener.set_nonblocking(true)?;
        let server = TcpListener::from_std(listener)?;
        let port = server.local_addr()?.port();
        let yaml = format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: ServiceEntry\n\
             metadata: {{name: written, namespace: set}}\n\
             spec:\n\
             \x20 hosts: [written.test]\n\
             \x20 location: MESH_EXTERNAL\n\
             \x20 resolution: STATIC\n\
             \x20 ports: [{{name: http, number: 80, protocol: HTTP, targetPort: {port}}}]\n\
             \x20 endpoints: [{{address: {}}}]\n\
             ---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: VirtualService\n\
             metadata: {{name: written, namespace: set}}\n\
             spec:\n\
             \x20 hosts: [written.test]\n\
             \x20 http: [{{rewrite: {{authority: other.test}}, route: [{{destination: {{host: written.test}}}}]}}]\n",
            loopback.ip()
        );
        traffic.apply("written.yaml", &yaml).await?;
        let proxy = traffic.proxy("client-0")?;
        for (headers, asked, added, answer) in [
            ("{preserveHttp1HeaderCase: true}", "X-AsKed: yes", "", "X-AnsWer: yes"),
            ("{xForwardedHost: {enabled: true}}", "x-asked: yes", HOST, "x-answer: yes"),
            ("{xForwardedPort: {enabled: true}}", "x-asked: yes", PORT, "server: istio-envoy"),
            ("{server: {disabled: true}}", "x-asked: yes", "", "server: its-own"),
        ] {
            let settings = format!("defaultConfig: {{proxyHeaders: {headers}}}");
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            // Acknowledged is not yet taken up by every thread.
            eventually(SOON, async || {
                let (seen, got) = exchange(proxy, &server).await?;
                ensure!(seen.contains(asked), "{headers}: the server sees {seen}");
                ensure!(seen.contains("other.test"), "{headers}: the server sees {seen}");
                for header in [HOST, PORT] {
                    ensure!(seen.contains(header) == (header == added), "{headers}: {seen}");
                }
                ensure!(got.contains(answer), "{headers}: the client sees {got}");
                Ok(())
            })
            .await?;
        }
        for file in ["mesh.yaml", "written.yaml"] {
            traffic.remove(file).await?;
        }
        Ok(())
    });
}
