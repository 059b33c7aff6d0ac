//! `explain route` and a real Envoy agree: random meshes, random requests, and for each request the same rule, cluster,
//! endpoint, redirect or status.
//!
//! Every answer says which rule and which cluster it came by: the generated VirtualServices set response headers to that, and
//! endpoints say who they are. A disagreement shows mesh, request, explanation and answer, and the seed that makes them again
//! (`MELTEMI_SEED`).

mod client;
mod expect;
mod generate;
mod opaque;
mod random;
mod stub;

use anyhow::{Context, Result, bail};
use client::{Client, bootstrap};
use futures::future::try_join_all;
use generate::{Generator, NAMESPACE};
use mesh_model::Labels;
use mesh_testkit::{Envoy, eventually, ports::Loopback};
use mesh_tests::flow::{TestMesh, within};
use pilot_view::{
    Capture, NodeOptions, Proxy,
    explain::{Explanation, Outcome, Request, Scene, Target},
};
use random::Random;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use stub::Stubs;

const ROUNDS: usize = 30;
const REQUESTS: usize = 240;
/// Meshes for connections that are no requests, and connections to each.
const OPAQUE_ROUNDS: usize = 25;
const CONNECTIONS: usize = 60;
/// Until a listener that Envoy has acknowledged takes connections.
const SOON: Duration = Duration::from_secs(10);
/// Connections to Envoy at a time.
const CLIENTS: usize = 4;
const POD: &str = "client";

#[test]
fn envoy_and_explain_agree() {
    run(agree);
}

#[test]
fn envoy_and_explain_agree_on_connections() {
    run(agree_on_connections);
}

#[expect(clippy::unwrap_used, reason = "only tests run this")]
fn run(test: impl AsyncFnOnce(u64) -> Result<()>) {
    let seed = std::env::var("MELTEMI_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(random::fresh_seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(test(seed));
    outcome.unwrap_or_else(|error| panic!("MELTEMI_SEED={seed}: {error:#}"));
}

/// A mesh, and an Envoy that is configured from it.
struct Stage {
    mesh: TestMesh,
    proxy: Proxy,
    /// Where Envoy's HTTP proxy listens.
    listener: SocketAddr,
    _envoy: Envoy,
    _loopback: Loopback,
}

impl Stage {
    /// With this mesh; `None` where there is no Envoy.
    async fn set(mesh: &str) -> Result<Option<Self>> {
        let mesh = TestMesh::start(&[("mesh.yaml", mesh)]).await?;
        let loopback = Loopback::claim()?;
        let listener = loopback.port()?.release();
        let bootstrap = bootstrap(mesh.pilot.grpc_address(), listener, POD, NAMESPACE).to_string();
        let Some(envoy) = Envoy::start(&bootstrap).await else { return Ok(None) };
        Ok(Some(Self { mesh, proxy: proxy(listener), listener, _envoy: envoy, _loopback: loopback }))
    }
}

async fn agree(seed: u64) -> Result<()> {
    let started = Instant::now();
    let stubs = Stubs::start().await?;
    let mut generator = Generator::new(Random::new(seed), stubs.addresses());
    let Some(stage) = Stage::set(&generator.mesh()).await? else { return Ok(()) };
    let Stage { mesh, proxy, listener, .. } = &stage;
    let listener = *listener;
    let mut counts = expect::Counts::default();
    for round in 0..ROUNDS {
        if round > 0 {
            mesh.edit("mesh.yaml", &generator.mesh()).await?;
        }
        settle(mesh, proxy).await?;
        let snapshot = mesh.pilot.mesh().borrow().clone();
        let scene = Scene::new(&snapshot, proxy, &|_| None);
        let requests: Vec<Request> = (0..REQUESTS).map(|_| worth_asking(&mut generator, &scene)).collect();
        let share = |chunk: &[Request]| {
            let chunk = chunk.to_vec();
            async move {
                let mut client = Client::connect(listener).await?;
                let mut answers = Vec::new();
                for request in &chunk {
                    answers.push(client.send(request).await.with_context(|| format!("{request:?}"))?);
                }
                anyhow::Ok(answers)
            }
        };
        let answers = within(try_join_all(requests.chunks(REQUESTS.div_ceil(CLIENTS)).map(share))).await??;
        for (request, answer) in requests.iter().zip(answers.into_iter().flatten()) {
            let explanation = scene.explain(request);
            if let Err(difference) = expect::compare(&explanation, &answer, &mut counts) {
                bail!(
                    "round {round}: {difference}\n{request:#?}\n{explanation}\n{answer:#?}\n{}",
                    generator.current()
                );
            }
        }
    }
    report(&format!("{counts:?} in {:?}, seed {seed}", started.elapsed()));
    counts.check()
}

async fn agree_on_connections(seed: u64) -> Result<()> {
    let started = Instant::now();
    let stubs = Stubs::start().await?;
    let (mut random, addresses) = (Random::new(seed), stubs.addresses());
    let mut text = opaque::mesh(&mut random, &addresses);
    let Some(stage) = Stage::set(&text).await? else { return Ok(()) };
    let Stage { mesh, proxy, listener, .. } = &stage;
    let mut counts = opaque::Counts::default();
    for round in 0..OPAQUE_ROUNDS {
        if round > 0 {
            text = opaque::mesh(&mut random, &addresses);
            mesh.edit("mesh.yaml", &text).await?;
        }
        settle(mesh, proxy).await?;
        let snapshot = mesh.pilot.mesh().borrow().clone();
        let scene = Scene::new(&snapshot, proxy, &|_| None);
        for _ in 0..CONNECTIONS {
            let request = opaque::request(&mut random);
            // Envoy's workers follow what it acknowledges, a little later.
            let explanation = eventually(SOON, async || {
                let (explanation, difference) = opaque::compare(&scene, &request, listener.ip()).await?;
                match difference {
                    None => Ok(explanation),
                    Some(difference) => {
                        bail!("round {round}: {difference}\n{request:#?}\n{explanation}\n{text}")
                    }
                }
            })
            .await?;
            counts.passed += explanation.passed.len();
            counts.by_rule += usize::from(explanation.rule.is_some());
            match explanation.outcome {
                Outcome::Forwarded(targets) if targets.iter().all(Target::reachable) => counts.answered += 1,
                _ => counts.closed += 1,
            }
        }
    }
    report(&format!("{counts:?} in {:?}, seed {seed}", started.elapsed()));
    counts.check()
}

#[expect(clippy::print_stderr, reason = "the figures belong to the output of the test")]
fn report(figures: &str) {
    eprintln!("{figures}");
}

/// A request to a host that is known, if one is found soon: unknown ones are all alike. None leaves this machine, as one to an unknown
/// address would.
fn worth_asking(generator: &mut Generator, scene: &Scene<'_>) -> Request {
    let mut tries = 0;
    loop {
        tries += 1;
        let request = generator.request();
        let Explanation { virtual_host, outcome, .. } = scene.explain(&request);
        let host = request.authority.rsplit_once(':').map_or(&*request.authority, |(host, _)| host);
        let leaves = host.parse::<IpAddr>().is_ok() && matches!(outcome, Outcome::Forwarded(_));
        if virtual_host.is_some() || (tries > 2 && !leaves) {
            return request;
        }
    }
}

fn proxy(listener: SocketAddr) -> Proxy {
    Proxy {
        name: format!("{POD}.{NAMESPACE}").into(),
        workload: None,
        namespace: NAMESPACE.into(),
        labels: Arc::new(Labels::from([("app".into(), POD.into())])),
        addresses: vec![listener.ip()],
        locality: Default::default(),
        network: Default::default(),
        has_identity: false,
        dns_capture: false,
        settings: None,
        cluster: Default::default(),
        capture: Capture::None { bind: listener.ip(), application: listener.ip() },
        options: Arc::new(NodeOptions { http_proxy_port: Some(listener.port()), ..NodeOptions::default() }),
        self_discovery: false,
    }
}

/// Waits until Envoy has acknowledged the mesh as it is now.
async fn settle(mesh: &TestMesh, proxy: &Proxy) -> Result<()> {
    let sync = &mesh.pilot.xds().sync;
    let name = &*proxy.name;
    within(sync.wait_until(|status| *status.proxy == *name)).await?;
    let snapshot = mesh.pilot.publisher().snapshot(name).context("it is connected")?;
    within(sync.wait_for(name, snapshot.sequence))
        .await
        .with_context(|| format!("not acknowledged; rejected: {:#?}", mesh.pilot.xds().rejections.report()))
}
