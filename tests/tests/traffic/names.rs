//! Names that nobody knew before a request asked for them, and addresses that stand for names.

use crate::{CLIENT, run};
use anyhow::{Result, ensure};
use meltemi_local::{
    Identity,
    echo::{self, EchoHandle, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_tests::traffic::{Outside, Request};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
};

#[test]
fn each_request_goes_to_the_host_that_it_asks_for() {
    run(async |traffic| {
        let (server, port) = outside().await?;
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: names, namespace: traffic}}\n\
             spec:\n  hosts: ['*.localhost']\n  location: MESH_EXTERNAL\n  resolution: DYNAMIC_DNS\n\
             \x20 ports: [{{number: {port}, name: http, protocol: HTTP}}]\n"
        );
        traffic.apply("names.yaml", &entry).await?;
        let proxy = traffic.proxy(CLIENT)?;
        for name in ["one", "two"] {
            let answer = Request::get(&format!("http://{name}.localhost:{port}/"))?.send(proxy).await?;
            let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
            let host = seen.map_or("", |seen| &seen.host);
            ensure!(answer.status == 200 && answer.pod() == "local-0", "{}", answer.summary());
            ensure!(host == format!("{name}.localhost:{port}"), "{host}");
        }
        // A VirtualService may say another name than the client does.
        let via = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: via-names, namespace: traffic}}\n\
             spec:\n  hosts: [via-names.test]\n  http:\n    - rewrite: {{authority: 'three.localhost:{port}'}}\n\
             \x20     route: [{{destination: {{host: '*.localhost', port: {{number: {port}}}}}}}]\n"
        );
        traffic.apply("via-names.yaml", &via).await?;
        let answer = Request::get("http://via-names.test/")?.send(proxy).await?;
        ensure!(answer.status == 200 && answer.pod() == "local-0", "{}", answer.summary());
        server.stop().await;
        Ok(())
    });
}

#[test]
fn an_unknown_host_is_called_by_its_name() {
    run(async |traffic| {
        let (server, port) = outside().await?;
        let proxy = traffic.proxy(CLIENT)?;
        // No ServiceEntry says a word of it, nor of this port.
        let answer = Request::get(&format!("http://stranger.localhost:{port}/"))?.send(proxy).await?;
        ensure!(answer.status == 200 && answer.pod() == "local-0", "{}", answer.summary());
        // Nobody knows the way: at once an error, and not a loop.
        let answer = Request::get("http://nobody.invalid/")?.send(proxy).await?;
        ensure!(answer.status == 503, "{}", answer.summary());
        server.stop().await;
        Ok(())
    });
}

/// Clients whose agent answers for names call hosts at the addresses that the control plane gave them, unless an object wants none.
#[test]
fn an_address_that_was_given_is_taken_unless_it_is_refused() {
    run(async |traffic| {
        let outside = Outside::start("given", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let client = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: given, namespace: traffic}\n\
                      spec:\n  replicas: 1\n  selector: {matchLabels: {app: given}}\n  template:\n\
                      \x20   metadata: {labels: {app: given}}\n\
                      \x20   spec: {containers: [{name: client, image: example.com/client}]}\n\
                      ---\napiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: given, namespace: traffic}\n\
                      spec:\n  selector: {matchLabels: {app: given}}\n  environmentVariables: {ISTIO_META_DNS_CAPTURE: 'true'}\n";
        let mut yaml = client.to_owned();
        for (name, label, address) in [
            ("taken", "", "240.240.0.1"),
            ("refused", ", labels: {networking.istio.io/enable-autoallocate-ip: 'false'}", "240.240.0.2"),
        ] {
            let entry = outside.service_entry(name, &format!("{name}.given.test"));
            let entry = entry.replace("namespace: traffic", &format!("namespace: traffic{label}"));
            yaml += &format!(
                "---\n{entry}status: {{addresses: [{{value: {address}, host: {name}.given.test}}]}}\n"
            );
        }
        traffic.apply("given.yaml", &yaml).await?;
        traffic.settled().await?;
        let proxy = traffic.proxy("given-0")?;
        for (host, is_answered) in [
            ("taken.given.test", true),
            ("refused.given.test", true),
            ("240.240.0.1", true),
            ("240.240.0.2", false),
        ] {
            let answer = Request::get(&format!("http://{host}/"))?.send(proxy).await?;
            ensure!((answer.status == 200) == is_answered, "{host}: {}", answer.summary());
        }
        traffic.remove("given.yaml").await
    });
}

/// A server that no object tells of, and its port.
async fn outside() -> Result<(EchoHandle, u16)> {
    // What resolves without a network is below `localhost`, which is this one address.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let identity = Identity {
        pod: "local-0".into(),
        namespace: "outside".into(),
        workload: "local".into(),
        app: "local".into(),
        version: "v1".into(),
    };
    let address = Ipv4Addr::LOCALHOST.into();
    let ports = vec![LocalPort { number: port, protocol: Protocol::Http }];
    let server =
        echo::start(EchoSpec { identity, pod_address: address, application: address, ports }).await?;
    Ok((server, port))
}
