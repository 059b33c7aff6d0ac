//! A gateway between two networks: an Envoy that looks at the SNI of a connection and passes its bytes on.

use crate::{CLIENT, alone, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{Envoy, eventually, ports::Loopback};
use mesh_tests::traffic::Request;
use std::{net::IpAddr, time::Duration};

/// Far more than it takes.
const SOON: Duration = Duration::from_secs(20);
/// Where gateways are if nobody says where.
const PORT: u16 = 15443;
const OTHER_PORT: u16 = 16443;

/// Passes on what is for `far.test`, and nothing else.
fn gateway(at: IpAddr, port: u16, to: IpAddr) -> String {
    format!(
        "
static_resources:
  listeners:
  - name: gateway
    address: {{socket_address: {{address: {at}, port_value: {port}}}}}
    listener_filters:
    - name: tls
      typed_config:
        '@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector
    filter_chains:
    - filter_chain_match: {{server_names: [outbound_.80_._.far.test]}}
      filters:
      - name: tcp
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: gateway
          cluster: web
  clusters:
  - name: web
    type: STATIC
    load_assignment:
      cluster_name: web
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {to}, port_value: 8080}}}}}}}}]}}]
"
    )
}

const SERVICE: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: secure}
spec:
  hosts: [far.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{network: north, labels: {security.istio.io/tlsMode: istio}}]
";

fn networks(gateways: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: ''
  meshNetworks: |
    networks: {{north: {{gateways: [{gateways}]}}}}
"
    )
}

#[test]
fn what_is_in_another_network_is_called_through_its_gateway() {
    run(async |traffic| {
        // The settings of the mesh are everybody's.
        let _alone = alone().await;
        let at = Loopback::claim().context("claim a loopback address")?;
        let server = traffic.proxy("web-0")?.ip();
        let Some(envoy) = Envoy::launch(&gateway(at.ip(), PORT, server)).await else { return Ok(()) };
        envoy.ready().await?;
        let request = Request::get("http://far.test/")?;
        let proxy = traffic.proxy(CLIENT)?;
        let ask = async |status: u16| -> Result<_> {
            let answer = request.send(proxy).await?;
            ensure!(answer.status == status, "{}", answer.summary());
            Ok(answer)
        };
        let gateways = format!("{{address: {}, port: {PORT}}}", at.ip());
        traffic.apply("networks.yaml", &(SERVICE.to_owned() + &networks(&gateways))).await?;
        // Acknowledged is not yet taken up by every thread.
        let answer = eventually(SOON, async || ask(200).await).await?;
        ensure!(answer.pod() == "web-0", "{}", answer.summary());
        ensure!(envoy.stat("tcp.gateway.downstream_cx_total").await? > 0, "past the gateway");
        // Without it there is no way, and nobody tries one.
        traffic.apply("networks.yaml", &(SERVICE.to_owned() + &networks(""))).await?;
        eventually(SOON, async || ask(503).await).await?;
        // A Service tells of it as well as the settings do.
        let service = format!(
            "---\napiVersion: v1\nkind: Service\n\
             metadata: {{name: eastwest, namespace: secure, labels: {{topology.istio.io/network: north}}}}\n\
             spec: {{type: LoadBalancer, clusterIP: 10.96.9.9, ports: [{{name: tls, port: {PORT}}}]}}\n\
             status: {{loadBalancer: {{ingress: [{{ip: {}}}]}}}}\n",
            at.ip()
        );
        traffic.apply("networks.yaml", &(SERVICE.to_owned() + &service)).await?;
        eventually(SOON, async || ask(200).await).await?;
        traffic.remove("networks.yaml").await
    });
}

/// A pod that says in which network it is, and where nobody is: only a gateway leads to whoever answers for it.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: secure, labels: {app: far, topology.istio.io/network: north, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: web, containers: [{name: web, image: example.com/web}]}
status: {phase: Running, podIP: ADDRESS, conditions: [{type: Ready, status: 'True'}]}
";

#[test]
fn services_pods_and_namespaces_say_their_networks() {
    run(async |traffic| {
        // The network of the cluster is everybody's.
        let _alone = alone().await;
        let (at, nowhere) = (Loopback::claim()?, Loopback::claim()?);
        let server = traffic.proxy("web-0")?.ip();
        let Some(envoy) = Envoy::launch(&gateway(at.ip(), OTHER_PORT, server)).await else { return Ok(()) };
        envoy.ready().await?;
        let (request, proxy) = (Request::get("http://far.test/")?, traffic.proxy(CLIENT)?);
        let answered = async |status: u16| {
            eventually(SOON, async || {
                let answer = request.send(proxy).await?;
                ensure!(answer.status == status, "{}", answer.summary());
                Ok(())
            })
            .await
        };
        let selecting = SERVICE.replace(
            "endpoints: [{network: north, labels: {security.istio.io/tlsMode: istio}}]",
            "workloadSelector: {labels: {app: far}}",
        );
        let gateway = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: eastwest\n  namespace: secure\n\
             \x20 labels: {{topology.istio.io/network: north, networking.istio.io/gatewayPort: '{OTHER_PORT}'}}\n\
             spec: {{type: LoadBalancer, clusterIP: 10.96.9.9, ports: [{{name: tls, port: {OTHER_PORT}}}]}}\n\
             status: {{loadBalancer: {{ingress: [{{ip: {}}}]}}}}\n---{}",
            at.ip(),
            POD.replace("ADDRESS", &nowhere.ip().to_string())
        );
        let of_cluster = |network: &str| {
            format!(
                "{selecting}{gateway}---\napiVersion: v1\nkind: Namespace\n\
                 metadata: {{name: istio-system, labels: {{topology.istio.io/network: {network}}}}}\n"
            )
        };
        traffic.apply("networks.yaml", &of_cluster("south")).await?;
        answered(200).await?;
        ensure!(envoy.stat("tcp.gateway.downstream_cx_total").await? > 0, "past the gateway");
        // In one network there is no gateway between them, and nobody is where the pod says.
        traffic.apply("networks.yaml", &of_cluster("north")).await?;
        answered(503).await?;
        // A gateway may be at an address that no load balancer gave it.
        let by_load_balancer = format!("status: {{loadBalancer: {{ingress: [{{ip: {}}}]}}}}\n", at.ip());
        let by_itself = of_cluster("south")
            .replace(&by_load_balancer, "")
            .replace("type: LoadBalancer", &format!("externalIPs: [{}]", at.ip()));
        traffic.apply("networks.yaml", &by_itself).await?;
        answered(200).await?;
        traffic.remove("networks.yaml").await
    });
}
