//! Workloads outside Kubernetes that a ServiceEntry selects, and what their status says of their health.

use crate::{CLIENT, run};
use anyhow::{Result, ensure};
use mesh_tests::traffic::{Outside, Request, Traffic};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

const SERVICE: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: machines, namespace: traffic}
spec:
  hosts: [machines.test]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: machines}}
";

fn entries(addresses: &[IpAddr], healthy: [&str; 2]) -> String {
    let entry = |(index, address): (usize, &IpAddr)| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: machine-{index}, namespace: traffic, annotations: {{proxy.istio.io/health-checks-enabled: 'true'}}}}\n\
             spec: {{address: {address}, labels: {{app: machines}}, ports: {{http: 8080}}}}\n\
             status: {{conditions: [{{type: Healthy, status: '{}'}}]}}\n",
            healthy[index]
        )
    };
    addresses.iter().enumerate().map(entry).collect()
}

/// The pods that answer 40 requests.
async fn answering(traffic: &Traffic) -> Result<BTreeSet<String>> {
    let proxy = traffic.proxy(CLIENT)?;
    let mut pods = BTreeSet::new();
    // Of 40 picks between two, one is missed once in 2^39.
    for _ in 0..40 {
        let answer = Request::get("http://machines.test/")?.send(proxy).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        pods.insert(answer.pod().to_owned());
    }
    Ok(pods)
}

#[test]
fn requests_go_to_those_that_are_healthy() {
    run(async |traffic| {
        let outside = Outside::start("machines", &BTreeMap::from([("v1".to_owned(), 2)])).await?;
        let addresses = outside.addresses();
        let both: BTreeSet<String> = ["v1-0", "v1-1"].map(str::to_owned).into();
        for (healthy, expected) in [
            (["True", "False"], BTreeSet::from(["v1-0".to_owned()])),
            (["True", "True"], both),
            (["Unknown", "True"], BTreeSet::from(["v1-1".to_owned()])),
        ] {
            let yaml = format!("{SERVICE}{}", entries(&addresses, healthy));
            traffic.apply("machines.yaml", &yaml).await?;
            let found = answering(traffic).await?;
            ensure!(found == expected, "{healthy:?}: {found:?}");
        }
        traffic.remove("machines.yaml").await
    });
}
