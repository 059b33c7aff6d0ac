//! What becomes of real Envoy processes. There is no control plane here: they start, and wait for one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::Arc,
};

use meltemi_local::{
    directory::Directory,
    envoy::{EnvoyError, EnvoySettings, SidecarSpec, SidecarState, build_bootstrap},
    mesh::LocalMesh,
};
use mesh_model::{
    ChangeSet, Kind, Labels, LocalPort, LocalWorkload, Locality, Mesh, ObjectRef, Protocol, Workload,
};
use mesh_testkit::Envoy;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::Command,
};

const RUN_DIRECTORY: &str = "MELTEMI_TEST_RUN_DIRECTORY";

fn settings(envoy: &Path, run_directory: &Path) -> EnvoySettings {
    EnvoySettings {
        binary: envoy.to_path_buf(),
        // Nobody listens there.
        xds: "127.0.0.1:1".parse().unwrap(),
        agents: None,
        run_directory: run_directory.to_path_buf(),
        cluster_id: "Kubernetes".to_owned(),
        domain: "cluster.local".to_owned(),
    }
}

/// Tests run at the same time: each takes a network of its own.
fn workload(network: u8, name: &str, pod_index: u8) -> Arc<Workload> {
    let address = |last| IpAddr::from([127, 200, network, last]);
    Arc::new(Workload {
        object: ObjectRef::new(Kind::Pod, "shop", name),
        addresses: vec![address(pod_index)],
        labels: Arc::new(Labels::from([("app".into(), name.into())])),
        service_account: "default".into(),
        locality: Locality::default(),
        network: "".into(),
        node: "".into(),
        named_ports: Vec::new(),
        ready: true,
        mtls: false,
        local: Some(LocalWorkload {
            application: address(pod_index + 100),
            ports: vec![LocalPort { number: 8080, protocol: Protocol::Http }],
            probes: Vec::new(),
        }),
    })
}

fn mesh_of<const N: usize>(workloads: [&Arc<Workload>; N]) -> Mesh {
    let mut mesh = Mesh::default();
    for workload in workloads {
        mesh.set_workload(workload.object.clone(), Some(workload.clone()), &mut ChangeSet::default());
    }
    mesh
}

/// Connected to the admin port: this ends when the Envoy does.
async fn admin_connection(directory: &Directory, pod: &str) -> TcpStream {
    let mut changes = directory.changes();
    loop {
        let entries = directory.entries();
        let entry = entries.iter().find(|entry| *entry.identity.pod == *pod).unwrap();
        if let SidecarState::Down { reason } = &entry.sidecar {
            panic!("{reason}");
        }
        if let Ok(stream) = TcpStream::connect(entry.admin).await {
            return stream;
        }
        // No event tells that a port is open.
        let again = std::time::Duration::from_millis(20);
        let _ = tokio::time::timeout(again, changes.changed()).await;
    }
}

async fn closed(mut connection: TcpStream) {
    // An error (reset) means the same as an end.
    let _ = connection.read(&mut [0]).await;
}

async fn is_free(address: SocketAddr) -> bool {
    tokio::net::TcpListener::bind(address).await.is_ok()
}

#[tokio::test]
async fn envoy_accepts_the_bootstrap() {
    let Some(envoy) = Envoy::binary() else { return };
    let directory = tempfile::tempdir().unwrap();
    let spec = SidecarSpec::of(&Mesh::default(), &workload(1, "cart-0", 1)).unwrap();
    let bootstrap = build_bootstrap(&spec, &settings(&envoy, directory.path()));
    assert_eq!(bootstrap["node"]["id"], "sidecar~127.200.1.1~cart-0.shop~shop.svc.cluster.local");
    assert_eq!(bootstrap["node"]["metadata"]["MELTEMI_APPLICATION_ADDRESS"], "127.200.1.101");
    let path = directory.path().join("bootstrap.json");
    std::fs::write(&path, bootstrap.to_string()).unwrap();
    let mut validate = Command::new(&envoy);
    validate.args(["--mode", "validate", "--log-level", "warning", "-c"]).arg(&path);
    let output = validate.output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("[warning]"), "{log}");
}

#[tokio::test]
async fn what_runs_follows_what_is_wanted() {
    let Some(envoy) = Envoy::binary() else { return };
    let directory = tempfile::tempdir().unwrap();
    let shown = Directory::default();
    let mut mesh = LocalMesh::new(settings(&envoy, directory.path()), shown.clone()).unwrap();
    let (cart, catalog) = (workload(2, "cart-0", 1), workload(2, "catalog-0", 2));
    mesh.apply(&mesh_of([&cart, &catalog])).await;
    let first = admin_connection(&shown, "cart-0").await;
    let second = admin_connection(&shown, "catalog-0").await;

    // Another port: the application is started anew, its Envoy is not.
    let mut changed = Arc::unwrap_or_clone(cart.clone());
    changed.local.as_mut().unwrap().ports[0].number = 8081;
    mesh.apply(&mesh_of([&Arc::new(changed.clone()), &catalog])).await;
    let application = SocketAddr::new(changed.local.as_ref().unwrap().application, 8080);
    assert!(is_free(application).await);
    assert_eq!(shown.entries()[0].ports[0].number, 8081);

    mesh.apply(&mesh_of([&catalog])).await;
    closed(first).await;
    assert_eq!(shown.entries().len(), 1);

    mesh.stop().await;
    closed(second).await;
    assert!(shown.entries().is_empty());
    let admin = SidecarSpec::of(&Mesh::default(), &catalog).unwrap().admin();
    assert!(is_free(admin).await);
}

#[tokio::test]
async fn an_envoy_that_dies_is_started_again() {
    let Some(envoy) = Envoy::binary() else { return };
    let directory = tempfile::tempdir().unwrap();
    let shown = Directory::default();
    let mut mesh = LocalMesh::new(settings(&envoy, directory.path()), shown.clone()).unwrap();
    mesh.apply(&mesh_of([&workload(3, "cart-0", 1)])).await;
    let connection = admin_connection(&shown, "cart-0").await;
    let mut changes = shown.changes();
    changes.mark_unchanged();
    // Envoy's own way to end: the supervisor can't tell it from a crash.
    let quit = tokio::net::TcpStream::connect(shown.entries()[0].admin).await.unwrap();
    post_quit(quit).await;
    closed(connection).await;
    // Down, then starting.
    changes.changed().await.unwrap();
    while !matches!(shown.entries()[0].sidecar, SidecarState::Starting) {
        changes.changed().await.unwrap();
    }
    admin_connection(&shown, "cart-0").await;
    mesh.stop().await;
}

async fn post_quit(mut admin: TcpStream) {
    use tokio::io::AsyncWriteExt;
    let request = b"POST /quitquitquit HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    admin.write_all(request).await.unwrap();
    closed(admin).await;
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(Path::new("/nowhere/envoy"), directory.path());
    let error = LocalMesh::new(settings, Directory::default()).unwrap_err();
    assert!(matches!(error, EnvoyError::Run { .. }));
    let text = error.to_string();
    assert!(text.contains("/nowhere/envoy") && text.contains("--envoy"), "{text}");
}

/// Another process runs this test's own binary as the owner of an Envoy, and is killed without warning.
#[tokio::test]
async fn a_killed_owner_takes_its_envoys_along() {
    if Envoy::binary().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "own_an_envoy_forever", "--ignored", "--nocapture"])
        .env(RUN_DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let admin: SocketAddr = loop {
        let line = lines.next_line().await.unwrap().expect("the owner ended early");
        // The test harness writes before it on the same line.
        if let Some((_, address)) = line.split_once("admin at ") {
            break address.parse().unwrap();
        }
    };
    let connection = TcpStream::connect(admin).await.unwrap();
    owner.kill().await.unwrap();
    closed(connection).await;
}

#[tokio::test]
#[ignore = "run by a_killed_owner_takes_its_envoys_along"]
async fn own_an_envoy_forever() {
    let Some(envoy) = Envoy::binary() else { return };
    let run_directory = std::env::var(RUN_DIRECTORY).unwrap();
    let shown = Directory::default();
    let mut mesh = LocalMesh::new(settings(&envoy, Path::new(&run_directory)), shown.clone()).unwrap();
    mesh.apply(&mesh_of([&workload(4, "cart-0", 1)])).await;
    let connection = admin_connection(&shown, "cart-0").await;
    println!("admin at {}", connection.peer_addr().unwrap());
    std::future::pending::<()>().await;
}
