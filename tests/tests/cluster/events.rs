//! What `/metrics` counts of an API server's events, under Istio's names.

use crate::objects::service;
use anyhow::{Context, Result, ensure};
use mesh_runtime::metrics::{Exposition, Metrics};
use mesh_testkit::ApiServer;
use mesh_tests::cluster::{ControlPlane, install_crds};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn are_counted() {
    let Some(server) = ApiServer::own().await else { return };
    counted(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

fn value(page: &Exposition, name: &str, kind: &str, event: &str) -> Result<f64> {
    let series = format!("{name}{{type=\"{kind}\",event=\"{event}\"}} ");
    let text = page.render();
    let found = text.lines().find_map(|line| line.strip_prefix(&series));
    Ok(found.with_context(|| format!("{series} is not in:\n{text}"))?.parse()?)
}

async fn counted(server: &ApiServer) -> Result<()> {
    install_crds(server).await?;
    let namespace = &server.fresh_namespace("counted").await?;
    server.kubectl_apply(&service(namespace, "web")).await?;
    let control_plane = ControlPlane::start(server).await?;
    control_plane.ready().await?;
    let mut metrics = Metrics::new();
    metrics.registry().register_collector(Box::new(control_plane.pilot().metrics()));
    let page = metrics.finish();
    // What is there at the start comes as new.
    for (kind, expected) in [("Services", 2.0), ("EndpointSlice", 1.0), ("Pods", 2.0), ("Nodes", 0.0)] {
        let added = value(&page, "pilot_k8s_reg_events", kind, "add")?;
        ensure!(added == expected, "{added} {kind}");
    }
    ensure!(value(&page, "pilot_k8s_reg_events", "Namespaces", "add")? >= 1.0);

    let kind = "VirtualService";
    let events = || {
        let of = |event| value(&page, "pilot_k8s_cfg_events", kind, event);
        Ok::<_, anyhow::Error>([of("add")?, of("update")?, of("updatesame")?, of("delete")?])
    };
    ensure!(events()? == [0.0; 4], "{:?}", events()?);
    let route = |host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
             metadata: {{name: web, namespace: {namespace}}}\n\
             spec: {{hosts: [web], http: [{{route: [{{destination: {{host: {host}}}}}]}}]}}\n"
        )
    };
    let until = async |expected: [f64; 4]| {
        mesh_testkit::eventually(Duration::from_secs(60), async || {
            let found = events()?;
            ensure!(found == expected, "{found:?}, not {expected:?}");
            Ok(())
        })
        .await
    };
    server.kubectl_apply(&route("web")).await?;
    until([1.0, 0.0, 0.0, 0.0]).await?;
    server.kubectl_apply(&route("other")).await?;
    until([1.0, 1.0, 0.0, 0.0]).await?;
    // What is not read does not make it another.
    server.kubectl(&["annotate", "virtualservice", "web", "-n", namespace, "example.com/note=new"]).await?;
    until([1.0, 1.0, 1.0, 0.0]).await?;
    server.kubectl(&["delete", "virtualservice", "web", "-n", namespace]).await?;
    until([1.0, 1.0, 1.0, 1.0]).await
}
