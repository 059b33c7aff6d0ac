//! A change that shows on more objects than are written at once.

use crate::told::{SERVICE, apply, leader, prepare};
use anyhow::{Result, ensure};
use mesh_testkit::ApiServer;
use serde_json::Value;
use std::{fmt::Write as _, time::Duration};

/// Three writes' worth and a part of a fourth.
const OBJECTS: usize = 170;
/// How long all may take: four seconds of writes, and what a machine that compiles meanwhile adds to that.
const WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn are_right_soon() {
    let Some(server) = ApiServer::own().await else { return };
    right(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn right(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let mut routes = String::new();
    for number in 0..OBJECTS {
        writeln!(
            routes,
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web-{number}}}\n\
             spec: {{hosts: [web-{number}.example.com], http: [{{route: [{{destination: {{host: web}}}}]}}]}}"
        )?;
    }
    apply(server, namespace, &routes).await?;
    let _control_plane = leader(server, "one").await?;
    all(server, namespace, "ResolvedRefs", WITHIN * 4).await?;
    // Its Service goes, and comes again.
    server.kubectl(&["delete", "service", "web", "-n", namespace]).await?;
    all(server, namespace, "NotFound", WITHIN).await?;
    apply(server, namespace, SERVICE).await?;
    all(server, namespace, "ResolvedRefs", WITHIN).await?;
    Ok(())
}

/// Waits until the condition `ResolvedRefs` of each has this reason.
async fn all(server: &ApiServer, namespace: &str, reason: &str, within: Duration) -> Result<()> {
    mesh_testkit::eventually(within, async || {
        let text = server.kubectl(&["get", "virtualservices", "-n", namespace, "-o", "json"]).await?;
        let list: Value = serde_json::from_str(&text)?;
        let objects = list["items"].as_array().into_iter().flatten();
        let says = |object: &Value| {
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            let mut of_references = conditions.filter(|condition| condition["type"] == "ResolvedRefs");
            of_references.any(|condition| condition["reason"] == reason)
        };
        let count = objects.filter(|object| says(object)).count();
        ensure!(count == OBJECTS, "{count} of {OBJECTS} say {reason}");
        Ok(())
    })
    .await
}
