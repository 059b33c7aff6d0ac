//! Watches on a real Kubernetes API server: CRDs that come late, edits, and a server that goes away and comes back.

#![allow(clippy::unwrap_used, clippy::expect_used)] // What tests share may unwrap as tests may.

use mesh_model::{Kind, ObjectRef};
use mesh_testkit::{ApiServer, Link};
use pilot_ingest::{Settings, Source, Update, Updates, events::Event, start};
use std::{fmt::Write, path::Path, time::Duration};

async fn open(server: &ApiServer) -> Updates {
    open_by(server.kubeconfig_path()).await
}

async fn open_by(kubeconfig: &Path) -> Updates {
    let kubeconfig = Some(kubeconfig.to_owned());
    start(Source::Cluster { kubeconfig }, Settings::default()).await.unwrap()
}

/// Waits for an update that satisfies `wanted`; `always` has to hold for each on the way.
async fn until(
    updates: &mut Updates,
    always: impl Fn(&Update) -> bool,
    wanted: impl Fn(&Update) -> bool,
) -> Update {
    let found = async {
        loop {
            let update = updates.next().await.expect("the source goes on");
            assert!(always(&update), "update {}", update.sequence);
            if wanted(&update) {
                return update;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), found).await.expect("the update comes")
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-a, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints: [{{addresses: [10.1.0.1]}}]\n"
    )
}

fn virtual_service(version: &str, host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/{version}\nkind: VirtualService\nmetadata: {{name: a, namespace: default}}\n\
         spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: a}}}}], mirror: {{host: b}}}}]}}\n"
    )
}

fn has_service(update: &Update, name: &str) -> bool {
    let host = mesh_model::Host::new(&format!("{name}.default.svc.cluster.local"));
    let services = update.mesh.services_of_host(&host);
    let endpoints = services.first().and_then(|service| update.mesh.endpoints(service));
    endpoints.is_some_and(|endpoints| endpoints.on_port(80).len() == 1)
}

fn routes(update: &Update, host: &str) -> bool {
    update.mesh.virtual_services().any(|value| value.hosts[0].as_str() == host)
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_a_cluster() {
    let Some(server) = ApiServer::own().await else { return };
    server.kubectl_apply(&service("a")).await.unwrap();
    // No CRD is there: Istio's kinds have no objects, and nothing waits for them.
    let mut updates = open(&server).await;
    let mut reports = updates.reports();
    let first = until(&mut updates, |_| true, |_| true).await;
    assert!(first.sequence == 1 && has_service(&first, "a"));
    assert!(first.mesh.services().any(|service| &*service.metadata.object.name.name == "kubernetes"));

    // They come later.
    let crds = mesh_api::crds().unwrap();
    for crd in &crds {
        server.kubectl_apply(&serde_json::to_string(crd).unwrap()).await.unwrap();
    }
    let names: Vec<String> = crds.iter().filter_map(|crd| crd.metadata.name.clone()).collect();
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s", "crd"];
    wait.extend(names.iter().map(String::as_str));
    server.kubectl(&wait).await.unwrap();
    server.kubectl_apply(&virtual_service("v1alpha3", "one.example.com")).await.unwrap();
    until(&mut updates, |update| has_service(update, "a"), |update| routes(update, "one.example.com")).await;
    let object = ObjectRef::new(Kind::VirtualService, "default", "a");
    let report = reports
        .wait_for(|report| report.entries.iter().any(|entry| entry.object.as_ref() == Some(&object)))
        .await
        .unwrap()
        .clone();
    assert!(
        report
            .entries
            .iter()
            .flat_map(|entry| &entry.problems)
            .any(|problem| problem.path == "spec.http[0].mirror.host")
    );

    // A kind that is not in the version that its group prefers.
    let start = "apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\n\
                 metadata: {name: a, namespace: default}\nspec: {concurrency: 3}\n";
    server.kubectl_apply(start).await.unwrap();
    let found = |update: &Update| update.mesh.proxy_configs().count() == 1;
    until(&mut updates, |update| has_service(update, "a"), found).await;

    // The server goes away and comes back, with an edit and a deletion that nobody saw.
    server.kubectl_apply(&service("b")).await.unwrap();
    until(&mut updates, |update| has_service(update, "a"), |update| has_service(update, "b")).await;
    server.kill();
    server.serve_again().await.unwrap();
    server.kubectl_apply(&virtual_service("v1", "two.example.com")).await.unwrap();
    server.kubectl(&["delete", "service", "-n", "default", "b"]).await.unwrap();
    let kept = |update: &Update| has_service(update, "a") && update.mesh.virtual_services().count() == 1;
    until(&mut updates, kept, |update| routes(update, "two.example.com") && !has_service(update, "b")).await;
}

/// A CRD that lets everything through, as old ones did, and serves one version only.
const PERMISSIVE: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: virtualservices.networking.istio.io}
spec:
  group: networking.istio.io
  scope: Namespaced
  names: {kind: VirtualService, plural: virtualservices, singular: virtualservice}
  versions:
    - name: v1alpha3
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_object_hurts_only_itself() {
    let Some(server) = ApiServer::own().await else { return };
    server.kubectl_apply(PERMISSIVE).await.unwrap();
    let name = "crd/virtualservices.networking.istio.io";
    server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", name]).await.unwrap();
    let bad = "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\n\
               metadata: {name: bad, namespace: default}\nspec: {hosts: 5, http: all of it}\n";
    server.kubectl_apply(bad).await.unwrap();
    server.kubectl_apply(&virtual_service("v1alpha3", "one.example.com")).await.unwrap();
    let mut updates = open(&server).await;
    let mut reports = updates.reports();
    until(&mut updates, |_| true, |update| routes(update, "one.example.com")).await;
    server.kubectl_apply(&virtual_service("v1alpha3", "two.example.com")).await.unwrap();
    until(&mut updates, |_| true, |update| routes(update, "two.example.com")).await;
    let object = ObjectRef::new(Kind::VirtualService, "default", "bad");
    let of_bad = |report: &pilot_ingest::Report| {
        report
            .entries
            .iter()
            .find(|entry| entry.object.as_ref() == Some(&object))
            .map(|entry| entry.problems.clone())
    };
    let report = reports.wait_for(|report| of_bad(report).is_some()).await.unwrap().clone();
    let problems: Vec<_> = of_bad(&report).unwrap().iter().map(ToString::to_string).collect();
    assert!(
        problems.iter().any(|text| text.starts_with("spec.hosts: expected a list, found 5")),
        "{problems:?}"
    );
    assert!(problems.iter().any(|text| text.starts_with("spec.http: expected a list")), "{problems:?}");
}

/// Services `{prefix}-0` and so on: more than there are events in a batch.
fn many(prefix: &str) -> String {
    (0..300).fold(String::new(), |mut text, number| {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {prefix}-{number}, namespace: default, labels: {{prefix: {prefix}}}}}\n\
             spec: {{clusterIP: None, ports: [{{name: http, port: 80}}]}}\n"
        );
        text
    })
}

/// How many of the services of both prefixes there are.
fn count(update: &Update) -> [usize; 2] {
    ["old-", "new-"].map(|prefix| {
        let named = |name: &str| name.starts_with(prefix);
        update.mesh.services().filter(|service| named(&service.metadata.object.name.name)).count()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_after_a_watch_that_expired_replaces_all_at_once() {
    let Some(server) = ApiServer::own().await else { return };
    let target = server.url().strip_prefix("https://").unwrap().parse().unwrap();
    let link = Link::to(target).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let text = std::fs::read_to_string(server.kubeconfig_path()).unwrap();
    std::fs::write(&kubeconfig, text.replace(&server.url(), &format!("https://{}", link.address()))).unwrap();
    server.kubectl_apply(&service("stays")).await.unwrap();
    server.kubectl_with_input(&["create", "-f", "-"], &many("old")).await.unwrap();

    let mut updates = open_by(&kubeconfig).await;
    let events = updates.events();
    let first = until(&mut updates, |_| true, |update| has_service(update, "stays")).await;
    assert_eq!(count(&first), [300, 0]);
    let same = |kind| events.cluster(kind, Event::UpdateSame);
    assert_eq!(same(Kind::Service), 0);

    // While nothing gets through, all of the old are replaced, and the server forgets how: a watch cannot go on from there.
    link.cut();
    server
        .kubectl(&["delete", "service", "-n", "default", "-l", "prefix=old", "--wait=false"])
        .await
        .unwrap();
    server.kubectl_with_input(&["create", "-f", "-"], &many("new")).await.unwrap();
    server.restart().await.unwrap();
    link.mend();
    let whole = |update: &Update| {
        let count = count(update);
        assert!(count == [300, 0] || count == [0, 300], "{count:?}; said again: {}", same(Kind::Service));
        has_service(update, "stays")
    };
    until(&mut updates, whole, |update| count(update) == [0, 300]).await;
    // It was a list: what is as it was has been said again.
    assert!(same(Kind::Service) > 0, "the watch went on: this has shown nothing");
}
