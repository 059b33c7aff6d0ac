//! Objects of a cluster, and what a proxy is told about them.

use anyhow::{Result, ensure};
use mesh_testkit::ApiServer;
use mesh_tests::{
    Asker,
    cluster::{ControlPlane, install_crds},
};
use pilot_xds::resource::ResourceType;
use std::fmt::Write;

/// A Service with two pods, of versions v1 and v2, and their EndpointSlice, as the controllers of a cluster would make it.
pub fn service(namespace: &str, name: &str) -> String {
    let mut yaml = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n"
    );
    for version in ["v1", "v2"] {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: {name}-{version}, namespace: {namespace}, labels: {{app: {name}, version: {version}}}}}\n\
             spec: {{containers: [{{name: app, image: example.com/app, ports: [{{containerPort: 8080}}]}}]}}\n"
        );
    }
    let _ = write!(
        yaml,
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\n\
         ports: [{{name: http, port: 8080}}]\n\
         endpoints:\n"
    );
    for version in [1, 2] {
        let _ = writeln!(
            yaml,
            "- {{addresses: [10.1.0.{version}], conditions: {{ready: true}}, \
             targetRef: {{kind: Pod, name: {name}-v{version}, namespace: {namespace}}}}}"
        );
    }
    yaml
}

/// The pods' addresses, which a kubelet would report.
pub async fn report_pods(server: &ApiServer, namespace: &str, name: &str) -> Result<()> {
    for version in [1, 2] {
        let status = format!(
            "{{\"status\": {{\"phase\": \"Running\", \"podIP\": \"10.1.0.{version}\", \
             \"podIPs\": [{{\"ip\": \"10.1.0.{version}\"}}]}}}}"
        );
        let pod = format!("{name}-v{version}");
        let args =
            ["patch", "pod", &pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", &status];
        server.kubectl(&args).await?;
    }
    Ok(())
}

/// A rule with a subset for each of `versions`.
pub fn subsets(namespace: &str, name: &str, versions: &[&str]) -> String {
    let subsets: Vec<_> = versions
        .iter()
        .map(|version| format!("{{name: {version}, labels: {{version: {version}}}}}"))
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1beta1\nkind: DestinationRule\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{host: {name}, subsets: [{}]}}\n",
        subsets.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn reach_proxies() {
    let Some(server) = ApiServer::shared().await else { return };
    let reached = async { install_crds(server).await.and(reach(server).await) };
    reached.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Where the CRDs are installed, whoever made them.
pub async fn reach(server: &ApiServer) -> Result<()> {
    let namespace = &server.fresh_namespace("objects").await?;
    server.kubectl_apply(&service(namespace, "web")).await?;
    report_pods(server, namespace, "web").await?;
    let control_plane = ControlPlane::start(server).await?;
    control_plane.ready().await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;

    // What is there at the start comes at once and whole.
    let web = format!("web.{namespace}.svc.cluster.local");
    let all = format!("outbound|80||{web}");
    client.until_endpoints(&all, &["10.1.0.1:8080", "10.1.0.2:8080"]).await?;

    // Subsets go by the labels of pods.
    server.kubectl_apply(&subsets(namespace, "web", &["v1", "v2"])).await?;
    let second = format!("outbound|80|v2|{web}");
    client.until_endpoints(&second, &["10.1.0.2:8080"]).await?;
    server
        .kubectl_apply(&format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\n\
             metadata: {{name: web, namespace: {namespace}}}\n\
             spec: {{hosts: [web], http: [{{route: [{{destination: {{host: web, subset: v2}}}}]}}]}}\n"
        ))
        .await?;
    let host = format!("80/{web}:80");
    client
        .until("routes to v2", |envoy| {
            let hosts = envoy.held(ResourceType::VirtualHost);
            hosts.get(host.as_str()).is_some_and(|host| host.references.clusters == [second.clone()])
        })
        .await?;

    // A service outside.
    server
        .kubectl_apply(&format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
             metadata: {{name: outside, namespace: {namespace}}}\n\
             spec:\n  hosts: [{namespace}.example.com]\n  resolution: STATIC\n  location: MESH_EXTERNAL\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints: [{{address: 192.0.2.7}}]\n"
        ))
        .await?;
    client.until_endpoints(&format!("outbound|80||{namespace}.example.com"), &["192.0.2.7:80"]).await?;

    // A pod that goes takes its endpoint with it.
    let slice = format!(
        "{{\"endpoints\": [{{\"addresses\": [\"10.1.0.2\"], \"conditions\": {{\"ready\": true}}, \
         \"targetRef\": {{\"kind\": \"Pod\", \"name\": \"web-v2\", \"namespace\": \"{namespace}\"}}}}]}}"
    );
    server
        .kubectl(&["patch", "endpointslice", "web-1", "-n", namespace, "--type=merge", "-p", &slice])
        .await?;
    client.until_endpoints(&all, &["10.1.0.2:8080"]).await?;

    // So does everything that is deleted.
    server.kubectl(&["delete", "destinationrule", "web", "-n", namespace]).await?;
    client
        .until("no subset", |envoy| !envoy.held(ResourceType::Cluster).contains_key(second.as_str()))
        .await?;
    // The route still names the subset, as its owner wrote; nothing else leads nowhere. Other tests have namespaces of their own.
    let findings: Vec<String> = client.told()?.findings().iter().map(ToString::to_string).collect();
    let own = findings.iter().filter(|finding| finding.contains(&format!("{namespace}.")));
    ensure!(own.clone().count() == 1 && own.clone().all(|finding| finding.contains("|v2|")), "{findings:#?}");

    // What leads nowhere is told on the object that says so.
    server
        .kubectl_apply(&format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
             metadata: {{name: astray, namespace: {namespace}}}\n\
             spec: {{hosts: [other], http: [{{route: [{{destination: {{host: web, subset: v9}}}}]}}]}}\n"
        ))
        .await?;
    let problems = control_plane.problems(namespace, "astray").await?;
    ensure!(problems.iter().any(|problem| problem.contains("destination.subset")), "{problems:#?}");
    Ok(())
}
