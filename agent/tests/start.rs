//! An agent that could not start leaves nothing behind that would keep the next from starting.

#![allow(clippy::unwrap_used)] // Only tests are in here.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use meltemi_agent::{
    Agent, AgentError, AgentSettings, Authority, KeyKind, Parts, Revoked, Settings,
    agent::Discovery,
    envoy::{Inclusion, Listen, Locality, Node, Role, Sockets},
    renewal::GRACE,
};
use tokio::net::{TcpListener, UnixStream};

/// Of a workload whose control plane is not there: it starts all the same.
fn settings(directory: &Path, status: SocketAddr) -> AgentSettings {
    let nowhere = "127.0.0.1:1".to_owned();
    let (token, roots) = (directory.join("token"), directory.join("roots.pem"));
    let revoked = Revoked::at(directory.join("revoked"));
    let (server_name, cluster) = ("istiod".to_owned(), "Kubernetes".to_owned());
    let port = |port| SocketAddr::from(([127, 0, 0, 1], port));
    AgentSettings {
        node: Node {
            role: Role::Sidecar,
            address: [127, 0, 0, 1].into(),
            pod: "web-0".to_owned(),
            namespace: "shop".to_owned(),
            domain: "shop.svc.cluster.local".to_owned(),
            cluster: "web.shop".to_owned(),
            locality: Locality::default(),
            metadata: serde_json::Map::new(),
        },
        listen: Listen { admin: port(15000), status, health: port(15021), prometheus: port(15090) },
        sockets: Sockets { configuration: directory.join("xds"), secrets: directory.join("sds") },
        stats: Inclusion::default(),
        runtime: BTreeMap::new(),
        telemetry: Default::default(),
        roots: None,
        workload: Settings {
            authority: Authority {
                address: nowhere.clone(),
                server_name: server_name.clone(),
                cluster: cluster.clone(),
                revoked: revoked.clone(),
                key: KeyKind::P256,
            },
            token: token.clone(),
            roots: roots.clone(),
            lifetime: Duration::ZERO,
            grace: GRACE,
            renew: None,
        },
        revocations: directory.join("revoked"),
        discovery: Discovery { address: nowhere, server_name, cluster, token, roots, revoked },
        directory: directory.to_path_buf(),
    }
}

#[tokio::test]
async fn what_kept_an_agent_from_starting_is_told_each_time_and_all_that_the_next_one_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let status = taken.local_addr().unwrap();
    for _ in 0..2 {
        let error = Agent::start(settings(directory.path(), status), Parts::default()).await.unwrap_err();
        let AgentError::Listen { address, .. } = error else { panic!("{error}") };
        assert_eq!(address, status);
    }
    drop(taken);
    let agent = Agent::start(settings(directory.path(), status), Parts::default()).await.unwrap();
    assert!(agent.bootstrap().is_file());
    for socket in ["xds", "sds"] {
        UnixStream::connect(directory.path().join(socket)).await.unwrap();
    }
}
