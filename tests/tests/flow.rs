//! Objects to streams: what proxies are sent, and in which order, when files change.

use mesh_model::Reason;
use mesh_tests::{
    Asker,
    flow::{Message, OnDemand, Recorder, TestMesh, valid, within},
};
use pilot_xds::{resource::ResourceType, wire::Resource};
use std::sync::Arc;

type Outcome = anyhow::Result<()>;

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

const API: &str = "
apiVersion: v1
kind: Service
metadata: {name: api, namespace: default}
spec: {clusterIP: 10.0.0.2, selector: {app: api}, ports: [{name: http, port: 80}]}
";

const WEB_CLUSTER: &str = "outbound|80||web.default.svc.cluster.local";
const WEB_HOST: &str = "80/web.default.svc.cluster.local:80";

/// A VirtualService for `web`, different for each `timeout`.
fn routes(timeout: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: default}}
spec:
  hosts: [web]
  http: [{{timeout: {timeout}, route: [{{destination: {{host: web}}}}]}}]
"
    )
}

/// Endpoints of `web`.
fn slice(addresses: &[&str]) -> String {
    let endpoints: Vec<_> = addresses
        .iter()
        .map(|address| format!("{{addresses: [{address}], conditions: {{ready: true}}}}"))
        .collect();
    format!(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_first_push_has_everything() -> Outcome {
    let services: Vec<(String, String)> = (0..200)
        .map(|number| {
            let text = WEB.replace("name: web,", &format!("name: s{number},"));
            (format!("s{number}.yaml"), text)
        })
        .collect();
    let files: Vec<_> = services.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mesh = TestMesh::begin(&files).await?;
    let asker = Asker::default();
    // Streams are turned away until everything is in. Whoever gets one is told all of it at once.
    let proxy = within(async {
        loop {
            if let Ok(proxy) = connect_once(&mesh, &asker).await {
                return proxy;
            }
        }
    })
    .await?;
    let first = &proxy[0];
    anyhow::ensure!(first.kind == "cds" && first.names.len() == 200 + 3, "the first message is {first}");
    Ok(())
}

/// The messages that a proxy gets which tries once.
async fn connect_once(mesh: &TestMesh, asker: &Asker) -> anyhow::Result<Vec<Message>> {
    let client = Recorder::new(mesh.envoy(asker));
    let address = mesh.pilot.grpc_address();
    let mut proxy = pilot_xds::testing::TestProxy::connect_refusing(address, client, valid()).await?;
    anyhow::ensure!(proxy.wait_until(|recorder| recorder.client.is_ready()).await, "turned away");
    Ok(proxy.look(Recorder::take))
}

#[tokio::test]
async fn a_virtual_service_edit_sends_one_virtual_host() -> Outcome {
    let mesh =
        TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API), ("routes.yaml", &routes("1s"))]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.messages();
    mesh.edit("routes.yaml", &routes("2s")).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(lines(&proxy.messages()), [format!("vhds {WEB_HOST}")]);
    Ok(())
}

#[tokio::test]
async fn an_endpoint_edit_sends_one_assignment() -> Outcome {
    let mesh =
        TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API), ("slice.yaml", &slice(&["10.1.0.1"]))])
            .await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.messages();
    mesh.edit("slice.yaml", &slice(&["10.1.0.1", "10.1.0.2"])).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(lines(&proxy.messages()), [format!("eds {WEB_CLUSTER}")]);
    Ok(())
}

#[tokio::test]
async fn an_edit_elsewhere_sends_nothing() -> Outcome {
    let sidecar = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: ['./*']}]}
";
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("sidecar.yaml", sidecar)]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    let other = mesh.delta(&Asker::new("other", "client")).await?;
    proxy.messages();
    other.messages();
    mesh.edit("elsewhere.yaml", &API.replace("namespace: default", "namespace: other")).await?;
    other.settle(&mesh).await?;
    // The other proxy has it, so whatever this one was to get has been sent as well.
    proxy.settle(&mesh).await?;
    assert!(!other.messages().is_empty());
    assert_eq!(lines(&proxy.messages()), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_service_comes_before_what_names_it_and_goes_after() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB)]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.messages();
    mesh.edit("api.yaml", &API.replace("port: 80", "port: 81")).await?;
    proxy.settle(&mesh).await?;
    let cluster = "outbound|81||api.default.svc.cluster.local";
    let host = "81/api.default.svc.cluster.local:81";
    let order = [
        format!("cds {cluster}"),
        format!("eds {cluster}"),
        "lds 0.0.0.0_81".to_owned(),
        "rds 81".to_owned(),
        format!("vhds {host}"),
    ];
    let sent = lines(&proxy.messages());
    let last = |line: &String| sent.iter().rposition(|sent| sent == line);
    assert!(order.iter().all(|line| sent.contains(line)) && order.is_sorted_by_key(last), "{sent:#?}");
    assert!(sent.iter().all(|line| order.contains(line)), "nothing else: {sent:#?}");
    mesh.edit("api.yaml", "").await?;
    proxy.settle(&mesh).await?;
    let sent = lines(&proxy.messages());
    let place = |line: &str| sent.iter().position(|sent| sent == line);
    let (listener, cluster) = (place("lds -0.0.0.0_81"), place(&format!("cds -{cluster}")));
    assert!(listener.is_some() && listener < cluster, "{sent:#?}");
    assert_eq!(cluster, Some(sent.len() - 1), "nothing comes after the cluster goes: {sent:#?}");
    Ok(())
}

#[tokio::test]
async fn a_reconnect_with_all_versions_sends_nothing() -> Outcome {
    let mesh =
        TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API), ("slice.yaml", &slice(&["10.1.0.1"]))])
            .await?;
    let asker = Asker::default();
    let client = mesh.delta(&asker).await?.disconnect(&mesh).await?;
    client.take();
    let proxy = mesh.connect(&asker, client, valid()).await?;
    let names: Vec<_> =
        proxy.messages().into_iter().flat_map(|message| [message.names, message.removed]).flatten().collect();
    assert_eq!(names, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_reconnect_after_an_edit_sends_the_difference() -> Outcome {
    let mesh =
        TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API), ("routes.yaml", &routes("1s"))]).await?;
    let asker = Asker::default();
    let client = mesh.delta(&asker).await?.disconnect(&mesh).await?;
    client.take();
    mesh.edit("routes.yaml", &routes("2s")).await?;
    let proxy = mesh.connect(&asker, client, valid()).await?;
    let names: Vec<_> =
        proxy.messages().into_iter().flat_map(|message| [message.names, message.removed]).flatten().collect();
    assert_eq!(names, [WEB_HOST]);
    Ok(())
}

#[tokio::test]
async fn state_of_the_world_has_virtual_hosts_inside_routes() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("routes.yaml", &routes("1s"))]).await?;
    let proxy = mesh.sotw(&Asker::default()).await?;
    let kinds: Vec<_> = proxy.messages().iter().map(|message| message.kind).collect();
    assert!(kinds.contains(&"rds") && !kinds.contains(&"vhds"), "{kinds:?}");
    mesh.edit("routes.yaml", &routes("2s")).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(lines(&proxy.messages()), ["rds 1 resources"]);
    Ok(())
}

#[tokio::test]
async fn what_a_proxy_refuses_is_reported_on_its_object_and_hurts_nothing_else() -> Outcome {
    let mesh =
        TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API), ("routes.yaml", &routes("1s"))]).await?;
    // Whatever has a timeout of nine seconds, it does not like.
    let refuse = move |kind: ResourceType, resource: &Resource| {
        let bytes = resource.resource.as_ref().map(|any| any.value.clone()).unwrap_or_default();
        let nine = kind == ResourceType::VirtualHost
            && bytes.windows(4).any(|part| part == [0x42, 0x02, 0x08, 0x09]);
        nine.then(|| "nine is not my number".to_owned())
    };
    let asker = Asker::default();
    let client = Recorder::new(mesh.envoy(&asker));
    let proxy = mesh.connect(&asker, client, Arc::new(refuse)).await?;
    let good = proxy.look(|recorder| recorder.client.version(ResourceType::VirtualHost, WEB_HOST).cloned());
    assert!(good.is_some());

    let mut changes = mesh.pilot.xds().rejections.changes();
    mesh.edit("routes.yaml", &routes("9s")).await?;
    within(changes.changed()).await??;
    let problems = pilot::debug::rejections(&mesh.pilot);
    let told = problems
        .get("VirtualService default/web")
        .map(|problems| problems[0].to_string())
        .unwrap_or_default();
    assert!(told.contains("nine is not my number") && told.contains(&asker.name()), "{problems:#?}");
    let kept = proxy.look(|recorder| recorder.client.version(ResourceType::VirtualHost, WEB_HOST).cloned());
    assert_eq!(kept, good, "the last good one stays");

    // Everything else goes on.
    proxy.messages();
    mesh.edit("api.yaml", &API.replace("port: 80", "port: 81")).await?;
    proxy.settle(&mesh).await?;
    let sent = lines(&proxy.messages());
    assert!(sent.iter().any(|line| line.starts_with("vhds 81/api")), "{sent:#?}");
    assert!(
        !sent.iter().any(|line| line.contains(WEB_HOST)),
        "what was refused is not sent again: {sent:#?}"
    );

    // And a mended object ends it.
    let mut changes = mesh.pilot.xds().rejections.changes();
    mesh.edit("routes.yaml", &routes("3s")).await?;
    within(changes.changed()).await??;
    assert!(pilot::debug::rejections(&mesh.pilot).is_empty());

    // So does one that is gone.
    let mut changes = mesh.pilot.xds().rejections.changes();
    mesh.edit("routes.yaml", &routes("9s")).await?;
    within(changes.changed()).await??;
    assert!(!pilot::debug::rejections(&mesh.pilot).is_empty());
    mesh.edit("routes.yaml", "").await?;
    proxy.settle(&mesh).await?;
    assert!(pilot::debug::rejections(&mesh.pilot).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_file_that_breaks_keeps_the_last_good_configuration() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("routes.yaml", &routes("1s"))]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.messages();
    mesh.write("routes.yaml", "apiVersion: networking.istio.io/v1\nkind: [")?;
    mesh.problem(Reason::Malformed).await?;
    // The next edit is made after that one, so it would take along what that one changed.
    mesh.edit("api.yaml", API).await?;
    proxy.settle(&mesh).await?;
    let sent = lines(&proxy.messages());
    assert!(!sent.iter().any(|line| line.contains(WEB_HOST)), "{sent:#?}");
    mesh.edit("routes.yaml", &routes("2s")).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(lines(&proxy.messages()), [format!("vhds {WEB_HOST}")]);
    Ok(())
}

#[tokio::test]
async fn virtual_hosts_are_found_by_the_names_that_requests_call_them() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API)]).await?;
    let asker = Asker::default();
    let client = OnDemand::new(
        asker.node(),
        ResourceType::VirtualHost,
        &["80/web", "80/10.0.0.2", "80/nobody.example.com"],
    );
    let mut proxy = mesh.connect(&asker, client, valid()).await?;
    proxy.wait_until(|client| client.got.len() >= 3).await?;
    let got = proxy.look(|client| {
        let mut got: Vec<_> = client
            .got
            .iter()
            .map(|resource| (resource.name.clone(), resource.aliases.clone(), resource.resource.is_some()))
            .collect();
        got.sort();
        got
    });
    let expected = [
        ("80/api.default.svc.cluster.local:80".to_owned(), vec!["80/10.0.0.2".to_owned()], true),
        ("80/nobody.example.com".to_owned(), vec!["80/nobody.example.com".to_owned()], false),
        (WEB_HOST.to_owned(), vec!["80/web".to_owned()], true),
    ];
    assert_eq!(got, expected);
    Ok(())
}

#[tokio::test]
async fn a_cluster_asked_for_by_name_comes_alone_and_changes_alone() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("api.yaml", API)]).await?;
    let asker = Asker::default();
    let client = OnDemand::new(asker.node(), ResourceType::Cluster, &[WEB_CLUSTER]);
    let mut proxy = mesh.connect(&asker, client, valid()).await?;
    proxy.wait_until(|client| !client.got.is_empty()).await?;
    let rule = |host: &str| {
        format!(
            "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}, namespace: default}}
spec: {{host: {host}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}
"
        )
    };
    mesh.edit("other.yaml", &rule("api")).await?;
    mesh.edit("own.yaml", &rule("web")).await?;
    proxy.settle(&mesh).await?;
    let names =
        proxy.look(|client| client.got.iter().map(|resource| resource.name.clone()).collect::<Vec<_>>());
    assert_eq!(names, [WEB_CLUSTER, WEB_CLUSTER]);
    Ok(())
}

#[tokio::test]
async fn a_drain_ends_streams_in_good_order() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB)]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    mesh.drain().await?;
    // An Envoy reconnects after any end; what counts is that it is one and not a broken connection.
    assert!(within(proxy.ended()).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_relabelled_pod_is_told_what_its_new_labels_mean() -> Outcome {
    let pod = |app: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: default, labels: {{app: {app}}}}}
spec: {{containers: [{{name: app, image: example.com/app}}]}}
status: {{podIP: 10.9.9.9, phase: Running}}
"
        )
    };
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("pod.yaml", &pod("other"))]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.messages();
    mesh.edit("pod.yaml", &pod("web")).await?;
    proxy.settle(&mesh).await?;
    let sent = lines(&proxy.messages());
    assert!(sent.contains(&"cds inbound|8080||".to_owned()), "{sent:#?}");
    assert!(sent.contains(&"lds virtualInbound".to_owned()), "{sent:#?}");
    Ok(())
}

#[tokio::test]
async fn a_proxy_is_shown_with_what_it_says_in_vain() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB)]).await?;
    let said = [
        ("ENABLE_HBONE", "true"),
        // What has an effect, and a switch that is off.
        ("HTTP10", "1"),
        ("METADATA_DISCOVERY", "false"),
        ("GENERATOR", "grpc"),
        ("IDLE_TIMEOUT", "soon"),
    ];
    let metadata = said.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let asker = Asker { metadata, ..Asker::default() };
    let _proxy = mesh.delta(&asker).await?;
    let states = pilot::debug::proxy_states(&mesh.pilot);
    let ignored: Vec<_> = states.into_iter().flat_map(|state| state.ignored).collect();
    assert_eq!(
        ignored,
        [
            "GENERATOR has no effect: configuration is made as for a sidecar",
            "ENABLE_HBONE has no effect: connections over HBONE are not taken",
            "IDLE_TIMEOUT has no effect: \"soon\" is no time such as 30s",
        ]
    );
    Ok(())
}
