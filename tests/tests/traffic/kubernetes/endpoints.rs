//! Which endpoints are called, and where: what ends, what is a name, what says its own place, and what is on the network of its node.

use super::{READY, SOON, answered_by, pod, service, slice, versions};
use crate::{CLIENT, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Request};

/// Whether it still answers or not.
#[test]
fn what_ends_does_not_count_among_those_that_are_not_ready() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-ends", 3).await?;
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: k-ends, namespace: traffic}\n\
                    spec:\n  host: k-ends\n  trafficPolicy:\n    outlierDetection: {}\n\
                    \x20   loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}\n";
        // Where half of those nearby are not ready, a part of the requests goes further away: those that end do not count there.
        for (serving, terminating, expected) in
            [(true, true, &["v1"][..]), (true, false, &["v1", "v3"]), (false, true, &["v1"])]
        {
            let endpoints = [
                format!("{{addresses: [{}], zone: a}}", addresses[0]),
                format!(
                    "{{addresses: [{}], zone: a, conditions: {{ready: false, serving: {serving}, terminating: {terminating}}}}}",
                    addresses[1]
                ),
                format!("{{addresses: [{}], zone: b}}", addresses[2]),
            ];
            let yaml = service("k-ends", "", "") + &slice("k-ends", &endpoints) + rule;
            traffic.apply("k-ends.yaml", &yaml).await?;
            answered_by(traffic, "k-ends", expected).await?;
        }
        traffic.remove("k-ends.yaml").await
    });
}

/// Also where a name looks like an address.
#[test]
fn slices_of_names_are_passed_over() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-names", 2).await?;
        let of = |index: usize| slice("k-names", &[format!("{{addresses: [{}]}}", addresses[index])]);
        let names = of(1).replace("name: k-names-1", "name: k-names-2").replace("IPv4", "FQDN");
        let yaml = service("k-names", "", "") + &of(0) + &names;
        traffic.apply("k-names.yaml", &yaml).await?;
        answered_by(traffic, "k-names", &["v1"]).await?;
        traffic.remove("k-names.yaml").await
    });
}

/// A slice where nothing is known of pod and node, and a pod whatever its node says.
#[test]
fn slices_and_pods_say_their_own_places() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-zones", 2).await?;
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: k-zones, namespace: traffic}\n\
                    spec:\n  host: k-zones\n  trafficPolicy:\n    outlierDetection: {}\n\
                    \x20   loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}\n";
        for (zones, expected) in [(["a", "b"], "v1"), (["b", "a"], "v2")] {
            let endpoints =
                [0, 1].map(|index| format!("{{addresses: [{}], zone: {}}}", addresses[index], zones[index]));
            let yaml = service("k-zones", "", "") + &slice("k-zones", &endpoints) + rule;
            traffic.apply("k-zones.yaml", &yaml).await?;
            answered_by(traffic, "k-zones", &[expected]).await?;
        }

        let node = "---\napiVersion: v1\nkind: Node\n\
                    metadata: {name: k-zone, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: a}}\n";
        let near = service("k-zones", "", ", selector: {app: k-zones}, trafficDistribution: PreferClose");
        let (older, newer) = ("istio-locality", "topology.istio.io/locality");
        for (label, places, expected) in [
            (older, ["eu.a", "eu.b"], "v1"),
            (older, ["eu.b", "eu.a"], "v2"),
            (older, ["us.a", "eu.b"], "v2"),
            (older, ["eu.b.seven", "eu.a.seven"], "v2"),
            (newer, ["eu.a", "eu.b"], "v1"),
            (newer, ["eu.b", "eu.a, istio-locality: us"], "v2"),
        ] {
            let at = |index: usize| {
                let text = pod("k-zones", index, addresses[index - 1], "k-zone", READY);
                text.replace("labels: {", &format!("labels: {{{label}: {}, ", places[index - 1]))
            };
            traffic.apply("k-zones.yaml", &(near.clone() + node + &at(1) + &at(2))).await?;
            answered_by(traffic, "k-zones", &[expected]).await?;
        }
        traffic.remove("k-zones.yaml").await
    });
}

/// Its addresses are those of the node, and several pods of one node have the same.
#[test]
fn pods_on_the_network_of_their_node_are_called_there() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-host", 1).await?;
        let pods = [1, 2].map(|index| {
            let text = pod("k-host", index, addresses[0], "n1", READY)
                .replace("spec: {", "spec: {hostNetwork: true, ");
            // The first alone has the port that the Service names.
            if index == 1 { text } else { text.replace("name: web", "name: other") }
        });
        let ports = "apiVersion: v1\nkind: Service\nmetadata: {name: k-host, namespace: traffic}\n\
                     spec: {selector: {app: k-host}, ports: [{name: http, port: 80, targetPort: web}]}\n";
        let sliced = |selects: &str| {
            let endpoint = format!(
                "{{addresses: [{}], targetRef: {{kind: Pod, name: k-host-{selects}, namespace: traffic}}}}",
                addresses[0]
            );
            let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: k-host, namespace: traffic}\n\
                        spec: {host: k-host, subsets: [{name: first, labels: {version: v1}}]}\n\
                        ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: k-host, namespace: traffic}\n\
                        spec: {hosts: [k-host-first.test], http: [{route: [{destination: {host: k-host, subset: first}}]}]}\n";
            service("k-host", "", "") + &slice("k-host", &[endpoint]) + rule
        };
        let answered = async |host: &str, status: u16| -> Result<()> {
            let request = Request::get(&format!("http://{host}/"))?;
            eventually(SOON, async || {
                let answer = request.send(traffic.proxy(CLIENT)?).await?;
                let outside = answer.echo.as_ref().is_some_and(|echo| &*echo.identity.namespace == "outside");
                ensure!(
                    answer.status == status && outside == (status == 200),
                    "{host}: {}",
                    answer.summary()
                );
                Ok(())
            })
            .await
        };
        // By themselves, by slices that name them, and by a ServiceEntry.
        traffic.apply("k-host.yaml", &(ports.to_owned() + &pods.concat())).await?;
        answered("k-host", 200).await?;
        for (which, status) in [("1", 200), ("2", 503)] {
            traffic.apply("k-host.yaml", &(sliced(which) + &pods.concat())).await?;
            answered("k-host", 200).await?;
            answered("k-host-first.test", status).await?;
        }
        let entry = format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: k-host, namespace: traffic}}\n\
             spec:\n  hosts: [k-host.test]\n  location: MESH_INTERNAL\n  resolution: STATIC\n\
             \x20 workloadSelector: {{labels: {{app: k-host, version: v1}}}}\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n"
        );
        traffic.apply("k-host.yaml", &(entry + &pods.concat())).await?;
        answered("k-host.test", 200).await?;
        traffic.remove("k-host.yaml").await
    });
}

/// A port that is there for UDP alone is not one that a request goes to.
#[test]
fn datagrams_are_not_carried() {
    run(async |traffic| {
        let (_outside, addresses) = versions("k-udp", 1).await?;
        let pod = pod("k-udp", 1, addresses[0], "n1", READY);
        for (protocol, served) in [("TCP", true), ("UDP", false)] {
            let service = format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: k-udp, namespace: traffic}}\n\
                 spec: {{selector: {{app: k-udp}}, ports: [{{name: http, port: 80, targetPort: {HTTP_PORT}, protocol: {protocol}}}]}}\n"
            );
            traffic.apply("k-udp.yaml", &(service + &pod)).await?;
            eventually(SOON, async || {
                let answer = Request::get("http://k-udp/")?.send(traffic.proxy(CLIENT)?).await?;
                ensure!((answer.status == 200) == served, "{protocol}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        traffic.remove("k-udp.yaml").await
    });
}
