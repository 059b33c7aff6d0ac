//! Who sees what its author has said nothing about: settings of the whole mesh.

use super::{SOON, mesh_settings, overflow, run};
use anyhow::ensure;
use mesh_testkit::eventually;
use mesh_tests::traffic::{Outside, Request};
use std::collections::BTreeMap;

#[test]
fn settings_say_who_sees_what() {
    run(async |traffic| {
        // Who sees what its author has said nothing about. The objects are of another namespace than the client.
        let outside = Outside::start("seen", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let elsewhere =
            outside.service_entry("seen", "seen.test").replace("namespace: traffic", "namespace: elsewhere");
        let routes = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                      metadata: {name: seen, namespace: elsewhere}\n\
                      spec: {hosts: [seen.test], http: [{directResponse: {status: 418}}]}\n";
        for (name, yaml) in [("seen.yaml", elsewhere.clone()), ("seen-routes.yaml", routes.to_owned())] {
            traffic.apply(name, &yaml).await?;
        }
        let refused = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n";
        for (settings, expected) in [
            ("", 418),
            ("defaultVirtualServiceExportTo: ['.']", 200),
            ("defaultServiceExportTo: ['.']\ndefaultVirtualServiceExportTo: ['.']", 502),
            (
                "serviceEntryVisibility: {defaultVisibility: NAMESPACE, applyToSidecars: true}\ndefaultVirtualServiceExportTo: ['.']",
                502,
            ),
            (
                "serviceEntryVisibility: {defaultVisibility: NAMESPACE, applyToSidecars: true, policies: [{visibility: PUBLIC, \
                 matchingRules: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: elsewhere}}}]}]}\n\
                 defaultVirtualServiceExportTo: ['.']",
                200,
            ),
            ("discoverySelectors: [{matchLabels: {mesh: here}}]", 502),
            ("connectTimeout: 9.3s", 418),
            // All namespaces but those of this name, and then those that the mesh is said to be in.
            (
                "discoverySelectors: [{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [elsewhere]}]}]",
                502,
            ),
            (
                "discoverySelectors: [{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [elsewhere, set]}]}]",
                418,
            ),
            ("discoverySelectors: [{matchExpressions: [{key: mesh, operator: Exists}]}]", 502),
            ("connectTimeout: 9.5s", 418),
        ] {
            let settings = format!("{refused}{settings}");
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            eventually(SOON, async || {
                let answer = Request::get("http://seen.test/")?.send(traffic.proxy("client-0")?).await?;
                ensure!(answer.status == expected, "{settings}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        // A namespace gets into the mesh by its label.
        let labelled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: elsewhere, labels: {mesh: here}}\n";
        let settings = format!("{refused}discoverySelectors: [{{matchLabels: {{mesh: here}}}}]");
        traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
        traffic.apply("seen-namespace.yaml", labelled).await?;
        eventually(SOON, async || {
            let answer = Request::get("http://seen.test/")?.send(traffic.proxy("client-0")?).await?;
            ensure!(answer.status == 418, "labelled: {}", answer.summary());
            Ok(())
        })
        .await?;
        traffic.remove("seen-namespace.yaml").await?;
        traffic.apply("mesh.yaml", &mesh_settings("connectTimeout: 9.2s")).await?;
        for name in ["seen-routes.yaml", "seen.yaml"] {
            traffic.remove(name).await?;
        }
        // What a rule of the root namespace holds for depends on which namespace that is.
        let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: main}\n\
                    spec: {host: app.set.svc.cluster.local, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}}\n";
        traffic.apply("root-rule.yaml", rule).await?;
        for (settings, overflows) in [
            ("connectTimeout: 9.4s", false),
            ("rootNamespace: main", true),
            ("rootNamespace: main\ndefaultDestinationRuleExportTo: ['.']", false),
        ] {
            overflow(traffic, settings, overflows).await?;
        }
        traffic.remove("root-rule.yaml").await?;

        traffic.remove("mesh.yaml").await
    });
}
