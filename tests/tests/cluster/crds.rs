//! The CRDs: installed, accepted, and as strict as Istio's.

use anyhow::{Context, Result, ensure};
use mesh_testkit::ApiServer;
use mesh_tests::cluster::install_crds;
use serde_json::Value;
use std::{fs, path::Path};

#[tokio::test]
async fn are_accepted() {
    let Some(server) = ApiServer::shared().await else { return };
    accepted(server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn accepted(server: &ApiServer) -> Result<()> {
    install_crds(server).await?;
    let list: Value = serde_json::from_str(&server.kubectl(&["get", "crd", "-o", "json"]).await?)?;
    let items = list["items"].as_array().context("a list")?;
    ensure!(items.len() >= 6, "{} CRDs", items.len());
    for crd in items {
        let name = &crd["metadata"]["name"];
        let status = |wanted: &str| {
            let conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
            let mut found = conditions.filter(|condition| condition["type"] == wanted);
            found.next().map_or_else(String::new, |condition| condition["status"].to_string())
        };
        ensure!(status("Established") == "\"True\"", "{name}: {:#}", crd["status"]);
        ensure!(status("NamesAccepted") == "\"True\"", "{name}: {:#}", crd["status"]);
        // Such a schema is not enforced as it is written.
        ensure!(status("NonStructuralSchema").is_empty(), "{name}: {:#}", crd["status"]);
    }
    Ok(())
}

#[tokio::test]
async fn take_the_examples_in_every_version() {
    let Some(server) = ApiServer::shared().await else { return };
    examples(server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn examples(server: &ApiServer) -> Result<()> {
    install_crds(server).await?;
    let objects = objects_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"))?;
    ensure!(objects.len() >= 5, "{} objects", objects.len());
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let namespace = server.fresh_namespace("examples").await?;
        let objects: Vec<String> = objects
            .iter()
            .map(|text| {
                let text =
                    text.replace("networking.istio.io/v1\n", &format!("networking.istio.io/{version}\n"));
                text.replace("namespace: shop", &format!("namespace: {namespace}"))
            })
            .map(|text| text.replace("namespace: default", &format!("namespace: {namespace}")))
            .collect();
        // Strict: a field that the schema lacks is refused instead of dropped.
        let args = ["apply", "--validate=strict", "-n", &namespace, "-f", "-"];
        server.kubectl_with_input(&args, &objects.join("\n---\n")).await.context(version)?;
        // Whatever version it was written in, it is read in every other.
        for read in ["v1", "v1beta1", "v1alpha3"] {
            let resource = format!("virtualservices.{read}.networking.istio.io");
            let list = server.kubectl(&["get", &resource, "-n", &namespace, "-o", "json"]).await?;
            let list: Value = serde_json::from_str(&list)?;
            let items = list["items"].as_array().context("a list")?;
            ensure!(
                items.iter().all(|item| item["spec"]["hosts"].is_array()) && items.len() >= 3,
                "{list:#}"
            );
        }
    }
    Ok(())
}

/// The documents of Istio's kinds in all files.
fn objects_below(directory: &Path) -> Result<Vec<String>> {
    let mut objects = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            objects.extend(objects_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path)?;
            let documents =
                text.split("\n---\n").filter(|document| document.contains("networking.istio.io/"));
            objects.extend(documents.map(str::to_owned));
        }
    }
    Ok(objects)
}

/// A spec that Istio refuses, and a word of what is said about it.
const REFUSED: [(&str, &str, &str); 14] = [
    (
        "VirtualService",
        "{hosts: [a], http: [{match: [{uri: {exact: a, prefix: b}}], route: [{destination: {host: a}}]}]}",
        "uri",
    ),
    ("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: a}}], timeout: soon}]}", "timeout"),
    ("VirtualService", "{hosts: [a], http: [{route: [{weight: 1}]}]}", "destination"),
    ("DestinationRule", "{trafficPolicy: {}}", "host"),
    ("DestinationRule", "{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}", "simple"),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {httpHeaderName: x}}}}",
        "loadBalancer",
    ),
    ("ServiceEntry", "{hosts: []}", "spec.hosts"),
    (
        "ServiceEntry",
        "{hosts: [a.example.com], location: MESH_INTERNET, ports: [{number: 80, name: http}]}",
        "location",
    ),
    ("ServiceEntry", "{hosts: [a.example.com], ports: [{number: 70000, name: http}]}", "number"),
    (
        "ServiceEntry",
        "{hosts: [a.example.com], ports: [{number: 80, name: http}, {number: 80, name: b}]}",
        "number",
    ),
    ("WorkloadEntry", "{ports: {http: 80}}", "spec"),
    ("PeerAuthentication", "{mtls: {mode: SOMETIMES}}", "mode"),
    ("PeerAuthentication", "{portLevelMtls: {80: {mode: STRICT}}}", "selector"),
    (
        "PeerAuthentication",
        "{selector: {matchLabels: {app: a}}, portLevelMtls: {70000: {mode: STRICT}}}",
        "portLevelMtls",
    ),
];

#[tokio::test]
async fn refuse_what_istio_refuses() {
    let Some(server) = ApiServer::shared().await else { return };
    refused(server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn refused(server: &ApiServer) -> Result<()> {
    install_crds(server).await?;
    let namespace = server.fresh_namespace("refused").await?;
    let mut wrong = Vec::new();
    for (index, (kind, spec, word)) in REFUSED.iter().enumerate() {
        let group = if *kind == "PeerAuthentication" { "security" } else { "networking" };
        let object = format!(
            "apiVersion: {group}.istio.io/v1\nkind: {kind}\n\
             metadata: {{name: refused-{index}, namespace: {namespace}}}\nspec: {spec}\n"
        );
        match server.kubectl_apply(&object).await {
            Ok(_) => wrong.push(format!("accepted: {kind} {spec}")),
            Err(error) if !format!("{error:#}").contains(word) => {
                wrong.push(format!("not about `{word}`: {kind} {spec}: {error:#}"));
            }
            Err(_) => {}
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
