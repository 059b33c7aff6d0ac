//! What people rely on when something breaks: who is taken out, what is lost until then, and who comes back.
//!
//! Counts are held to bounds. Times are only told, with the other [`figures`](crate::figures): on a busy machine they say little.

mod breaking;
mod dead;
mod ramp;
mod sticky;

use anyhow::Result;
use mesh_tests::traffic::{Outside, Request, Traffic};
use std::{collections::BTreeMap, time::Duration};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(30);

/// So many workloads as endpoints of `<name>.test`, under a policy and with these retries.
async fn service(
    traffic: &Traffic,
    name: &str,
    replicas: usize,
    policy: &str,
    retries: &str,
) -> Result<(Outside, Request)> {
    let outside = Outside::start(name, &BTreeMap::from([("v1".to_owned(), replicas)])).await?;
    let yaml = outside.service_entry(name, &format!("{name}.test")) + &rules(name, policy, retries);
    traffic.apply(&format!("{name}.yaml"), &yaml).await?;
    Ok((outside, Request::get(&format!("http://{name}.test/"))?))
}

/// A policy for `<name>.test`, and a route to it with `retries`: nothing, or `retries: {..}, `.
pub(super) fn rules(name: &str, policy: &str, retries: &str) -> String {
    format!(
        "---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: DestinationRule\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec: {{host: {name}.test, trafficPolicy: {policy}}}\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec:\n\
         \x20 hosts: [{name}.test]\n\
         \x20 http: [{{{retries}route: [{{destination: {{host: {name}.test}}}}]}}]\n"
    )
}

/// The objects of [`service`] without the endpoint at one address.
fn without(yaml: &str, address: &str) -> String {
    let left = yaml.lines().filter(|line| !line.contains(&format!("address: {address},")));
    left.flat_map(|line| [line, "\n"]).collect()
}
