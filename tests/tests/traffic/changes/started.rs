//! Replicas come and go in a Service that selects them at once: they get requests once they are ready, and none after they are not.

use super::{AFTER_EACH, RATE, alone};
use crate::{CLIENT, figures, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Load, Request, Traffic};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

/// So many replicas in a Service, without retries. `probe` is a part of the container.
fn yaml(name: &str, replicas: usize, probe: &str, service: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: started}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}, version: v1}}}}
    spec:
      containers:
        - name: app
          image: example.com/app
          ports: [{{name: http, containerPort: 8080}}]
          {probe}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: started}}
spec: {{selector: {{app: {name}}}, {service}ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: started}}
spec: {{hosts: [{name}], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {name}}}}}]}}]}}
"
    )
}

/// Writes it, and waits until all replicas take requests. `apply` would wait for the acknowledgement of the first part alone.
async fn scale(traffic: &Traffic, file: &str, yaml: &str) -> Result<()> {
    traffic.apply(file, yaml).await?;
    traffic.settled().await
}

#[test]
fn replicas_come_and_go() {
    run(async |traffic| {
        let _alone = alone().await;
        let yaml = |replicas| yaml("scaled", replicas, "", "");
        scale(traffic, "scaled.yaml", &yaml(1)).await?;
        let load = Load::start(traffic.proxy(CLIENT)?, "http://scaled.started/", RATE)?;
        load.more(AFTER_EACH).await;
        let scaled = async {
            for (replicas, what) in [(3, "more"), (1, "fewer"), (0, "none"), (2, "again")] {
                load.meanwhile(what);
                scale(traffic, "scaled.yaml", &yaml(replicas)).await?;
                load.more(AFTER_EACH).await;
            }
            load.meanwhile("afterwards");
            load.more(AFTER_EACH).await;
            anyhow::Ok(())
        };
        let scaled = scaled.await;
        let outcome = load.stop().await?;
        traffic.remove("scaled.yaml").await?;
        scaled?;
        // While there is nobody, and until somebody is back, that is what is answered. Nothing else is, and not at other times.
        let expected =
            |(what, status): &(String, String)| ["none", "again"].contains(&what.as_str()) && status == "503";
        ensure!(outcome.failed_while.keys().all(expected), "{outcome:#?}");
        ensure!(outcome.failed > 0, "it was never without replicas: {outcome:#?}");
        figures::tell("changes-scaled", &format!("{}, {:?}", outcome.rate()?, outcome.failed_while))
    });
}

#[test]
fn probes_decide() {
    run(async |traffic| {
        let _alone = alone().await;
        let proxy = traffic.proxy(CLIENT)?;
        let status = async |name: &str| -> Result<u16> {
            let answer = Request::get(&format!("http://{name}.started/"))?.send(proxy).await?;
            figures::say(&format!("{name}: {}", answer.summary()));
            Ok(answer.status)
        };
        // Each is asked for what makes it ready, and then for what does not. A port by its name, too.
        let http = |status: u16| {
            format!(
                "readinessProbe: {{periodSeconds: 1, failureThreshold: 1, httpGet: {{path: /ready, port: http, \
                 httpHeaders: [{{name: x-echo-status, value: '{status}'}}]}}}}"
            )
        };
        let probes = [
            ("get", http(204), Some(http(503))),
            ("connect", "readinessProbe: {periodSeconds: 1, tcpSocket: {port: 8080}}".to_owned(), None),
            ("health", "readinessProbe: {periodSeconds: 1, grpc: {port: 8080}}".to_owned(), None),
            ("execute", "readinessProbe: {exec: {command: ['false']}}".to_owned(), None),
        ];
        for (name, good, bad) in probes {
            let file = format!("probe-{name}.yaml");
            scale(traffic, &file, &yaml(name, 1, &good, "")).await.with_context(|| good.clone())?;
            let answered = status(name).await?;
            ensure!(answered == 200, "{answered} although {good}");
            if let Some(bad) = bad {
                traffic.publish(&file, &yaml(name, 1, &bad, "")).await?;
                let gone = async || {
                    let status = status(name).await?;
                    ensure!(status == 503, "{bad}: {status}");
                    Ok(())
                };
                eventually(WITHIN, gone).await?;
                // Whoever wants replicas that are not ready, gets them.
                let published = "publishNotReadyAddresses: true, ";
                traffic.apply(&file, &yaml(name, 1, &bad, published)).await?;
                ensure!(status(name).await? == 200, "{published}{bad}");
            }
            traffic.remove(&file).await?;
            traffic.settled().await?;
        }
        Ok(())
    });
}
