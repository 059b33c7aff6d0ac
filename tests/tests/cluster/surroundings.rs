//! What is around services in a cluster, edited while proxies are connected: mesh settings, nodes, labels of namespaces.

use anyhow::Result;
use mesh_testkit::ApiServer;
use mesh_tests::{
    Asker,
    cluster::{Client, ControlPlane, install_crds},
};
use pilot_xds::resource::ResourceType;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn take_effect_when_they_are_edited() {
    // Settings are of the whole mesh, so it is no other test's.
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async { install_crds(&server).await.and(take_effect(&server).await) };
    outcome.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// The ConfigMap `istio`.
fn settings(mesh: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata: {{mesh: '{mesh}'}}\n"
    )
}

/// A node in a zone.
fn node(zone: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: worker\n  labels:\n    \
         topology.kubernetes.io/region: region\n    topology.kubernetes.io/zone: {zone}\n"
    )
}

/// A service whose one pod runs on that node.
fn service(namespace: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {namespace}}}\n\
         spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
         ---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web-1, namespace: {namespace}, labels: {{app: web}}}}\n\
         spec: {{nodeName: worker, containers: [{{name: app, image: example.com/app}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: web-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: web}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 8080}}]\n\
         endpoints: [{{addresses: [10.1.0.1], nodeName: worker, targetRef: {{kind: Pod, name: web-1, namespace: {namespace}}}}}]\n"
    )
}

async fn until_gone(client: &mut Client, cluster: &str) -> Result<()> {
    let gone = |envoy: &pilot_xds::testing::Envoy| !envoy.held(ResourceType::Cluster).contains_key(cluster);
    client.until(&format!("no {cluster}"), gone).await
}

async fn take_effect(server: &ApiServer) -> Result<()> {
    server.kubectl(&["create", "namespace", "istio-system"]).await?;
    let namespace = &server.fresh_namespace("around").await?;
    server.kubectl_apply(&settings("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")).await?;
    server.kubectl_apply(&node("one")).await?;
    server.kubectl_apply(&service(namespace)).await?;
    let control_plane = ControlPlane::start(server).await?;
    control_plane.ready().await?;
    let mut client = control_plane.connect(&Asker::new("elsewhere", "client")).await?;
    let web = &format!("outbound|80||web.{namespace}.svc.cluster.local");
    client.until_cluster(web).await?;

    // What goes to nobody that is known.
    let goes_to = |cluster: &'static str| {
        move |listener: &Value| listener["default_filter_chain"].to_string().contains(cluster)
    };
    let (kind, name) = (ResourceType::Listener, "virtualOutbound");
    client.until_message(kind, name, "REGISTRY_ONLY", goes_to("BlackHoleCluster")).await?;
    server.kubectl_apply(&settings("outboundTrafficPolicy: {mode: ALLOW_ANY}")).await?;
    client.until_message(kind, name, "ALLOW_ANY", goes_to("PassthroughCluster")).await?;

    // A node that turns out to be in another zone.
    let is_in =
        |zone: &'static str| move |assignment: &Value| assignment["endpoints"][0]["locality"]["zone"] == zone;
    client.until_assignment(web, "zone one", is_in("one")).await?;
    server.kubectl_apply(&node("two")).await?;
    client.until_assignment(web, "zone two", is_in("two")).await?;

    // Namespaces that belong to the mesh by a label.
    server.kubectl_apply(&settings("discoverySelectors: [{matchLabels: {mesh: member}}]")).await?;
    until_gone(&mut client, web).await?;
    server.kubectl(&["label", "namespace", namespace, "mesh=member"]).await?;
    client.until_cluster(web).await?;
    server.kubectl(&["label", "namespace", namespace, "mesh-"]).await?;
    until_gone(&mut client, web).await
}
