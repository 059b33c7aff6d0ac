//! What Envoys count under, as the mesh and its routes say: the only thing that nobody sees of a request.

use super::{SOON, get, mesh_settings, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::Traffic;

/// Requests for `path` are counted by `pod` under `name`.
async fn counted(traffic: &Traffic, path: &str, pod: &str, name: &str) -> Result<()> {
    eventually(SOON, async || {
        let before = traffic.stat(pod, name).await?;
        let answer = get(traffic, path).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        let after = traffic.stat(pod, name).await?;
        ensure!(after == before + 1, "{name} at {pod} goes from {before} to {after}");
        Ok(())
    })
    .await
}

#[test]
fn routes_may_be_counted_apart() {
    run(async |traffic| {
        let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: counted, namespace: set}\n\
                      spec:\n  hosts: [app]\n  http:\n\
                      \x20 - {match: [{uri: {prefix: /cart}, statPrefix: cart}], route: [{destination: {host: app}}]}\n\
                      \x20 - {match: [{uri: {prefix: /pay}, statPrefix: pay}], route: [{destination: {host: app}}]}\n\
                      \x20 - {route: [{destination: {host: app}}]}\n";
        traffic.apply("counted.yaml", routes).await?;
        for name in ["cart", "pay"] {
            let stat =
                format!("vhost.http_proxy/app.set.svc.cluster.local:80.route.{name}.upstream_rq_total");
            counted(traffic, &format!("/{name}"), "client-0", &stat).await?;
        }
        traffic.remove("counted.yaml").await
    });
}

#[test]
fn clusters_are_counted_as_the_mesh_says() {
    run(async |traffic| {
        let settings = "outboundClusterStatName: out_%SERVICE%_%SERVICE_PORT%_%SERVICE_PORT_NAME%\n\
                        inboundClusterStatName: in_%SERVICE_FQDN%_%TARGET_PORT%";
        traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
        counted(traffic, "/", "client-0", "cluster.out_app.set_80_http;.upstream_rq_total").await?;
        counted(traffic, "/", "app-0", "cluster.in_app.set.svc.cluster.local_8080;.upstream_rq_total")
            .await?;
        traffic.remove("mesh.yaml").await?;
        let usual = "cluster.outbound|80||app.set.svc.cluster.local;.upstream_rq_total";
        counted(traffic, "/", "client-0", usual).await
    });
}
