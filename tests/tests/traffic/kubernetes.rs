//! What Kubernetes' objects say of a service and of those who serve it. Workloads are outside the mesh: pods and slices of these tests have their
//! addresses. The client runs in `eu/a`.

mod endpoints;

use crate::{CLIENT, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request, Traffic};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Far more than it takes.
const SOON: Duration = Duration::from_secs(20);

/// One workload of each of `v1` to `v<count>`, and their addresses.
async fn versions(name: &str, count: usize) -> Result<(Outside, Vec<IpAddr>)> {
    let one_each: BTreeMap<String, usize> = (1..=count).map(|index| (format!("v{index}"), 1)).collect();
    let outside = Outside::start(name, &one_each).await?;
    let addresses = outside.addresses();
    Ok((outside, addresses))
}

/// A Service with more in its metadata and its spec.
fn service(name: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: traffic{metadata}}}\n\
         spec: {{ports: [{{name: http, port: 80, targetPort: {HTTP_PORT}}}]{spec}}}\n"
    )
}

/// A pod of a Service.
fn pod(app: &str, index: usize, address: IpAddr, node: &str, status: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {app}-{index}, namespace: traffic, labels: {{app: {app}, version: v{index}}}}}\n\
         spec: {{nodeName: {node}, containers: [{{name: app, image: example.com/app, ports: [{{name: web, containerPort: {HTTP_PORT}}}]}}]}}\n\
         status: {{podIP: {address}, {status}}}\n"
    )
}

/// Runs and takes requests.
const READY: &str = "phase: Running, conditions: [{type: Ready, status: 'True'}]";

/// An EndpointSlice of a Service; each endpoint in YAML.
fn slice(service: &str, endpoints: &[String]) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {service}-1, namespace: traffic, labels: {{kubernetes.io/service-name: {service}}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: {HTTP_PORT}}}]\nendpoints: [{}]\n",
        endpoints.join(", ")
    )
}

/// The versions that answer 60 requests.
async fn answering(traffic: &Traffic, host: &str) -> Result<BTreeSet<String>> {
    let (request, proxy) = (Request::get(&format!("http://{host}/"))?, traffic.proxy(CLIENT)?);
    let mut versions = BTreeSet::new();
    // Of 60 picks between two, one is missed once in 2^59.
    for _ in 0..60 {
        let answer = request.send(proxy).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        versions.insert(answer.version().to_owned());
    }
    Ok(versions)
}

/// It is these that answer, once all have taken up what was acknowledged.
async fn answered_by(traffic: &Traffic, host: &str, expected: &[&str]) -> Result<()> {
    eventually(SOON, async || {
        let found = answering(traffic, host).await?;
        ensure!(found.iter().eq(expected), "{host}: answered by {found:?}, not {expected:?}");
        Ok(())
    })
    .await
}

#[test]
fn pods_are_called_when_they_say_that_they_are_ready() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-ready", 3).await?;
        let pods = pod("k-ready", 1, addresses[0], "n1", READY)
            + &pod(
                "k-ready",
                2,
                addresses[1],
                "n1",
                "phase: Running, conditions: [{type: Ready, status: 'False'}]",
            )
            + &pod(
                "k-ready",
                3,
                addresses[2],
                "n1",
                "phase: Failed, conditions: [{type: Ready, status: 'True'}]",
            );
        let ports = "apiVersion: v1\nkind: Service\nmetadata: {name: k-ready, namespace: traffic}\n\
                     spec: {selector: {app: k-ready}, ports: [{name: http, port: 80, targetPort: web}]}\n";
        traffic.apply("k-ready.yaml", &format!("{ports}{pods}")).await?;
        answered_by(traffic, "k-ready", &["v1"]).await?;
        let early = ports.replace("spec: {", "spec: {publishNotReadyAddresses: true, ");
        traffic.apply("k-ready.yaml", &format!("{early}{pods}")).await?;
        answered_by(traffic, "k-ready", &["v1", "v2"]).await?;
        traffic.remove("k-ready.yaml").await
    });
}

/// Whatever its port is called.
#[test]
fn a_port_says_what_is_spoken() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-spoken", 1).await?;
        let pod = pod("k-spoken", 1, addresses[0], "n1", READY);
        for (spoken, expected) in [("kubernetes.io/h2c", "HTTP/2"), ("http", "HTTP/1.1")] {
            let service = format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: k-spoken, namespace: traffic}}\n\
                 spec:\n  selector: {{app: k-spoken}}\n\
                 \x20 ports: [{{name: web, port: 80, targetPort: {HTTP_PORT}, appProtocol: {spoken}}}]\n"
            );
            traffic.apply("k-spoken.yaml", &(service + &pod)).await?;
            eventually(SOON, async || {
                let answer = Request::get("http://k-spoken/")?.send(traffic.proxy(CLIENT)?).await?;
                let got = answer.echo.as_ref().map_or("", |echo| &echo.protocol);
                ensure!(answer.status == 200 && got == expected, "{spoken}: {got}, {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("k-spoken.yaml").await
    });
}

#[test]
fn slices_say_who_is_called() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-slices", 3).await?;
        let endpoints = [
            format!("{{addresses: [{}], conditions: {{ready: true}}}}", addresses[0]),
            format!("{{addresses: [{}], conditions: {{ready: false}}}}", addresses[1]),
            format!(
                "{{addresses: [{}], conditions: {{ready: false, serving: true, terminating: true}}}}",
                addresses[2]
            ),
        ];
        let service = service("k-slices", "", "");
        traffic.apply("k-slices.yaml", &(service.clone() + &slice("k-slices", &endpoints))).await?;
        answered_by(traffic, "k-slices", &["v1"]).await?;
        let all_ready = endpoints.map(|endpoint| endpoint.replace("ready: false", "ready: true"));
        traffic.apply("k-slices.yaml", &(service + &slice("k-slices", &all_ready))).await?;
        answered_by(traffic, "k-slices", &["v1", "v2", "v3"]).await?;
        traffic.remove("k-slices.yaml").await
    });
}

/// A slice names pods, whose labels count for subsets.
#[test]
fn slices_say_whose_addresses_they_have() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-pods", 2).await?;
        let endpoint = |index: usize| {
            format!(
                "{{addresses: [{}], targetRef: {{kind: Pod, name: k-pods-{index}, namespace: traffic}}}}",
                addresses[index - 1]
            )
        };
        let headless = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: k-pods, namespace: traffic}}\n\
             spec: {{clusterIP: None, ports: [{{name: http, port: {HTTP_PORT}}}]}}\n"
        );
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: k-pods, namespace: traffic}\n\
                    spec: {host: k-pods, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}, subsets: [{name: second, labels: {version: v2}}]}\n\
                    ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: k-pods, namespace: traffic}\n\
                    spec: {hosts: [k-second.test], http: [{route: [{destination: {host: k-pods, subset: second}}]}]}\n";
        let pods = pod("k-pods", 1, addresses[0], "n1", READY) + &pod("k-pods", 2, addresses[1], "n1", READY);
        let yaml = headless + &slice("k-pods", &[endpoint(1), endpoint(2)]) + &pods + rule;
        traffic.apply("k-pods.yaml", &yaml).await?;
        answered_by(traffic, "k-second.test", &["v2"]).await?;
        traffic.remove("k-pods.yaml").await
    });
}

/// Near ones come first where a Service says so: by the region and zone of their nodes, which pods name, or slices where no pod is known.
#[test]
fn nodes_and_slices_say_where_endpoints_are() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-nodes", 2).await?;
        let nodes = |near: &str, far: &str| {
            let node = |name: &str, labels: &str| {
                format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
            };
            node("k-near", near) + &node("k-far", far)
        };
        let pods = pod("k-nodes", 1, addresses[0], "k-near", READY)
            + &pod("k-nodes", 2, addresses[1], "k-far", READY);
        let with =
            |spec: &str| service("k-nodes", "", &format!(", selector: {{app: k-nodes}}{spec}")) + &pods;
        let (region, zone) = ("topology.kubernetes.io/region: eu", "topology.kubernetes.io/zone: a");
        let here = format!("{region}, {zone}");
        let other_zone = format!("{region}, topology.kubernetes.io/zone: b");
        let other_region = format!("topology.kubernetes.io/region: us, {zone}");
        for (what, spec, near, far, expected) in [
            ("nobody says it", "", &here, &other_zone, &["v1", "v2"][..]),
            ("zones", ", trafficDistribution: PreferClose", &here, &other_zone, &["v1"]),
            ("regions", ", trafficDistribution: PreferClose", &here, &other_region, &["v1"]),
            ("the other way round", ", trafficDistribution: PreferClose", &other_region, &here, &["v2"]),
        ] {
            traffic.apply("k-nodes.yaml", &(with(spec) + &nodes(near, far))).await?;
            let found = answered_by(traffic, "k-nodes", expected).await;
            ensure!(found.is_ok(), "{what}: {found:?}");
        }
        let annotated = service(
            "k-nodes",
            ", annotations: {networking.istio.io/traffic-distribution: PreferClose}",
            ", selector: {app: k-nodes}",
        );
        traffic.apply("k-nodes.yaml", &(annotated + &pods + &nodes(&other_zone, &here))).await?;
        answered_by(traffic, "k-nodes", &["v2"]).await?;
        let endpoints = [(addresses[0], "k-near"), (addresses[1], "k-far")]
            .map(|(address, node)| format!("{{addresses: [{address}], nodeName: {node}}}"));
        let sliced =
            service("k-nodes", "", ", trafficDistribution: PreferClose") + &slice("k-nodes", &endpoints);
        traffic.apply("k-nodes.yaml", &(sliced + &nodes(&here, &other_zone))).await?;
        answered_by(traffic, "k-nodes", &["v1"]).await?;
        traffic.remove("k-nodes.yaml").await
    });
}

/// Only whoever is on the client's own rack and node: what Istio calls subzone, and `PreferSameNode`.
#[test]
fn racks_count_within_a_zone() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-racks", 2).await?;
        let place = "topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: z";
        let racks = |first: &str, second: &str| {
            [("k-one", first), ("k-two", second)].map(|(name, rack)| {
                format!(
                    "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{place}, topology.istio.io/subzone: {rack}}}}}\n"
                )
            })
            .concat()
        };
        let client = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: k-client, namespace: traffic}\n\
                      spec:\n  replicas: 1\n  selector: {matchLabels: {app: k-client}}\n  template:\n\
                      \x20   metadata: {labels: {app: k-client, istio-locality: eu.z.seven}}\n\
                      \x20   spec: {containers: [{name: client, image: example.com/client}]}\n";
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: k-racks, namespace: traffic}\n\
                    spec: {host: k-racks, trafficPolicy: {outlierDetection: {}}}\n";
        let rest = service("k-racks", "", ", selector: {app: k-racks}")
            + &pod("k-racks", 1, addresses[0], "k-one", READY)
            + &pod("k-racks", 2, addresses[1], "k-two", READY)
            + rule
            + client;
        for (racks, expected) in [(racks("seven", "eight"), "v1"), (racks("eight", "seven"), "v2")] {
            traffic.apply("k-racks.yaml", &format!("{rest}{racks}")).await?;
            traffic.settled().await?;
            let request = Request::get("http://k-racks/")?;
            eventually(SOON, async || {
                for _ in 0..30 {
                    let answer = request.send(traffic.proxy("k-client-0")?).await?;
                    ensure!(answer.status == 200 && answer.version() == expected, "{}", answer.summary());
                }
                Ok(())
            })
            .await?;
        }
        traffic.remove("k-racks.yaml").await
    });
}

/// By an annotation a Service is for its own namespace, or for those that are named.
#[test]
fn services_are_seen_where_their_annotation_says() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-seen", 1).await?;
        let with = |annotation: &str| {
            let yaml = service("k-seen", annotation, ", clusterIP: 10.96.1.1, selector: {app: k-seen}")
                + &pod("k-seen", 1, addresses[0], "n1", READY);
            yaml.replace("namespace: traffic", "namespace: scoped")
        };
        let status = async |proxy: SocketAddr| -> Result<u16> {
            Ok(Request::get("http://k-seen.scoped.svc.cluster.local/")?.send(proxy).await?.status)
        };
        for (annotation, inside, outside) in [
            ("", true, true),
            (", annotations: {networking.istio.io/exportTo: '.'}", true, false),
            (", annotations: {networking.istio.io/exportTo: 'traffic, elsewhere'}", false, true),
        ] {
            traffic.apply("k-seen.yaml", &with(annotation)).await?;
            eventually(SOON, async || {
                let got = [status(traffic.proxy("scoped-0")?).await?, status(traffic.proxy(CLIENT)?).await?];
                ensure!(got.map(|status| status == 200) == [inside, outside], "{annotation}: {got:?}");
                Ok(())
            })
            .await?;
        }
        traffic.remove("k-seen.yaml").await
    });
}
