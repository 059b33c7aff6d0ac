//! The server over a real socket, with proxies that behave as Envoy does.
#![allow(clippy::unwrap_used, missing_docs)]

mod mesh;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mesh::{Mesh, cluster, endpoints, host, services};
use mesh_testkit::Link;
use pilot_xds::testing::{SotwEnvoy, TestProxy};
use pilot_xds::{ResourceType, ServerConfig};
use tonic::Code;

#[tokio::test]
async fn a_proxy_gets_everything_and_then_only_what_changes() {
    let mut mesh = Mesh::start(ServerConfig::default()).await;
    let first = mesh.publish(|edit| services(edit, 300, "a"));
    let mut proxy = TestProxy::connect(mesh.addr, mesh.envoy("web.default")).await.unwrap();
    mesh.handles.sync.wait_for("web.default", first).await;
    assert!(proxy.wait_until(|envoy| envoy.held(ResourceType::VirtualHost).len() == 300).await);
    assert!(proxy.look(|envoy| envoy.is_ready()));
    let (before, pushes) = (proxy.look(|e| e.bytes()), mesh.handles.metrics.pushes(ResourceType::Cluster));
    let second = mesh.publish(|edit| {
        edit.set(host(7, "b"));
        edit.set(endpoints(8, "b"));
    });
    mesh.handles.sync.wait_for("web.default", second).await;
    let changed = host(7, "b");
    assert_eq!(
        proxy.look(|e| e.version(ResourceType::VirtualHost, changed.name()).cloned()),
        Some(changed.version().clone())
    );
    let received = proxy.look(|envoy| envoy.bytes()) - before;
    assert!(received < 400, "{received} bytes for two small changes");
    assert_eq!(mesh.handles.metrics.pushes(ResourceType::Cluster), pushes);
}

#[tokio::test]
async fn a_reconnect_costs_only_the_differences() {
    let mut mesh = Mesh::start(ServerConfig::default()).await;
    let first = mesh.publish(|edit| services(edit, 200, "a"));
    let mut proxy = TestProxy::connect(mesh.addr, mesh.envoy("web.default")).await.unwrap();
    assert!(proxy.wait_until(|envoy| envoy.held(ResourceType::VirtualHost).len() == 200).await);
    mesh.handles.sync.wait_for("web.default", first).await;
    let envoy = proxy.disconnect().await.unwrap();
    mesh.handles.sync.wait_until_all(|proxies| proxies.is_empty()).await;
    assert_eq!(mesh.source.attached.load(Ordering::SeqCst), 0, "detached");
    let second = mesh.publish(|edit| {
        edit.set(cluster(3, "b"));
        edit.remove(ResourceType::VirtualHost, host(4, "a").name());
    });
    let before = envoy.bytes();
    let proxy = TestProxy::connect(mesh.addr, envoy).await.unwrap();
    mesh.handles.sync.wait_for("web.default", second).await;
    proxy.look(|envoy| {
        assert_eq!(envoy.held(ResourceType::VirtualHost).len(), 199);
        assert_eq!(
            envoy.version(ResourceType::Cluster, cluster(3, "b").name()),
            Some(cluster(3, "b").version())
        );
        assert!(envoy.bytes() - before < 400, "{} bytes", envoy.bytes() - before);
        assert!(envoy.warming().is_empty());
    });
}

#[tokio::test]
async fn a_refused_cluster_is_reported_and_the_rest_goes_on() {
    let mut mesh = Mesh::start(ServerConfig::default()).await;
    let first = mesh.publish(|edit| services(edit, 3, "a"));
    let refuse = |_: ResourceType, resource: &pilot_xds::wire::Resource| {
        let value = &resource.resource.as_ref()?.value;
        let bad = value.windows(3).any(|window| window == b"bad");
        bad.then(|| format!("Error adding/updating cluster(s) {}: no such thing", resource.name))
    };
    let proxy = TestProxy::connect_refusing(mesh.addr, mesh.envoy("web.default"), Arc::new(refuse)).await;
    let proxy = proxy.unwrap();
    mesh.handles.sync.wait_for("web.default", first).await;
    let second = mesh.publish(|edit| {
        edit.set(cluster(0, "bad"));
        edit.set(cluster(1, "good"));
    });
    mesh.handles.sync.wait_for("web.default", second).await;
    let report = mesh.handles.rejections.report();
    assert_eq!(report.len(), 1);
    assert_eq!(report[0].version, *cluster(0, "bad").version());
    assert_eq!(report[0].last_good.as_ref().unwrap().version(), cluster(0, "a").version());
    proxy.look(|envoy| {
        let version = |service| envoy.version(ResourceType::Cluster, cluster(service, "").name());
        assert_eq!(version(0), Some(cluster(0, "a").version()));
        assert_eq!(version(1), Some(cluster(1, "good").version()));
    });
    assert_eq!(mesh.handles.metrics.rejects(ResourceType::Cluster), 1);
}

#[tokio::test]
async fn streams_are_turned_away_with_the_right_code() {
    let config = ServerConfig { max_streams: 1, ..ServerConfig::default() };
    let mesh = Mesh::start(config).await;
    let code = async |envoy| {
        let proxy = TestProxy::connect(mesh.addr, envoy).await.unwrap();
        proxy.ended().await.unwrap().code()
    };
    assert_eq!(
        code(pilot_xds::testing::Envoy::new(Default::default(), Arc::default())).await,
        Code::InvalidArgument
    );
    let nameless = pilot_xds::wire::Node { id: "nameless".into(), ..Default::default() };
    assert_eq!(code(pilot_xds::testing::Envoy::new(nameless, Arc::default())).await, Code::InvalidArgument);
    mesh.ready.send_replace(false);
    assert_eq!(code(mesh.envoy("a.b")).await, Code::Unavailable);
    mesh.ready.send_replace(true);
    let _one = TestProxy::connect(mesh.addr, mesh.envoy("a.b")).await.unwrap();
    mesh.handles.sync.wait_until(|proxy| &*proxy.proxy == "a.b").await;
    assert_eq!(code(mesh.envoy("b.b")).await, Code::ResourceExhausted);
    let huge = "x".repeat(5 << 20);
    let config = ServerConfig::default();
    let mesh = Mesh::start(config).await;
    let proxy = TestProxy::connect(mesh.addr, mesh.envoy(&huge)).await.unwrap();
    assert_eq!(proxy.ended().await.unwrap().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn shutdown_ends_streams_in_good_order() {
    let mut mesh = Mesh::start(ServerConfig::default()).await;
    let first = mesh.publish(|edit| services(edit, 10, "a"));
    let proxy = TestProxy::connect(mesh.addr, mesh.envoy("web.default")).await.unwrap();
    mesh.handles.sync.wait_for("web.default", first).await;
    mesh.shutdown.cancel();
    assert_eq!(proxy.ended().await.unwrap().code(), Code::Ok);
    mesh.server.await.unwrap().unwrap();
    assert_eq!(mesh.handles.metrics.connected(), 0);
}

#[tokio::test]
async fn a_connection_that_is_old_is_asked_to_go() {
    let mut config = ServerConfig::default();
    config.transport.max_connection_age = Some(std::time::Duration::from_millis(50));
    let mesh = Mesh::start(config).await;
    let proxy = TestProxy::connect(mesh.addr, mesh.envoy("web.default")).await.unwrap();
    assert_eq!(proxy.ended().await.unwrap().code(), Code::Ok);
}

#[tokio::test]
async fn a_proxy_that_falls_silent_is_forgotten() {
    let mut config = ServerConfig::default();
    config.transport.keepalive_interval = std::time::Duration::from_millis(100);
    config.transport.keepalive_timeout = std::time::Duration::from_millis(400);
    let mut mesh = Mesh::start(config).await;
    let first = mesh.publish(|edit| services(edit, 10, "a"));
    let link = Link::to(mesh.addr).await.unwrap();
    let gone = TestProxy::connect(link.address(), mesh.envoy("gone.default")).await.unwrap();
    let _there = TestProxy::connect(mesh.addr, mesh.envoy("there.default")).await.unwrap();
    for name in ["gone.default", "there.default"] {
        mesh.handles.sync.wait_for(name, first).await;
    }
    assert_eq!(mesh.handles.metrics.connected(), 2);

    // Nobody tells the server. Who answers its probes stays, although it has nothing to say either.
    link.fall_silent();
    let only =
        |proxies: &[pilot_xds::ProxyStatus]| proxies.iter().map(|proxy| &*proxy.proxy).eq(["there.default"]);
    let forgotten = mesh.handles.sync.wait_until_all(only);
    tokio::time::timeout(std::time::Duration::from_secs(30), forgotten).await.expect("it is still there");
    assert_eq!(mesh.source.attached.load(Ordering::SeqCst), 1, "detached");
    assert_eq!(mesh.handles.metrics.connected(), 1);
    let second = mesh.publish(|edit| edit.set(cluster(3, "b")));
    mesh.handles.sync.wait_for("there.default", second).await;
    drop(gone);
}

#[tokio::test]
async fn a_state_of_the_world_proxy_gets_routes_with_their_hosts_inside() {
    let mut mesh = Mesh::start(ServerConfig::default()).await;
    let first = mesh.publish(|edit| services(edit, 50, "a"));
    let id = "sidecar~10.0.0.1~old.default~default.svc.cluster.local".to_owned();
    let node = pilot_xds::wire::Node { id, ..Default::default() };
    let proxy = TestProxy::connect(mesh.addr, SotwEnvoy::new(node, mesh.knowledge.clone())).await.unwrap();
    mesh.handles.sync.wait_for("old.default", first).await;
    let mut proxy = proxy;
    assert!(proxy.wait_until(|envoy| envoy.held(ResourceType::InlineRoute).contains_key("80")).await);
    proxy.look(|envoy| {
        assert_eq!(envoy.held(ResourceType::Endpoints).len(), 50);
        assert_eq!(envoy.held(ResourceType::InlineRoute)["80"].references.clusters.len(), 50);
    });
    let responses = |envoy: &SotwEnvoy| ResourceType::ALL.map(|kind| envoy.responses(kind));
    let before = proxy.look(responses);
    let second = mesh.publish(|edit| edit.set(endpoints(1, "b")));
    mesh.handles.sync.wait_for("old.default", second).await;
    let after = proxy.look(responses);
    assert_eq!(after[ResourceType::Endpoints.index()], before[ResourceType::Endpoints.index()] + 1);
    assert_eq!(after.iter().sum::<u64>(), before.iter().sum::<u64>() + 1);
}

#[tokio::test]
async fn what_listeners_name_goes_after_the_drain_time() {
    let drain_time = std::time::Duration::from_millis(1);
    let config =
        ServerConfig { drained_prefix: "outbound|80||svc-3.".into(), drain_time, ..ServerConfig::default() };
    let mut mesh = Mesh::start(config).await;
    let first = mesh.publish(|edit| services(edit, 9, "a"));
    let mut proxy = TestProxy::connect(mesh.addr, mesh.envoy("web.default")).await.unwrap();
    mesh.handles.sync.wait_for("web.default", first).await;
    let gone = cluster(3, "a");
    let second = mesh.publish(|edit| {
        edit.remove(ResourceType::VirtualHost, host(3, "a").name());
        edit.remove(ResourceType::Cluster, gone.name());
    });
    mesh.handles.sync.wait_for("web.default", second).await;
    assert!(proxy.wait_until(|envoy| envoy.version(ResourceType::Cluster, gone.name()).is_none()).await);
}
