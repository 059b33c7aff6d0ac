//! Unix domain sockets at which a proxy takes what its workload sends: `egress[].bind: unix://..` of a Sidecar.

use crate::run;
use anyhow::{Context, Result, ensure};
use meltemi_local::echo::{EchoAnswer, WHOAMI};
use mesh_testkit::SweptDir;
use mesh_tests::traffic::{Answer, HTTP_PORT, Outside, Request, TCP_PORT, connect_to_socket};
use std::collections::BTreeMap;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixListener,
};

/// An answer from this version, of whichever service has it.
fn from(version: &str, answer: Result<Answer>) -> Result<()> {
    let answer = answer?;
    ensure!(answer.status == 200 && answer.version() == version, "{version}: {}", answer.summary());
    Ok(())
}

async fn whoami(path: &str) -> Result<String> {
    let mut stream = BufReader::new(connect_to_socket(path).await?);
    stream.write_all(format!("{WHOAMI}\n").as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer: EchoAnswer = serde_json::from_str(&line).with_context(|| format!("`{line}` from {path}"))?;
    Ok(answer.identity.version.to_string())
}

fn entry(outside: &Outside, name: &str, port: &str) -> String {
    let address = outside.addresses().first().map(ToString::to_string).unwrap_or_default();
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: plugged}}\n\
         spec:\n  hosts: [{name}.test]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n\
         \x20 ports: [{{name: port, {port}}}]\n  endpoints: [{{address: {address}}}]\n---\n"
    )
}

#[test]
fn a_proxy_listens_at_sockets_that_a_sidecar_names() {
    run(async |traffic| {
        let directory = SweptDir::new("meltemi-sockets-")?;
        let path = |name: &str| directory.path().join(name).display().to_string();
        // Unlike a path, a name in the network's namespace is not the test's own.
        let name = format!("@{}", path("proxy"));
        let outside =
            async |version: &str| Outside::start("plugged", &BTreeMap::from([(version.to_owned(), 1)])).await;
        let (near, far, bytes) = (outside("near").await?, outside("far").await?, outside("bytes").await?);
        let services = [
            entry(&near, "near", &format!("number: 80, protocol: HTTP, targetPort: {HTTP_PORT}")),
            entry(&far, "far", &format!("number: 9080, protocol: HTTP, targetPort: {HTTP_PORT}")),
            entry(&bytes, "bytes", &format!("number: 9090, protocol: TCP, targetPort: {TCP_PORT}")),
        ];
        let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: near, namespace: plugged}\n\
                      spec:\n  hosts: [near.test]\n  http:\n\
                      \x20 - match: [{uri: {prefix: /far}}]\n    route: [{destination: {host: far.test}}]\n\
                      \x20 - route: [{destination: {host: near.test}}]\n---\n";
        let sidecar = |http: &str, policy: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: plugged, namespace: plugged}}\n\
                 spec:\n  outboundTrafficPolicy: {{mode: {policy}}}\n  egress:\n\
                 \x20 - {{port: {{protocol: HTTP, name: http}}, bind: 'unix://{http}', hosts: ['./*']}}\n\
                 \x20 - {{port: {{protocol: HTTP_PROXY, name: proxy}}, bind: 'unix://{name}', hosts: [./near.test]}}\n\
                 \x20 - {{port: {{number: 0, protocol: TCP, name: tcp}}, bind: 'unix://{}', hosts: [./bytes.test]}}\n",
                path("bytes")
            )
        };
        let http = path("http");
        traffic
            .apply("plugged.yaml", &(services.concat() + routes + &sidecar(&http, "REGISTRY_ONLY")))
            .await?;

        // Two hosts on different ports, by one socket.
        let get = |url: &str| Ok::<_, anyhow::Error>(Request::get(url)?.direct());
        from("near", get("http://near.test/")?.send_to_socket(&http).await)?;
        from("far", get("http://far.test:9080/")?.send_to_socket(&http).await)?;
        from("far", get("http://near.test/far")?.send_to_socket(&http).await)?;
        let nobody = get("http://far.test/")?.send_to_socket(&http).await?;
        ensure!(nobody.status == 502, "far has no port 80: {}", nobody.summary());
        // An abstract one, for one host.
        from("near", Request::get("http://near.test/")?.send_to_socket(&name).await)?;
        let nobody = Request::get("http://far.test:9080/")?.send_to_socket(&name).await?;
        ensure!(nobody.status == 502, "it is not for far: {}", nobody.summary());
        // Bytes.
        let version = whoami(&path("bytes")).await?;
        ensure!(version == "bytes", "{version}");

        // A socket that the Sidecar does not name any more is nobody's, and the next one is there, also where one was left behind.
        let moved = path("moved");
        drop(UnixListener::bind(&moved)?);
        traffic.apply("plugged.yaml", &(services.concat() + routes + &sidecar(&moved, "ALLOW_ANY"))).await?;
        from("near", get("http://near.test/")?.send_to_socket(&moved).await)?;
        let nobody = get("http://nobody.example.com/")?.send_to_socket(&moved).await?;
        ensure!(
            nobody.status == 503,
            "who has connected to a socket has said no address: {}",
            nobody.summary()
        );
        ensure!(get("http://near.test/")?.send_to_socket(&http).await.is_err(), "the old one is there");
        Ok(())
    });
}
