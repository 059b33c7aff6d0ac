//! The fleet: a proxy for each pod of a mesh, all in this process and on one thread.
//!
//! In: pods and a server's address. Out: how long it took until all of them had what they were to have, and how many bytes that
//! was. Knows what proxies report, not how they speak.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pilot_xds::wire::{BuildVersion, Extension, Locality, Node, SemanticVersion};
use prost_types::{Struct, Value, value::Kind as ValueKind};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::proxy::{Board, Catalog, Delivery, Kind, Proxy, Start, Surroundings, Watched, run};
use crate::secure::Secure;
use crate::shape::{Pod, Shape, node};

/// Connections that are opened at a time.
const OPENING: usize = 100;

/// All proxies of a mesh, connected or not.
pub struct Fleet {
    proxies: Vec<Rc<RefCell<Proxy>>>,
    /// What each proxy proves itself with, where the server asks for it.
    tokens: Option<Vec<String>>,
    connections: BTreeMap<usize, JoinHandle<()>>,
    surroundings: Surroundings,
    generation: Cell<u64>,
}

/// What it took to configure proxies.
#[derive(Clone, Copy, Debug)]
pub struct Configured {
    /// From the first connection to the last proxy having everything.
    pub wall: Duration,
    /// Bytes of all responses.
    pub bytes: u64,
    /// How many responses.
    pub responses: u64,
}

/// What it took to bring an edit to all connected proxies.
#[derive(Clone, Copy, Debug)]
pub struct Edited {
    /// When it arrived.
    pub delivery: Delivery,
    /// Bytes of all responses.
    pub bytes: u64,
}

impl Fleet {
    /// The proxies of a mesh, none of them connected.
    pub fn new(server: SocketAddr, shape: Shape, secure: Option<Secure>) -> Result<Self> {
        let proxies = shape.pods().map(|pod| Rc::new(RefCell::new(Proxy::new(describe(&pod))))).collect();
        let token =
            |secure: &Secure| shape.pods().map(|pod| secure.token(&pod.namespace, &pod.app)).collect();
        let tokens = secure.as_ref().map(token).transpose()?;
        let surroundings = Surroundings {
            server,
            catalog: Rc::new(RefCell::new(Catalog::default())),
            board: Rc::default(),
            opening: Rc::new(Semaphore::new(OPENING)),
            secure: secure.map(Rc::new),
        };
        Ok(Self { proxies, tokens, connections: BTreeMap::new(), surroundings, generation: Cell::new(0) })
    }

    /// How many proxies there are.
    pub fn len(&self) -> usize {
        self.proxies.len()
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.connections.len()
    }

    /// What the proxies report.
    pub fn board(&self) -> &Board {
        &self.surroundings.board
    }

    /// Connects some proxies, all at once, and waits until they have everything.
    pub async fn connect(&mut self, proxies: Range<usize>, start: Start) -> Result<Configured> {
        let board = self.surroundings.board.clone();
        let (target, bytes, responses) =
            (board.configured.get() + proxies.len(), board.bytes(), board.responses.get());
        let began = self.begin(proxies, start);
        let configured =
            board.until("all proxies have everything", |board| board.configured.get() >= target).await;
        configured.with_context(|| self.unfinished())?;
        let ended = board.configured_at.get().unwrap_or(began);
        Ok(Configured {
            wall: ended - began,
            bytes: board.bytes() - bytes,
            responses: board.responses.get() - responses,
        })
    }

    /// Connects one proxy, trying until the server is up, and waits until it has its clusters.
    pub async fn first_push(&mut self) -> Result<()> {
        let target = self.board().with_clusters.get() + 1;
        self.begin(0..1, Start::Empty);
        self.board().until("a proxy has its clusters", |board| board.with_clusters.get() >= target).await
    }

    fn begin(&mut self, proxies: Range<usize>, start: Start) -> Instant {
        let began = Instant::now();
        for index in proxies {
            let token = self.tokens.as_ref().map(|tokens| tokens[index].clone());
            let task = run(self.proxies[index].clone(), start, token, self.surroundings.clone());
            if let Some(old) = self.connections.insert(index, tokio::task::spawn_local(task)) {
                old.abort();
            }
        }
        began
    }

    /// What keeps the first proxy that does not have everything.
    fn unfinished(&self) -> String {
        let state = self.proxies.iter().filter_map(|proxy| proxy.borrow().lacks()).next();
        state.unwrap_or_else(|| "every proxy has everything".to_owned())
    }

    /// Ends all connections, as a network that goes away does.
    pub async fn disconnect(&mut self) {
        for (_, connection) in std::mem::take(&mut self.connections) {
            connection.abort();
            // It was cancelled, which is what it says.
            let _ = connection.await;
        }
    }

    /// Makes an edit and waits until every connected proxy got a resource of this kind whose name contains `part`.
    pub async fn edit(&self, kind: Kind, part: &str, edit: impl FnOnce() -> Result<()>) -> Result<Edited> {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let mut names = Vec::new();
        for name in self.surroundings.catalog.borrow().containing(kind, part) {
            names.resize(name as usize + 1, false);
            names[name as usize] = true;
        }
        let watched =
            Watched { kind, names, generation, missing: self.connections.len(), arrivals: Vec::new() };
        let board = self.board();
        board.watch(watched);
        let bytes = board.bytes();
        let edited = Instant::now();
        edit()?;
        let delivery = board.delivered(edited).await?;
        Ok(Edited { delivery, bytes: board.bytes() - bytes })
    }
}

/// What the proxy beside a pod says of itself.
pub fn describe(pod: &Pod) -> Node {
    let Pod { name, namespace, app, version, address, node: number } = pod;
    let (node_name, zone, region) = node(*number);
    let labels = [("app", app.as_str()), ("version", version), ("service.istio.io/canonical-name", app)];
    let metadata = [
        ("NAME", text(name)),
        ("NAMESPACE", text(namespace)),
        ("CLUSTER_ID", text("Kubernetes")),
        ("INSTANCE_IPS", text(&address.to_string())),
        ("INTERCEPTION_MODE", text("REDIRECT")),
        ("ISTIO_VERSION", text("1.28.0")),
        ("MESH_ID", text("cluster.local")),
        ("NODE_NAME", text(&node_name)),
        ("SERVICE_ACCOUNT", text(app)),
        ("WORKLOAD_NAME", text(app)),
        ("LABELS", object(labels.map(|(key, value)| (key, text(value))))),
    ];
    let ValueKind::StructValue(metadata) = fields(metadata) else { return Node::default() };
    let version = SemanticVersion { major_number: 1, minor_number: 40, patch: 0 };
    Node {
        id: format!("sidecar~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"),
        cluster: format!("{app}.{namespace}"),
        metadata: Some(metadata),
        locality: Some(Locality { region: region.into(), zone: zone.into(), sub_zone: String::new() }),
        user_agent_name: "envoy".into(),
        user_agent_build_version: Some(BuildVersion { version: Some(version), metadata: None }),
        extensions: EXTENSIONS.map(extension).to_vec(),
        ..Node::default()
    }
}

/// Some of the hundreds of extensions that a stock Envoy lists.
const EXTENSIONS: [&str; 6] = [
    "envoy.filters.http.router",
    "envoy.filters.http.fault",
    "envoy.filters.http.on_demand",
    "envoy.filters.network.http_connection_manager",
    "envoy.filters.network.tcp_proxy",
    "envoy.clusters.eds",
];

fn extension(name: &str) -> Extension {
    let category = name.rsplit_once('.').map_or("", |(category, _)| category);
    Extension { name: name.into(), category: category.into() }
}

fn text(value: &str) -> Value {
    Value { kind: Some(ValueKind::StringValue(value.into())) }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value { kind: Some(fields(entries)) }
}

fn fields<const N: usize>(entries: [(&str, Value); N]) -> ValueKind {
    let fields = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    ValueKind::StructValue(Struct { fields })
}
