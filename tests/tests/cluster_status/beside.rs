//! Somebody else who owns one of our three conditions: it is theirs, and the others are ours.

use crate::told::{apply, leader, prepare, until};
use anyhow::{Context, Result, ensure};
use mesh_testkit::ApiServer;
use serde_json::Value;

fn route(name: &str, host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
         spec: {{hosts: [web], http: [{{name: {name}, route: [{{destination: {{host: {host}}}}}]}}]}}\n"
    )
}

/// What another program says by server-side apply.
fn theirs(conditions: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
         status: {{conditions: {conditions}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn stays_theirs() {
    let Some(server) = ApiServer::own().await else { return };
    stays(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn stays(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let object = "virtualservice/web";
    apply(server, namespace, &route("first", "web")).await?;
    let _control_plane = leader(server, "one").await?;
    let holds = |status: &str, _: &str, _: &str| status == "True";
    until(server, namespace, object, "Programmed", holds).await?;

    // A program that takes a condition over.
    let say = async |conditions: &str| {
        let apply =
            ["apply", "-n", namespace, "--server-side", "--subresource=status", "--field-manager=other"];
        let args = [&apply[..], &["--force-conflicts", "-f", "-"]].concat();
        server.kubectl_with_input(&args, &theirs(conditions)).await
    };
    say("[{type: Accepted, status: 'False', reason: Theirs, message: not for us}]").await?;
    apply(server, namespace, &route("second", "nowhere")).await?;
    let missing = |status: &str, reason: &str, message: &str| {
        status == "False" && reason == "NotFound" && message.contains("nowhere")
    };
    until(server, namespace, object, "ResolvedRefs", missing).await?;
    let now = until(server, namespace, object, "Programmed", holds).await?;
    let accepted = condition(&now, "Accepted")?;
    ensure!(accepted["status"] == "False" && accepted["reason"] == "Theirs", "{now:#}");
    ensure!(accepted["message"] == "not for us", "{now:#}");

    // Somebody who writes one field by hand: the rest of that condition, which is still ours, does not vanish.
    let before = condition(&now, "Programmed")?.clone();
    let conditions = now["status"]["conditions"].as_array().context("conditions")?;
    let at = conditions.iter().position(|condition| condition["type"] == "Programmed").context("a place")?;
    let edit =
        format!(r#"[{{"op": "replace", "path": "/status/conditions/{at}/message", "value": "as I say"}}]"#);
    let patch = ["patch", object, "-n", namespace, "--subresource=status", "--type=json", "-p", &edit];
    server.kubectl(&patch).await?;
    apply(server, namespace, &route("third", "web")).await?;
    let now = until(server, namespace, object, "ResolvedRefs", holds).await?;
    let mut expected = before;
    expected["message"] = "as I say".into();
    ensure!(*condition(&now, "Programmed")? == expected, "{now:#}");
    ensure!(condition(&now, "Accepted")?["reason"] == "Theirs", "{now:#}");

    // The program has done with it: the condition is ours again.
    say("[]").await?;
    let ours = |status: &str, reason: &str, _: &str| status == "True" && reason == "Accepted";
    until(server, namespace, object, "Accepted", ours).await?;
    Ok(())
}

fn condition<'a>(object: &'a Value, r#type: &str) -> Result<&'a Value> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == r#type);
    found.next().with_context(|| format!("no condition {type} in {object:#}"))
}
