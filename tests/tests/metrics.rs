//! Objects and streams to numbers: what `/metrics` of a control plane says of them, under Istio's names.

use anyhow::{Context, Result, ensure};
use mesh_runtime::metrics::{Exposition, Metrics};
use mesh_tests::{
    Asker,
    flow::{Recorder, TestMesh, valid},
};
use pilot_xds::{resource::ResourceType, wire::DeltaDiscoveryRequest};
use std::sync::Arc;

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

const SLICE: &str = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}}]
";

/// What is served at `/metrics`.
struct Page(Exposition);

impl Page {
    fn of(mesh: &TestMesh) -> Self {
        let mut metrics = Metrics::new();
        metrics.registry().register_collector(Box::new(mesh.pilot.metrics()));
        Self(metrics.finish())
    }

    /// The number behind `series`, a name with its labels.
    fn value(&self, series: &str) -> Result<f64> {
        let page = self.0.render();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("{series} is not in:\n{page}"))?.parse()?)
    }

    fn values<const N: usize>(&self, series: [&str; N]) -> Result<[f64; N]> {
        let mut values = [0.0; N];
        for (value, series) in values.iter_mut().zip(series) {
            *value = self.value(series)?;
        }
        Ok(values)
    }
}

fn labelled(label: &str) -> Asker {
    Asker { labels: [("app".to_owned(), label.to_owned())].into(), ..Asker::new("default", label) }
}

#[tokio::test]
async fn say_what_came_in_and_whom_it_concerned() -> Result<()> {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("slice.yaml", SLICE)]).await?;
    let page = Page::of(&mesh);
    let (one, two) = (mesh.delta(&labelled("one")).await?, mesh.delta(&labelled("two")).await?);
    let inbound =
        ["config", "eds", "svc", "svcdelete"].map(|kind| format!("pilot_inbound_updates{{type=\"{kind}\"}}"));
    let triggers = ["config", "endpoint", "service", "global", "secret", "namespace"]
        .map(|kind| format!("pilot_push_triggers{{type=\"{kind}\"}}"));
    let (inbound, triggers) =
        (inbound.each_ref().map(String::as_str), triggers.each_ref().map(String::as_str));
    // Who connects is told everything without any push: that is nobody's doing.
    ensure!(page.values(triggers)? == [0.0; 6], "{:?}", page.values(triggers)?);
    let before = page.values(inbound)?;
    ensure!(before == [0.0, 1.0, 1.0, 0.0], "{before:?}");

    let settled = async || {
        one.settle(&mesh).await?;
        two.settle(&mesh).await
    };
    mesh.edit("slice.yaml", &SLICE.replace("10.1.0.1", "10.1.0.2")).await?;
    settled().await?;
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: default}\n\
                spec: {host: web, subsets: [{name: v9, labels: {version: v9}}]}\n";
    mesh.edit("rule.yaml", rule).await?;
    settled().await?;
    let more = WEB.replace("name: web,", "name: more,").replace("10.0.0.1", "10.0.0.2");
    mesh.edit("more.yaml", &more).await?;
    settled().await?;
    mesh.edit("more.yaml", "").await?;
    settled().await?;
    // Each was one object, and both proxies were told of each.
    let triggered = page.values(triggers)?;
    ensure!(triggered == [2.0, 2.0, 4.0, 0.0, 0.0, 0.0], "{triggered:?}");
    let after = page.values(inbound)?;
    ensure!(after == [1.0, 2.0, 2.0, 1.0], "{after:?}");
    Ok(())
}

#[tokio::test]
async fn say_what_does_not_work_as_it_is_meant() -> Result<()> {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("slice.yaml", SLICE)]).await?;
    let page = Page::of(&mesh);
    let (web, other) = (mesh.delta(&labelled("web")).await?, mesh.delta(&labelled("other")).await?);
    let series = [
        "pilot_no_ip",
        "pilot_eds_no_instances",
        "pilot_conflict_inbound_listener",
        "pilot_conflict_outbound_listener_tcp_over_current_tcp",
    ];
    let settled = async || {
        web.settle(&mesh).await?;
        other.settle(&mesh).await
    };
    let expect = async |what: &str, expected: [f64; 4]| {
        settled().await?;
        let found = page.values(series)?;
        ensure!(found == expected, "{what}: {found:?}");
        Ok(())
    };
    expect("nothing but `other` is amiss: no service is for it", [1.0, 0.0, 0.0, 0.0]).await?;
    mesh.edit("slice.yaml", &SLICE.replace("[{addresses: [10.1.0.1], conditions: {ready: true}}]", "[]"))
        .await?;
    expect("the one cluster has lost its endpoints", [1.0, 1.0, 0.0, 0.0]).await?;
    mesh.edit("slice.yaml", SLICE).await?;
    expect("they are back", [1.0, 0.0, 0.0, 0.0]).await?;
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: default}\n\
                spec: {host: web, subsets: [{name: v9, labels: {version: v9}}]}\n";
    mesh.edit("rule.yaml", rule).await?;
    expect("the cluster of a subset that selects nothing", [1.0, 1.0, 0.0, 0.0]).await?;
    mesh.edit("rule.yaml", "").await?;

    // Another service is for the same port of `web`; that it is called for the same protocol is no conflict.
    let second = WEB.replace("name: web,", "name: second,").replace("10.0.0.1", "10.0.0.2");
    mesh.edit("second.yaml", &second).await?;
    expect("two services of one mind", [1.0, 1.0, 0.0, 0.0]).await?;
    mesh.edit("second.yaml", &second.replace("name: http", "name: tcp")).await?;
    expect("two services that disagree", [1.0, 1.0, 1.0, 0.0]).await?;
    mesh.edit("second.yaml", &second.replace("app: web", "app: other")).await?;
    expect("a service for each", [0.0, 1.0, 0.0, 0.0]).await?;
    mesh.edit("second.yaml", "").await?;

    // Without addresses of their own both ask for all connections to the port.
    let outside = |name: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  hosts: [{name}.example.com]\n  location: MESH_EXTERNAL\n  resolution: DNS\n  \
             ports: [{{number: 9000, name: tcp, protocol: TCP}}]\n"
        )
    };
    mesh.edit("outside-1.yaml", &outside("outside-1")).await?;
    expect("one has the port", [1.0, 0.0, 0.0, 0.0]).await?;
    mesh.edit("outside-2.yaml", &outside("outside-2")).await?;
    expect("the second comes too late", [1.0, 0.0, 0.0, 1.0]).await?;
    drop(other.disconnect(&mesh).await?);
    let left = page.value("pilot_no_ip")?;
    ensure!(left == 0.0, "{left} proxies without a service, and one has gone");
    Ok(())
}

#[tokio::test]
async fn say_what_went_out_and_how_long_it_took() -> Result<()> {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("slice.yaml", SLICE)]).await?;
    let page = Page::of(&mesh);
    let proxy = mesh.delta(&labelled("web")).await?;
    let of = |name: &str, kind: &str| page.value(&format!("{name}{{type=\"{kind}\"}}"));
    ensure!(
        page.value("pilot_proxy_queue_time_count")? == 0.0,
        "it was told without having to wait for a push"
    );
    let endpoints = of("pilot_xds_pushes", "eds")?;
    let bytes = of("pilot_xds_config_size_bytes_sum", "eds")?;
    ensure!(endpoints >= 1.0 && bytes > 0.0, "{endpoints} pushes of {bytes} bytes");

    mesh.edit("slice.yaml", &SLICE.replace("10.1.0.1", "10.1.0.2")).await?;
    proxy.settle(&mesh).await?;
    ensure!(page.value("pilot_proxy_queue_time_count")? == 1.0, "one push");
    ensure!(of("pilot_xds_pushes", "eds")? == endpoints + 1.0, "one response");
    ensure!(of("pilot_xds_config_size_bytes_count", "eds")? == endpoints + 1.0, "each is measured");
    ensure!(of("pilot_xds_config_size_bytes_sum", "eds")? > bytes, "and adds to the sum");
    let size = page.value("pilot_xds_config_size_bytes_bucket{le=\"10000.0\",type=\"eds\"}")?;
    ensure!(size == endpoints + 1.0, "{size} responses of less than 10 kB");

    // What was handed to the connection before this one was, was handed over as a whole.
    let sent = page.value("pilot_xds_send_time_count")?;
    mesh.edit("slice.yaml", SLICE).await?;
    proxy.settle(&mesh).await?;
    ensure!(of("pilot_xds_push_time_count", "eds")? > endpoints, "each is timed");
    ensure!(page.value("pilot_xds_send_time_count")? > sent, "and so is what it takes to send it");
    ensure!(page.value("pilot_proxy_convergence_time_count")? >= 3.0, "the first, and two edits");
    for bound in ["0.01", "0.1", "1.0", "3.0", "5.0", "10.0", "20.0", "30.0", "+Inf"] {
        page.value(&format!("pilot_xds_send_time_bucket{{le=\"{bound}\"}}"))?;
    }
    for bound in ["0.1", "0.5", "1.0", "3.0", "5.0", "10.0", "20.0", "30.0", "+Inf"] {
        page.value(&format!("pilot_proxy_queue_time_bucket{{le=\"{bound}\"}}"))?;
        page.value(&format!("pilot_proxy_convergence_time_bucket{{le=\"{bound}\"}}"))?;
    }

    // An answer to a response that there never was. The next acknowledgement comes after it.
    proxy.send(DeltaDiscoveryRequest {
        type_url: ResourceType::Cluster.type_url().into(),
        response_nonce: "123456".into(),
        ..DeltaDiscoveryRequest::default()
    });
    mesh.edit("slice.yaml", &SLICE.replace("10.1.0.1", "10.1.0.3")).await?;
    proxy.settle(&mesh).await?;
    ensure!(of("pilot_xds_expired_nonce", "cds")? == 1.0, "{}", of("pilot_xds_expired_nonce", "cds")?);
    Ok(())
}

#[tokio::test]
async fn say_what_proxies_reject() -> Result<()> {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("slice.yaml", SLICE)]).await?;
    let page = Page::of(&mesh);
    let asker = labelled("web");
    let also = valid();
    let refuse = move |kind, resource: &pilot_xds::wire::Resource| {
        let unwanted = kind == ResourceType::Cluster && resource.name.contains("|v9|");
        let complaint = || format!("Error adding/updating cluster(s) {}: no such thing", resource.name);
        if unwanted { Some(complaint()) } else { also(kind, resource) }
    };
    let client = Recorder::new(mesh.envoy(&asker));
    let proxy = mesh.connect(&asker, client, Arc::new(refuse)).await?;
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: default}\n\
                spec: {host: web, subsets: [{name: v9, labels: {version: v9}}]}\n";
    mesh.edit("rule.yaml", rule).await?;
    proxy.settle(&mesh).await?;
    let found = page.values([
        "pilot_total_xds_rejects{type=\"cds\"}",
        "pilot_total_xds_rejects{type=\"eds\"}",
        "pilot_xds_cds_reject",
        "pilot_xds_eds_reject",
        "meltemi_rejected_resources",
    ])?;
    ensure!(found == [1.0, 0.0, 1.0, 0.0, 1.0], "{found:?}");
    Ok(())
}
