//! Limits of connections on both sides of a service: what the mesh says under every policy, and a Sidecar for what comes in.

use super::{SOON, get, mesh_settings, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{eventually, ports::Loopback};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than any limit that is set here.
const LIMITED: Duration = Duration::from_secs(4);

/// Whether the proxy ends a connection on which nobody says anything.
async fn ends(proxy: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect(proxy).await?;
    Ok(timeout(LIMITED, stream.read(&mut [0])).await.is_ok())
}

/// A server that says nothing and hangs up on nobody.
async fn stay(listener: TcpListener) {
    let mut all = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        all.push(stream);
    }
}

#[test]
fn limits_of_the_mesh_hold_at_servers_and_for_bytes() {
    run(async |traffic| {
        // The client has limits of its own, far from what it does; nobody else has any.
        let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: set}\n\
                    spec: {host: app, workloadSelector: {matchLabels: {app: client}}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 100}}}}\n";
        traffic.apply("own-limits.yaml", rule).await?;
        let pool = "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}";
        for (settings, limited) in
            [("connectTimeout: 8.1s", false), (pool, true), ("connectTimeout: 8.2s", false)]
        {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                let together = (0..6).map(|_| get(traffic, "/?delay=500ms"));
                let answers = futures::future::try_join_all(together).await?;
                let turned_away = answers.iter().filter(|answer| answer.status == 503).count();
                ensure!((turned_away > 0) == limited, "{settings}: {turned_away} of 6 turned away");
                Ok(())
            })
            .await?;
        }
        traffic.remove("own-limits.yaml").await?;

        let loopback = Loopback::claim()?;
        let listener = loopback.port()?.into_listener();
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: silent, namespace: set}}\n\
             spec:\n  hosts: [silent.test]\n  resolution: STATIC\n  endpoints: [{{address: {}}}]\n\
             \x20 ports: [{{name: tcp, number: 9213, protocol: TCP, targetPort: {}}}]\n",
            loopback.ip(),
            listener.local_addr()?.port()
        );
        tokio::spawn(stay(listener));
        traffic.apply("silent.yaml", &entry).await?;
        let client = SocketAddr::new(traffic.proxy("client-0")?.ip(), 9213);
        for (settings, expected) in [
            ("connectTimeout: 8.3s", false),
            ("defaultTrafficPolicy: {connectionPool: {tcp: {idleTimeout: 300ms}}}", true),
            ("defaultTrafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 300ms}}}", true),
        ] {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                ensure!(ends(client).await? == expected, "{settings}");
                Ok(())
            })
            .await?;
        }
        traffic.remove("silent.yaml").await?;
        traffic.remove("mesh.yaml").await
    });
}

#[test]
fn a_sidecar_ends_connections_of_bytes_that_come_in() {
    run(async |traffic| {
        let server = SocketAddr::new(traffic.proxy("app-0")?.ip(), 9100);
        for (pool, expected) in [
            ("{tcp: {maxConnections: 9}}", false),
            ("{tcp: {idleTimeout: 300ms}}", true),
            ("{tcp: {maxConnectionDuration: 300ms}}", true),
        ] {
            let sidecar = format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: app, namespace: set}}\n\
                 spec:\n  workloadSelector: {{labels: {{app: app}}}}\n  ingress:\n\
                 \x20 - {{port: {{number: 9100, protocol: TCP, name: tcp}}, defaultEndpoint: '127.0.0.1:8080', connectionPool: {pool}}}\n"
            );
            traffic.apply("app-bytes.yaml", &sidecar).await?;
            eventually(SOON, async || {
                let ended = ends(server).await.context(pool)?;
                ensure!(ended == expected, "{pool}");
                Ok(())
            })
            .await?;
        }
        traffic.remove("app-bytes.yaml").await
    });
}
