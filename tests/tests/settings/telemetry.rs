//! What telemetry calls those who answer: by labels of their pods.

use super::{LOGGED_WITHIN, mesh_settings, run};
use anyhow::{Context, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request};
use std::{collections::BTreeMap, fs};

#[test]
fn labels_say_what_whoever_answers_is_called() {
    run(async |traffic| {
        let outside = Outside::start("called", &BTreeMap::from([("v1".to_owned(), 3)])).await?;
        let mut yaml = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: called, namespace: set}}\n\
             spec: {{selector: {{role: called}}, ports: [{{name: http, port: 80, targetPort: {HTTP_PORT}}}]}}\n"
        );
        let mut expected = Vec::new();
        for (index, (labels, called)) in [
            // Kubernetes' usual ones, Istio's own, which come first, and the oldest.
            (
                "app: no, version: no, app.kubernetes.io/name: shop, app.kubernetes.io/version: v7",
                "called-0;set;shop;v7;",
            ),
            (
                "app.kubernetes.io/name: no, service.istio.io/canonical-name: front, \
                 app.kubernetes.io/version: no, service.istio.io/canonical-revision: v8, \
                 service.istio.io/workload-name: web",
                "web;set;front;v8;",
            ),
            ("app: old, version: v9", "called-2;set;old;v9;"),
        ]
        .into_iter()
        .enumerate()
        {
            yaml += &format!(
                "---\napiVersion: v1\nkind: Pod\n\
                 metadata: {{name: called-{index}, namespace: set, labels: {{role: called, {labels}}}}}\n\
                 spec: {{containers: [{{name: app, image: example.com/app}}]}}\n\
                 status: {{podIP: {}, phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}\n",
                outside.addresses().get(index).context("an address")?
            );
            expected.push(called);
        }
        expected.sort_unstable();
        traffic.apply("called.yaml", &yaml).await?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("log");
        let settings = format!(
            "accessLogFile: {}\naccessLogFormat: '%REQ(:AUTHORITY)% %UPSTREAM_METADATA(istio:workload)%'",
            file.display()
        );
        traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
        eventually(LOGGED_WITHIN, async || {
            for _ in 0..20 {
                Request::get("http://called.set/")?.send(traffic.proxy("client-0")?).await?;
            }
            let text = fs::read_to_string(&file).context("nothing is logged")?;
            let lines = text.lines().filter_map(|line| line.strip_prefix("called.set "));
            let mut found: Vec<_> = lines.map(|line| line.trim_matches('"')).collect();
            found.sort_unstable();
            found.dedup();
            ensure!(found == expected, "{found:?} in place of {expected:?}");
            Ok(())
        })
        .await?;
        traffic.remove("mesh.yaml").await?;
        traffic.remove("called.yaml").await
    });
}
