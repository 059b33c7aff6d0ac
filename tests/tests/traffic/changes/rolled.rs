//! A Deployment is rolled as a cluster does it: a new replica is listed before it is ready, and an old one is said to be terminating
//! before it goes. No request may notice, and no retry helps.

use super::{AFTER_EACH, RATE};
use crate::{CLIENT, figures, run};
use anyhow::{Context, ensure};
use mesh_tests::traffic::{HTTP_PORT, Load, Outside};
use std::{collections::BTreeMap, fmt::Write};

/// Replicas before and after.
const REPLICAS: usize = 2;

/// How a replica is listed.
#[derive(Debug, Clone, Copy)]
enum Listed {
    Starting,
    Ready,
    Terminating,
}

#[test]
fn deployment_rolled() {
    run(async |traffic| {
        let versions = BTreeMap::from([("v1".to_owned(), REPLICAS), ("v2".to_owned(), REPLICAS)]);
        let mut outside = Outside::start("rolls", &versions).await?;
        let addresses: Vec<String> = outside.addresses().iter().map(ToString::to_string).collect();
        let (old, new) = addresses.split_at(REPLICAS);
        for index in 0..REPLICAS {
            outside.set_dead(&format!("v2-{index}"), true).await?;
        }
        let mut listed: BTreeMap<&str, Listed> = old.iter().map(|ip| (ip.as_str(), Listed::Ready)).collect();
        traffic.apply("rolls.yaml", &yaml(&listed)).await?;
        let load = Load::start(traffic.proxy(CLIENT)?, "http://rolls.default/", RATE)?;
        load.more(AFTER_EACH).await;
        for index in 0..REPLICAS {
            let (old, new) = (old.get(index).context("an old one")?, new.get(index).context("a new one")?);
            load.meanwhile(&format!("new replica {index} starts"));
            listed.insert(new, Listed::Starting);
            // Nobody is told of one that is not ready, so there is nothing to wait for.
            traffic.write("rolls.yaml", &yaml(&listed))?;
            load.more(AFTER_EACH).await;
            load.meanwhile(&format!("new replica {index} is ready"));
            outside.set_dead(&format!("v2-{index}"), false).await?;
            listed.insert(new, Listed::Ready);
            traffic.apply("rolls.yaml", &yaml(&listed)).await?;
            load.more(AFTER_EACH).await;
            load.meanwhile(&format!("old replica {index} terminates"));
            listed.insert(old, Listed::Terminating);
            traffic.apply("rolls.yaml", &yaml(&listed)).await?;
            load.more(AFTER_EACH).await;
            load.meanwhile(&format!("old replica {index} is gone"));
            outside.set_dead(&format!("v1-{index}"), true).await?;
            load.more(AFTER_EACH).await;
            listed.remove(old.as_str());
            traffic.write("rolls.yaml", &yaml(&listed))?;
        }
        load.more(AFTER_EACH).await;
        let outcome = load.stop().await?;
        ensure!(outcome.failed == 0, "{outcome:#?}");
        ensure!(outcome.versions.len() == 2, "{outcome:#?}");
        figures::tell("changes-rolled", &format!("{}, none failed", outcome.rate()?))
    });
}

/// A Service and the EndpointSlice that a cluster makes for it.
fn yaml(listed: &BTreeMap<&str, Listed>) -> String {
    let mut yaml = format!(
        "apiVersion: v1\n\
         kind: Service\n\
         metadata: {{name: rolls, namespace: default}}\n\
         spec: {{ports: [{{name: http, port: 80, targetPort: {HTTP_PORT}}}]}}\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {{name: rolls, namespace: default}}\n\
         spec: {{hosts: [rolls], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: rolls}}}}]}}]}}\n\
         ---\n\
         apiVersion: discovery.k8s.io/v1\n\
         kind: EndpointSlice\n\
         metadata: {{name: rolls-1, namespace: default, labels: {{kubernetes.io/service-name: rolls}}}}\n\
         addressType: IPv4\n\
         ports: [{{name: http, port: {HTTP_PORT}, protocol: TCP}}]\n\
         endpoints:\n"
    );
    for (address, listed) in listed {
        let (ready, serving, terminating) = match listed {
            Listed::Starting => (false, false, false),
            Listed::Ready => (true, true, false),
            Listed::Terminating => (false, true, true),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            yaml,
            "- {{addresses: [{address}], conditions: {{ready: {ready}, serving: {serving}, terminating: {terminating}}}}}"
        );
    }
    yaml
}
