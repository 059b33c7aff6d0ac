//! What the streams themselves cost, without sockets, HTTP/2, derivation or files: the service is called in this process and its
//! bodies are polled one after the other.
//!
//! In: a made-up snapshot of the size of the reference mesh. Out: time for each stream, spent inside the body alone: what the
//! proxies do with it is not counted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use mesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use mesh_proto::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter::ConfigType};
use mesh_proto::envoy::config::route::v3::{RouteConfiguration, Vhds};
use mesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, Rds, http_connection_manager::RouteSpecifier,
};
use pilot_xds::source::{Attachment, NoAliases, Proven, Refusal};
use pilot_xds::wire::Node;
use pilot_xds::{
    AdsService, Handles, Layer, Protocol, Resource, ResourceType, ServerConfig, Snapshot, Source, latest,
};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tower::Service as _;

use super::Options;
use crate::measure::Samples;
use crate::proxy::{Board, Catalog, Conversation, Proxy, Request, Start};
use crate::report::{Findings, Row};

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let services = options.reference().services;
    let mut findings = Findings::of("streams", rows);
    let mut world = World::new(services);
    let mut streams = Vec::new();
    let mut first = Duration::ZERO;
    let count = 2 * services;
    for index in 0..count {
        let mut stream = world.open(index)?;
        first += stream.exchange(&world)?;
        streams.push(stream);
    }
    if world.board.configured.get() != count {
        bail!("only {} of {count} streams got everything", world.board.configured.get());
    }
    let each = |total: Duration| total / u32::try_from(count).unwrap_or(u32::MAX);
    findings.time(format!("first push of {services} services, a stream"), each(first), None);
    findings.bytes("  bytes a stream", world.board.bytes() as f64 / count as f64, None);
    for kind in [ResourceType::Endpoints, ResourceType::VirtualHost] {
        let mut samples = Samples::default();
        for round in 0..options.repeat(20) {
            world.change(kind, round);
            let mut total = Duration::ZERO;
            for stream in &mut streams {
                total += stream.exchange(&world)?;
            }
            samples.add(each(total));
        }
        findings.time(
            format!("push of one {kind:?} and its acknowledgement, a stream"),
            samples.median(),
            None,
        );
    }
    Ok(())
}

/// Hands every proxy the same snapshots.
struct Everybody {
    class: latest::Sender,
    newest: Mutex<Arc<Snapshot>>,
}

impl Source for Everybody {
    async fn attach(&self, node: &Node, _: Protocol, _: Option<&Proven>) -> Result<Attachment, Refusal> {
        Ok(Attachment {
            proxy_name: node.id.as_str().into(),
            class: self.class.subscribe(),
            resolver: Arc::new(NoAliases),
            health: None,
            guard: Box::new(()),
        })
    }
}

struct World {
    source: Arc<Everybody>,
    service: AdsService<Everybody>,
    catalog: Rc<RefCell<Catalog>>,
    board: Rc<Board>,
    _ready: watch::Sender<bool>,
}

impl World {
    fn new(services: usize) -> Self {
        let layer = Layer::empty().edit(|edit| {
            for index in 0..services {
                for kind in [ResourceType::Cluster, ResourceType::Endpoints, ResourceType::VirtualHost] {
                    edit.set(made_up(kind, index, 0));
                }
            }
            edit.set(listener());
            edit.set(route());
        });
        let snapshot = Snapshot::of(layer, 1, Instant::now());
        let class = latest::Sender::new(snapshot.clone());
        let source = Arc::new(Everybody { class, newest: Mutex::new(snapshot) });
        let (ready, is_ready) = watch::channel(true);
        let service = AdsService::new(&ServerConfig::default(), source.clone(), Handles::new(is_ready));
        Self { source, service, catalog: Rc::default(), board: Rc::default(), _ready: ready }
    }

    /// Another version of one resource.
    fn change(&self, kind: ResourceType, round: usize) {
        let Everybody { class, newest } = &*self.source;
        let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut layers = newest.layers.clone();
        layers[0] = layers[0].edit(|edit| edit.set(made_up(kind, round, round + 1)));
        *newest = Snapshot::new(layers, newest.sequence + 1, Instant::now());
        class.set(newest.clone());
    }

    fn open(&mut self, index: usize) -> Result<Stream> {
        let proxy = Proxy::new(Node { id: format!("proxy-{index}"), ..Node::default() });
        let mut conversation = Conversation::new(Rc::new(RefCell::new(proxy)));
        let (requests, receiver) = mpsc::unbounded_channel();
        let requests_body = Body::new(StreamBody::new(UnboundedReceiverStream::new(receiver)));
        let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
        let request = http::Request::post(path).body(requests_body)?;
        let response = self.service.call(request).now_or_never().context("the service is not ready")??;
        let opening = conversation.open(Start::Empty, &mut self.catalog.borrow_mut())?;
        let mut stream =
            Stream { body: response.into_body(), requests, conversation, unsent: opening.into() };
        stream.send(&self.catalog.borrow())?;
        Ok(stream)
    }
}

type Frame = Result<http_body::Frame<Bytes>, tonic::Status>;

struct Stream {
    body: Body,
    requests: mpsc::UnboundedSender<Frame>,
    conversation: Conversation,
    unsent: VecDeque<Request>,
}

impl Stream {
    fn send(&mut self, catalog: &Catalog) -> Result<()> {
        for request in self.unsent.drain(..) {
            self.requests.send(Ok(http_body::Frame::data(request.encode(catalog))))?;
        }
        Ok(())
    }

    /// Reads and answers until there is nothing more to read; returns the time spent inside the body.
    fn exchange(&mut self, world: &World) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        loop {
            let before = Instant::now();
            // All streams are polled in one task, which tokio would make wait after a while.
            let frame = tokio::task::unconstrained(self.body.frame()).now_or_never();
            spent += before.elapsed();
            let Some(frame) = frame else { return Ok(spent) };
            let Ok(data) = frame.context("the stream ended")??.into_data() else {
                bail!("a stream has trailers")
            };
            let mut catalog = world.catalog.borrow_mut();
            self.unsent.extend(self.conversation.read(&data, &mut catalog, &world.board)?);
            self.send(&catalog)?;
        }
    }
}

fn made_up(kind: ResourceType, index: usize, version: usize) -> Arc<Resource> {
    let host = format!("svc-{index:05}.team-{:02}.svc.cluster.local", index % 20);
    let cluster = format!("outbound|80||{host}");
    let filling = |length: usize| format!("{version:-<length$}");
    let (name, message) = match kind {
        ResourceType::Cluster => {
            let kind = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
            let message = Cluster {
                name: cluster.clone(),
                alt_stat_name: filling(700),
                cluster_discovery_type: kind,
                ..Default::default()
            };
            (cluster, message.encode_to_vec())
        }
        ResourceType::Endpoints => (cluster, filling(400).into_bytes()),
        _ => (format!("80/{host}:80"), filling(500).into_bytes()),
    };
    Resource::new(kind, name, &message, &[], Arc::new([]))
}

fn listener() -> Arc<Resource> {
    let route_specifier =
        Some(RouteSpecifier::Rds(Rds { route_config_name: "80".into(), ..Default::default() }));
    let http = HttpConnectionManager { route_specifier, ..Default::default() };
    let config_type = Some(ConfigType::TypedConfig(mesh_proto::pack(&http)));
    let filter = Filter { name: "http".into(), config_type };
    let chain = FilterChain { filters: vec![filter], ..Default::default() };
    let message = Listener { name: "0.0.0.0_80".into(), filter_chains: vec![chain], ..Default::default() };
    Resource::new(ResourceType::Listener, "0.0.0.0_80", &message.encode_to_vec(), &[], Arc::new([]))
}

fn route() -> Arc<Resource> {
    let message = RouteConfiguration { name: "80".into(), vhds: Some(Vhds::default()), ..Default::default() };
    Resource::new(ResourceType::Route, "80", &message.encode_to_vec(), &[], Arc::new([]))
}
