//! What goes wrong around the control plane: CRDs that come late, an API server that goes away, objects that make no sense.

use crate::objects::{report_pods, service, subsets};
use anyhow::{Result, ensure};
use mesh_testkit::ApiServer;
use mesh_tests::{
    Asker,
    cluster::{ControlPlane, install_crds},
};

#[tokio::test(flavor = "multi_thread")]
async fn is_survived() {
    let Some(server) = ApiServer::own().await else { return };
    survived(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn survived(server: &ApiServer) -> Result<()> {
    let namespace = &server.fresh_namespace("survivor").await?;
    server.kubectl_apply(&service(namespace, "web")).await?;
    report_pods(server, namespace, "web").await?;

    // Without CRDs there is nothing to wait for.
    let control_plane = ControlPlane::start(server).await?;
    control_plane.ready().await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;
    let cluster = |subset: &str| format!("outbound|80|{subset}|web.{namespace}.svc.cluster.local");
    client.until_endpoints(&cluster(""), &["10.1.0.1:8080", "10.1.0.2:8080"]).await?;

    // They come later, and are found.
    install_crds(server).await?;
    server.kubectl_apply(&subsets(namespace, "web", &["v1"])).await?;
    client.until_endpoints(&cluster("v1"), &["10.1.0.1:8080"]).await?;

    // While the API server is away everything stays as it is; a proxy that connects meanwhile is served.
    let (before, responses) = (client.clusters(), client.cluster_responses());
    server.kill();
    let mut newcomer = control_plane.connect(&Asker::new(namespace, "newcomer")).await?;
    newcomer.until_endpoints(&cluster("v1"), &["10.1.0.1:8080"]).await?;
    server.serve_again().await?;

    // What is edited afterwards arrives, by one push that only adds: nothing was taken away in between.
    server.kubectl_apply(&subsets(namespace, "web", &["v1", "v2"])).await?;
    client.until_endpoints(&cluster("v2"), &["10.1.0.2:8080"]).await?;
    ensure!(client.clusters().is_superset(&before), "{before:?} became {:?}", client.clusters());
    let pushes = client.cluster_responses() - responses;
    ensure!(pushes == 1, "{pushes} pushes of clusters for one edit");

    // A CRD as loose as can be lets anything through. What makes no sense is a problem of its own.
    server
        .kubectl(&["patch", "crd", "destinationrules.networking.istio.io", "--type=json", "-p", LOOSE])
        .await?;
    let bad = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
               metadata: {name: bad}\nspec: {host: [not, a, name], trafficPolicy: none}\n";
    mesh_testkit::eventually(std::time::Duration::from_secs(30), async || {
        server.kubectl_with_input(&["apply", "--validate=false", "-n", namespace, "-f", "-"], bad).await
    })
    .await?;
    let problems = control_plane.problems(namespace, "bad").await?;
    ensure!(problems.iter().any(|problem| problem.contains("spec.host")), "{problems:#?}");
    server.kubectl_apply(&subsets(namespace, "web", &["v2"])).await?;
    let gone = cluster("v1");
    client
        .until("the subset that was removed is gone", |envoy| {
            !envoy.held(pilot_xds::resource::ResourceType::Cluster).contains_key(gone.as_str())
        })
        .await?;
    ensure!(client.clusters().contains(&cluster("v2")), "{:?}", client.clusters());

    // A control plane that starts while the API server is away turns proxies away: half an answer would be worse.
    server.kill();
    let second = ControlPlane::start(server).await?;
    let asker = Asker::new(namespace, "client");
    let refused = second.connect(&asker).await?.ended().await?;
    ensure!(refused.starts_with("Unavailable") && !second.is_ready(), "{refused}");
    server.serve_again().await?;
    second.ready().await?;
    let mut early = second.connect(&asker).await?;
    early.until_cluster(&cluster("")).await?;
    ensure!(early.clusters() == client.clusters(), "{:?}, not {:?}", early.clusters(), client.clusters());
    ensure!(early.cluster_responses() == 1, "{} responses", early.cluster_responses());
    Ok(())
}

/// Schemas of all three versions, without a word on what is inside.
const LOOSE: &str = r#"[
  {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
   "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
  {"op": "replace", "path": "/spec/versions/1/schema/openAPIV3Schema",
   "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
  {"op": "replace", "path": "/spec/versions/2/schema/openAPIV3Schema",
   "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
]"#;
