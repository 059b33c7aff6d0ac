//! CRDs as Istio has them: conditions are one list, which whoever writes it writes whole.

use crate::told::{apply, leader, prepare, until};
use anyhow::{Result, ensure};
use mesh_testkit::ApiServer;
use serde_json::Value;
use std::time::Duration;

fn route(name: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
         spec: {{hosts: [web], http: [{{name: {name}, route: [{{destination: {{host: web}}}}]}}]}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_survive() {
    let Some(server) = ApiServer::own().await else { return };
    survive(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn survive(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    as_istio_has_them(server).await?;
    apply(server, namespace, &route("first")).await?;
    let foreign = r#"{"status": {"conditions": [{"type": "Example", "status": "True", "reason": "Mine"}]}}"#;
    let patch = [
        "patch",
        "virtualservice",
        "web",
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        foreign,
    ];
    server.kubectl(&patch).await?;

    let _control_plane = leader(server, "one").await?;
    let programmed = |status: &str, _: &str, _: &str| status == "True";
    let object = until(server, namespace, "virtualservice/web", "Programmed", programmed).await?;
    ensure!(example_reason(&object) == "Mine", "{object:#}");

    // The other writer takes all away but its own: ours come back, and its stays.
    server.kubectl(&[&patch[..8], &[&foreign.replace("Mine", "Changed")]].concat()).await?;
    let object = until(server, namespace, "virtualservice/web", "Programmed", programmed).await?;
    ensure!(example_reason(&object) == "Changed", "{object:#}");

    apply(server, namespace, &route("second")).await?;
    let object = until(server, namespace, "virtualservice/web", "Programmed", programmed).await?;
    ensure!(object["metadata"]["generation"] == 2 && example_reason(&object) == "Changed", "{object:#}");
    Ok(())
}

fn example_reason(object: &Value) -> &str {
    let conditions = object["status"]["conditions"].as_array();
    let example = conditions.into_iter().flatten().find(|condition| condition["type"] == "Example");
    example.and_then(|example| example["reason"].as_str()).unwrap_or_default()
}

/// Takes out of the CRD that conditions are merged, and waits until the server says so.
async fn as_istio_has_them(server: &ApiServer) -> Result<()> {
    let mut edits = Vec::new();
    for version in 0..3 {
        let of_list = format!(
            "/spec/versions/{version}/schema/openAPIV3Schema/properties/status/properties/conditions"
        );
        for key in ["x-kubernetes-list-type", "x-kubernetes-list-map-keys"] {
            edits.push(serde_json::json!({ "op": "remove", "path": format!("{of_list}/{key}") }));
        }
    }
    let edits = serde_json::to_string(&edits)?;
    server
        .kubectl(&["patch", "crd", "virtualservices.networking.istio.io", "--type=json", "-p", &edits])
        .await?;
    mesh_testkit::eventually(Duration::from_secs(60), async || {
        let text = server.kubectl(&["get", "--raw", "/openapi/v3/apis/networking.istio.io/v1"]).await?;
        let document: Value = serde_json::from_str(&text)?;
        let schemas = document["components"]["schemas"].as_object();
        let schema = schemas.and_then(|schemas| {
            schemas.iter().find(|(name, _)| name.ends_with(".v1.VirtualService")).map(|(_, schema)| schema)
        });
        let list = schema.map(|schema| &schema["properties"]["status"]["properties"]["conditions"]);
        ensure!(list.is_some_and(|list| list["x-kubernetes-list-type"].is_null()), "{list:?}");
        Ok(())
    })
    .await
}
