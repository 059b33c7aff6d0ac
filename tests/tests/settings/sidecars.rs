//! Sidecars: where their workload is reached, what they limit, and where they listen.

use super::{SOON, answer_all, get, mesh_settings, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{SweptDir, eventually};
use mesh_tests::traffic::{Outside, Request};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as NameOfSocket, UnixListener},
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_sidecar_says_where_the_workload_is_reached() {
    run(async |traffic| {
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: set}\n\
                       spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: 9000}]}\n";
        traffic.apply("front.yaml", service).await?;
        let send = async || Request::get("http://front.set/")?.send(traffic.proxy("client-0")?).await;
        let answered_on = async |port: u16| {
            eventually(SOON, async || {
                let answer = send().await?;
                let on = answer.echo.as_ref().map(|echo| echo.port);
                ensure!(answer.status == 200 && on == Some(port), "{}", answer.summary());
                Ok(())
            })
            .await
        };
        answered_on(9000).await?;
        let sidecar = |at: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: app, namespace: set}}\n\
                 spec:\n  workloadSelector: {{labels: {{app: app}}}}\n  ingress:\n\
                 \x20 - {{port: {{number: 9000, protocol: HTTP, name: http}}, defaultEndpoint: '{at}'}}\n"
            )
        };
        for (at, port) in [
            ("127.0.0.1:8080", 8080),
            // Its own address, in two ways.
            ("0.0.0.0:9000", 9000),
            (":8080", 8080),
        ] {
            traffic.apply("app-sidecar.yaml", &sidecar(at)).await?;
            answered_on(port).await.with_context(|| at.to_owned())?;
        }
        // A socket that is a file, and one that has a name alone.
        let directory = SweptDir::new("meltemi-socket-")?;
        let file = directory.path().join("app.sock");
        let name = format!("meltemi-test-{}", std::process::id());
        let named = NameOfSocket::from_abstract_name(&name)?;
        tokio::spawn(answer_with(UnixListener::bind(&file)?, "204 No Content"));
        tokio::spawn(answer_with(UnixListener::bind_addr(&named)?, "205 Reset Content"));
        for (at, status) in [(format!("unix://{}", file.display()), 204), (format!("unix://@{name}"), 205)] {
            traffic.apply("app-sidecar.yaml", &sidecar(&at)).await?;
            eventually(SOON, async || {
                let answer = send().await?;
                ensure!(answer.status == status, "{at}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("app-sidecar.yaml").await?;
        traffic.remove("front.yaml").await
    });
}

/// A workload that listens at no address.
async fn answer_with(server: UnixListener, status: &str) -> Result<()> {
    server.set_nonblocking(true)?;
    let server = tokio::net::UnixListener::from_std(server)?;
    loop {
        let (mut stream, _) = server.accept().await?;
        let _ = stream.read(&mut [0; 4096]).await;
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// Connections to a workload are limited there, and strangers' hosts are called through a service that is named.
#[test]
fn a_sidecar_limits_what_comes_in_and_says_who_lets_out() {
    run(async |traffic| {
        let sidecar = |app: &str, spec: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {app}, namespace: set}}\n\
                 spec: {{workloadSelector: {{labels: {{app: {app}}}}}, {spec}}}\n"
            )
        };
        let pool = "{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}";
        for spec in [
            format!("inboundConnectionPool: {pool}"),
            format!(
                "ingress: [{{port: {{number: 8080, protocol: HTTP, name: http}}, defaultEndpoint: '127.0.0.1:8080', \
                 connectionPool: {pool}}}]"
            ),
        ] {
            traffic.apply("app-pool.yaml", &sidecar("app", &spec)).await?;
            eventually(SOON, async || {
                let together = (0..6).map(|_| get(traffic, "/?delay=500ms"));
                let answers = futures::future::try_join_all(together).await?;
                let turned_away = answers.iter().filter(|answer| answer.status == 503).count();
                ensure!((1..=4).contains(&turned_away), "{spec}: {turned_away} of 6 turned away");
                Ok(())
            })
            .await?;
            traffic.remove("app-pool.yaml").await?;
        }

        let out = "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: app.set.svc.cluster.local, port: {number: 80}}}";
        traffic.apply("client-out.yaml", &sidecar("client", out)).await?;
        eventually(SOON, async || {
            let answer = Request::get("http://stranger.invalid/")?.send(traffic.proxy("client-0")?).await?;
            ensure!(answer.status == 200 && answer.pod() == "app-0", "{}", answer.summary());
            Ok(())
        })
        .await?;
        let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: set}\n\
                    spec: {host: app, subsets: [{name: some, labels: {app: app}}, {name: none, labels: {app: none}}]}\n";
        traffic.apply("app-rule.yaml", rule).await?;
        for (subset, status) in [("none", 503), ("some", 200)] {
            let out = out.replace("host:", &format!("subset: {subset}, host:"));
            traffic.apply("client-out.yaml", &sidecar("client", &out)).await?;
            eventually(SOON, async || {
                let answer =
                    Request::get("http://stranger.invalid/")?.send(traffic.proxy("client-0")?).await?;
                ensure!(answer.status == status, "{subset}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("client-out.yaml").await?;
        traffic.remove("app-rule.yaml").await?;

        // Where the mesh lets nobody out, one workload may be, by the names that it asks for.
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let unknown = format!("http://localhost:{}/", server.local_addr()?.port());
        tokio::spawn(answer_all(server));
        let closed = mesh_settings("outboundTrafficPolicy: {mode: REGISTRY_ONLY}");
        traffic.apply("mesh.yaml", &closed).await?;
        let open = sidecar("client", "outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}");
        for (sidecar, status) in [("", 502), (&*open, 204)] {
            if !sidecar.is_empty() {
                traffic.apply("client-out.yaml", sidecar).await?;
            }
            eventually(SOON, async || {
                let answer = Request::get(&unknown)?.send(traffic.proxy("client-0")?).await?;
                ensure!(answer.status == status, "{sidecar}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("client-out.yaml").await?;
        traffic.remove("mesh.yaml").await
    });
}

#[test]
fn a_sidecar_has_listeners_of_its_own() {
    run(async |traffic| {
        let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: client, namespace: set}\n\
                       spec:\n  workloadSelector: {labels: {app: client}}\n  egress:\n\
                       \x20 - {port: {number: 7080, protocol: HTTP_PROXY, name: proxy}, hosts: ['./*']}\n";
        traffic.apply("client-sidecar.yaml", sidecar).await?;
        let usual = traffic.proxy("client-0")?;
        let own = SocketAddr::new(usual.ip(), 7080);
        let request = Request::get("http://app.set/")?;
        let answer = request.send(own).await?;
        ensure!(answer.status == 200 && answer.pod() == "app-0", "{}", answer.summary());
        let answer = request.send(usual).await?;
        ensure!(answer.status != 200, "it is imported for the other listener only: {}", answer.summary());
        traffic.remove("client-sidecar.yaml").await
    });
}

/// Without a port services keep their own, at an address of which the Sidecar says that nothing is redirected there.
#[test]
fn services_are_called_at_their_own_ports_elsewhere() {
    run(async |traffic| {
        let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: client, namespace: set}\n\
                       spec:\n  workloadSelector: {labels: {app: client}}\n\
                       \x20 egress: [{captureMode: NONE, hosts: ['./*']}]\n";
        let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: elsewhere, namespace: set}\n\
                     spec:\n  hosts: [elsewhere.test]\n  resolution: STATIC\n  workloadSelector: {labels: {app: app}}\n\
                     \x20 ports: [{name: http, number: 8097, protocol: HTTP, targetPort: 8080}]\n";
        traffic.apply("elsewhere.yaml", entry).await?;
        traffic.apply("client-sidecar.yaml", sidecar).await?;
        // What stands for the loopback address of the client.
        let own = traffic.proxy("client-0")?.ip();
        for (url, port) in [("http://app.set/", 80), ("http://elsewhere.test:8097/", 8097)] {
            let request = Request::get(url)?.direct();
            eventually(SOON, async || {
                let answer = request.send(SocketAddr::new(own, port)).await?;
                ensure!(answer.status == 200 && answer.pod() == "app-0", "{url}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        let through_proxy = Request::get("http://app.set/")?.send(traffic.proxy("client-0")?).await?;
        ensure!(through_proxy.status == 200, "the HTTP proxy has them, too: {}", through_proxy.summary());
        traffic.remove("client-sidecar.yaml").await?;
        traffic.remove("elsewhere.yaml").await
    });
}

/// One Sidecar holds for a workload: one that selects it, else its namespace's, else that of the root namespace. They are not merged.
#[test]
fn the_nearest_sidecar_counts() {
    run(async |traffic| {
        let server = Outside::start("near", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let entries: String = ["root", "namespace", "workload"]
            .map(|name| {
                let entry = server.service_entry(name, &format!("{name}.near.test"));
                entry.replace("namespace: traffic", "namespace: near") + "---\n"
            })
            .concat();
        traffic.apply("near.yaml", &entries).await?;
        let sidecar = |namespace: &str, name: &str, selector: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
                 spec:\n  {selector}outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n\
                 \x20 egress: [{{hosts: ['near/{name}.near.test']}}]\n"
            )
        };
        let sees = async |expected: &[&str]| {
            eventually(SOON, async || {
                let mut seen = Vec::new();
                for name in ["root", "namespace", "workload"] {
                    let request = Request::get(&format!("http://{name}.near.test/"))?;
                    if request.send(traffic.proxy("client-0")?).await?.status == 200 {
                        seen.push(name);
                    }
                }
                ensure!(seen == expected, "it sees {seen:?} instead of {expected:?}");
                Ok(())
            })
            .await
        };
        sees(&["root", "namespace", "workload"]).await?;
        traffic.apply("near-root.yaml", &sidecar("istio-system", "root", "")).await?;
        sees(&["root"]).await?;
        traffic.apply("near-namespace.yaml", &sidecar("set", "namespace", "")).await?;
        sees(&["namespace"]).await?;
        let selector = |app: &str| format!("workloadSelector: {{labels: {{app: {app}}}}}\n  ");
        traffic.apply("near-workload.yaml", &sidecar("set", "workload", &selector("client"))).await?;
        sees(&["workload"]).await?;
        // One for another workload says nothing to this one.
        traffic.apply("near-workload.yaml", &sidecar("set", "workload", &selector("app"))).await?;
        sees(&["namespace"]).await?;
        for file in ["near-workload.yaml", "near-namespace.yaml", "near-root.yaml"] {
            traffic.remove(file).await?;
        }
        sees(&["root", "namespace", "workload"]).await?;
        traffic.remove("near.yaml").await
    });
}
