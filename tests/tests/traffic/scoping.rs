//! Who sees what: Sidecar and exportTo, from the namespace `scoped`, which may only see `app` and itself.

use crate::{CLIENT, run};
use anyhow::{Result, ensure};
use mesh_tests::traffic::{Outside, Request, Traffic};
use std::{collections::BTreeMap, net::SocketAddr};

async fn status(proxy: SocketAddr, url: &str) -> Result<u16> {
    Ok(Request::get(url)?.send(proxy).await?.status)
}

async fn outside(traffic: &Traffic, name: &str) -> Result<(Outside, String)> {
    let outside = Outside::start(name, &BTreeMap::from([("v1".to_owned(), 1)])).await?;
    let yaml = outside.service_entry(name, &format!("{name}.test"));
    traffic.apply(&format!("{name}.yaml"), &yaml).await?;
    Ok((outside, yaml))
}

#[test]
fn a_sidecar_hides_what_it_does_not_name() {
    run(async |traffic| {
        let (_outside, _) = outside(traffic, "hidden").await?;
        let scoped = traffic.proxy("scoped-0")?;
        ensure!(status(traffic.proxy(CLIENT)?, "http://hidden.test/").await? == 200);
        // REGISTRY_ONLY: what is not known is not reached.
        for url in ["http://hidden.test/", "http://nobody.example.com/", "http://app.traffic:8080/"] {
            let status = status(scoped, url).await?;
            ensure!(status == 502, "{url}: {status}");
        }
        let status = status(scoped, "http://app.traffic/").await?;
        ensure!(status == 200, "the service that is named: {status}");
        Ok(())
    });
}

/// The same, by the names of those that it leaves out.
#[test]
fn a_sidecar_hides_what_it_leaves_out() {
    run(async |traffic| {
        let (_outside, _) = outside(traffic, "left-out").await?;
        let sidecar = |left_out: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: excluding, namespace: excluding}}\n\
                 spec:\n  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n  egress: [{{hosts: ['*/*'{left_out}]}}]\n"
            )
        };
        let excluding = traffic.proxy("excluding-0")?;
        for (left_out, expected) in
            [("", 200), (", ~/left-out.test", 502), (", ~other/left-out.test", 200), (", ~traffic/*", 502)]
        {
            traffic.apply("excluding.yaml", &sidecar(left_out)).await?;
            let status = status(excluding, "http://left-out.test/").await?;
            ensure!(status == expected, "{left_out}: {status}");
        }
        Ok(())
    });
}

/// Were it for the whole namespace, it would come before the one that is there, by its name.
#[test]
fn a_sidecar_is_for_those_that_it_selects() {
    run(async |traffic| {
        let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: alone, namespace: scoped}\n\
                       spec: {workloadSelector: {labels: {app: somebody-else}}, egress: [{hosts: [./*]}]}\n";
        traffic.write("alone.yaml", sidecar)?;
        let (_outside, _) = outside(traffic, "selects").await?;
        let status = status(traffic.proxy("scoped-0")?, "http://app.traffic/").await?;
        ensure!(status == 200, "hidden by the Sidecar of somebody else: {status}");
        Ok(())
    });
}

#[test]
fn export_to_keeps_a_service_in_its_namespace() {
    run(async |traffic| {
        let (_outside, yaml) = outside(traffic, "exported").await?;
        let elsewhere = yaml.replace("namespace: traffic", "namespace: scoped");
        let scoped = traffic.proxy("scoped-0")?;
        let client = traffic.proxy(CLIENT)?;
        traffic.apply("exported.yaml", &elsewhere).await?;
        ensure!(status(client, "http://exported.test/").await? == 200, "exported to all by default");
        ensure!(status(scoped, "http://exported.test/").await? == 200, "in its own namespace");
        let private = elsewhere.replace("spec:\n", "spec:\n  exportTo: [\".\"]\n");
        traffic.apply("exported.yaml", &private).await?;
        ensure!(status(scoped, "http://exported.test/").await? == 200, "still in its own namespace");
        let outside = status(client, "http://exported.test/").await?;
        ensure!(outside != 200, "in another namespace: {outside}");
        Ok(())
    });
}

#[test]
fn export_to_keeps_routes_in_their_namespace() {
    run(async |traffic| {
        let (_outside, _) = outside(traffic, "routed").await?;
        let routes = |export_to: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\n\
                 kind: VirtualService\n\
                 metadata: {{name: routed, namespace: scoped}}\n\
                 spec:\n\
                 \x20 hosts: [routed.test]\n\
                 \x20 exportTo: [{export_to}]\n\
                 \x20 http: [{{directResponse: {{status: 418}}}}]\n"
            )
        };
        let client = traffic.proxy(CLIENT)?;
        for (export_to, expected) in [("'*'", 418), ("'.'", 200), ("traffic", 418)] {
            traffic.apply("routed-routes.yaml", &routes(export_to)).await?;
            let status = status(client, "http://routed.test/").await?;
            ensure!(status == expected, "exported to {export_to}: {status}");
        }
        Ok(())
    });
}
