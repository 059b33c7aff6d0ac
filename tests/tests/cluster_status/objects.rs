//! What each kind of object says of itself: accepted, resolved, programmed, refused.

use crate::told::{apply, leader, prepare, until};
use anyhow::{Result, ensure};
use mesh_model::{Kind, ObjectRef};
use mesh_testkit::ApiServer;
use mesh_tests::Asker;
use pilot_status::{ConditionType, wait_for};
use pilot_xds::resource::ResourceType;
use std::{sync::Arc, time::Duration};

/// A VirtualService for `web` whose route is called `route`.
fn route(route: &str, host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
         spec: {{hosts: [web], http: [{{name: {route}, route: [{{destination: {{host: {host}}}}}]}}]}}\n"
    )
}

/// The name of a route that some proxy does not take.
const UNWANTED: &str = "not-with-me";

/// One object of each other kind.
const OTHERS: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [outside.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: outside}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: outside}
spec: {address: 192.0.2.1, labels: {app: outside}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {egress: [{hosts: ['./*']}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: PERMISSIVE}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: machines}
spec: {metadata: {labels: {app: outside}}, template: {serviceAccount: outside}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: default}
spec: {image: {imageType: distroless}}
";

#[tokio::test(flavor = "multi_thread")]
async fn say_what_became_of_them() {
    let Some(server) = ApiServer::own().await else { return };
    said(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn said(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let control_plane = leader(server, "one").await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;
    let refuse = |kind: ResourceType, resource: &pilot_xds::wire::Resource| {
        let content = resource.resource.as_ref().map(|any| any.value.clone()).unwrap_or_default();
        let bad = kind == ResourceType::VirtualHost
            && content.windows(UNWANTED.len()).any(|part| part == UNWANTED.as_bytes());
        bad.then(|| format!("{}: this Envoy cannot have that", resource.name))
    };
    let _picky = control_plane.connect_refusing(&Asker::new(namespace, "picky"), Arc::new(refuse)).await?;
    let _elsewhere = control_plane.connect(&Asker::new("elsewhere", "other")).await?;
    client.until_cluster(&format!("outbound|80||web.{namespace}.svc.cluster.local")).await?;

    // Somebody else's condition, there before ours.
    apply(server, namespace, &route("first", "web")).await?;
    let foreign = r#"{"status": {"conditions": [{"type": "Example", "status": "True", "reason": "Mine"}]}}"#;
    let patch = ["patch", "virtualservice", "web", "-n", namespace, "--subresource=status", "--type=merge"];
    server.kubectl(&[&patch[..], &["-p", foreign]].concat()).await?;

    // Everybody takes it: the Sidecar of the namespace does not matter to the one elsewhere.
    apply(server, namespace, OTHERS).await?;
    let three = |status: &str, _: &str, message: &str| status == "True" && message == "3 of 3 proxies";
    until(server, namespace, "virtualservice/web", "Programmed", three).await?;
    until(server, namespace, "destinationrule/web", "Programmed", three).await?;
    until(server, namespace, "serviceentry/outside", "Programmed", three).await?;
    until(server, namespace, "workloadentry/outside", "Programmed", three).await?;
    let two = |status: &str, _: &str, message: &str| status == "True" && message == "2 of 2 proxies";
    until(server, namespace, "sidecar/default", "Programmed", two).await?;
    until(server, namespace, "peerauthentication/default", "Programmed", two).await?;
    // Those who register by it, and those who are started with it, are not told by way of their streams.
    let nobody = |status: &str, reason: &str, _: &str| status == "True" && reason == "NoProxies";
    for object in ["workloadgroup/machines", "proxyconfig/default"] {
        until(server, namespace, object, "Programmed", nobody).await?;
    }
    let well = |status: &str, reason: &str, _: &str| status == "True" && reason == "Accepted";
    for object in ["peerauthentication/default", "workloadgroup/machines"] {
        until(server, namespace, object, "Accepted", well).await?;
    }
    let partly = |status: &str, reason: &str, message: &str| {
        status == "True" && reason == "AcceptedWithWarnings" && message.starts_with("spec.image.imageType: ")
    };
    until(server, namespace, "proxyconfig/default", "Accepted", partly).await?;
    // As kubectl and meltemi see it.
    server
        .kubectl(&[
            "wait",
            "--for=condition=Programmed",
            "virtualservice/web",
            "-n",
            namespace,
            "--timeout=30s",
        ])
        .await?;
    let kube = pilot_ingest::connect(Some(server.kubeconfig_path())).await?;
    let web = ObjectRef::new(Kind::VirtualService, namespace.as_str(), "web");
    let within = Duration::from_secs(30);
    let condition = wait_for(&kube, &web, ConditionType::Accepted, within).await?;
    ensure!(condition.observed_generation == 1, "{condition:?}");

    // A refusal, its end, and a name that nothing answers to.
    apply(server, namespace, &route(UNWANTED, "web")).await?;
    let refused = until(server, namespace, "virtualservice/web", "Programmed", |status, reason, message| {
        status == "False" && reason == "Rejected" && message.starts_with("2 of 3 proxies; rejected by picky.")
    });
    refused.await?;
    let error = wait_for(&kube, &web, ConditionType::Programmed, Duration::from_secs(1)).await;
    ensure!(error.is_err_and(|error| error.to_string().contains("this Envoy cannot have that")));
    apply(server, namespace, &route("third", "nowhere")).await?;
    until(server, namespace, "virtualservice/web", "Programmed", three).await?;
    let unresolved =
        until(server, namespace, "virtualservice/web", "ResolvedRefs", |status, reason, message| {
            status == "False" && reason == "NotFound" && message.contains("nowhere")
        });
    let object = unresolved.await?;

    // What is in effect, and shuts out those who have no certificate to come with.
    apply(server, namespace, &OTHERS.replace("mode: PERMISSIVE", "mode: STRICT")).await?;
    let closed = |status: &str, reason: &str, message: &str| {
        status == "True"
            && reason == "AcceptedWithWarnings"
            && message.contains("proxies that have no certificate (2, such as")
    };
    until(server, namespace, "peerauthentication/default", "Accepted", closed).await?;

    // What the other writer wrote is as it was.
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    ensure!(conditions.len() == 4, "{conditions:#?}");
    let example = conditions.iter().find(|condition| condition["type"] == "Example");
    ensure!(example.is_some_and(|example| example["reason"] == "Mine"), "{conditions:#?}");
    Ok(())
}
