//! `explain route` and a real Envoy agree: random meshes, random requests, and for each request the same rule, cluster,
//! endpoint, redirect or status.
//!
//! Every answer says which rule and which cluster it came by: the generated VirtualServices set response headers to that, and
//! endpoints say who they are. A disagreement is made as simple as it can be, with the same Envoy, and shows mesh, request, explanation and
//! answer, and the seed that makes them again (`MELTEMI_SEED`).

mod blocks;
mod client;
mod expect;
mod generate;
mod opaque;
mod seed;
mod simplest;
mod stub;

use anyhow::{Context, Result, bail};
use client::{Answer, Client, bootstrap};
use futures::future::try_join_all;
use generate::NAMESPACE;
use mesh_model::Labels;
use mesh_testkit::{Envoy, eventually, ports::Loopback};
use mesh_tests::flow::{TestMesh, within};
use pilot_ingest::{Ingest, parse_file};
use pilot_view::{
    Capture, NodeOptions, Proxy,
    explain::{Explanation, Outcome, Request, Scene, Target},
};
use proptest::test_runner::TestRunner;
use seed::Simpler;
use serde_json::Value;
use simplest::simplest;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use stub::Stubs;

const ROUNDS: usize = 60;
const REQUESTS: usize = 160;
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
    let seed =
        std::env::var("MELTEMI_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(seed::fresh);
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
    edits: usize,
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
        let proxy = proxy(listener);
        Ok(Some(Self { mesh, proxy, listener, edits: 0, _envoy: envoy, _loopback: loopback }))
    }

    /// With another mesh. One that means the same is told apart by an edit that means something.
    async fn edit(&mut self, mesh: &str) -> Result<()> {
        self.edits += 1;
        let mark = opaque::mark(self.edits);
        self.mesh.edit("mesh.yaml", &format!("{mesh}\n---\n{mark}")).await
    }

    /// What is different between what `request` is said to come to in `mesh` and what it does, if anything.
    async fn disagree(&mut self, mesh: &str, request: &Request) -> Result<Option<String>> {
        self.edit(mesh).await?;
        settle(&self.mesh, &self.proxy).await?;
        let snapshot = self.mesh.pilot.mesh().borrow().clone();
        let explanation = Scene::new(&snapshot, &self.proxy, &|_| None).explain(request);
        let answer = within(async { Client::connect(self.listener).await?.send(request).await }).await??;
        let difference = expect::compare(&explanation, &answer, &mut expect::Counts::default()).err();
        Ok(difference
            .map(|difference| format!("{difference}\n{request:#?}\n{explanation}\n{answer:#?}\n{mesh}")))
    }

    /// Where Envoy takes a connection: as explained, or what is different after so long.
    async fn connect(&self, request: &Request, within: Duration) -> Result<Result<Explanation, String>> {
        let snapshot = self.mesh.pilot.mesh().borrow().clone();
        let scene = Scene::new(&snapshot, &self.proxy, &|_| None);
        // Envoy's workers follow what it acknowledges, a little later.
        let agreed = eventually(within, async || {
            let (explanation, difference) = opaque::compare(&scene, request, self.listener.ip()).await?;
            match difference {
                None => Ok(explanation),
                Some(difference) => bail!("{difference}\n{request:#?}\n{explanation}"),
            }
        });
        Ok(agreed.await.map_err(|error| format!("{error:#}")))
    }
}

async fn agree(seed: u64) -> Result<()> {
    let started = Instant::now();
    let endpoints = Stubs::start().await?;
    let stubs = endpoints.addresses();
    let mut runner = seed::runner(seed);
    let meshes = generate::mesh();
    let mut objects = seed::next(&meshes, &mut runner)?;
    let Some(mut stage) = Stage::set(&generate::text(&objects.current(), &stubs)).await? else {
        return Ok(());
    };
    let mut counts = expect::Counts::default();
    for round in 0..ROUNDS {
        if round > 0 {
            objects = seed::next(&meshes, &mut runner)?;
            stage.edit(&generate::text(&objects.current(), &stubs)).await?;
        }
        settle(&stage.mesh, &stage.proxy).await?;
        let snapshot = stage.mesh.pilot.mesh().borrow().clone();
        let scene = Scene::new(&snapshot, &stage.proxy, &|_| None);
        let mut requests = Vec::new();
        for _ in 0..REQUESTS {
            requests.push(worth_asking(&mut runner, &scene)?);
        }
        let asked: Vec<Request> = requests.iter().map(|request| request.current()).collect();
        let answers = answers(stage.listener, &asked).await?;
        for (index, answer) in answers.into_iter().enumerate() {
            let explanation = scene.explain(&asked[index]);
            if let Err(difference) = expect::compare(&explanation, &answer, &mut counts) {
                let told = format!("{difference}\n{explanation}\n{answer:#?}");
                let request = &mut requests[index];
                let proxy = stage.proxy.clone();
                let gist = gist(&explanation);
                let alike = |objects: &Vec<Value>, request: &Request| {
                    self::gist(&explain(&generate::text(objects, &stubs), &proxy, request)) == gist
                };
                let told = simplest(&mut objects, request, told, alike, async |objects, request| {
                    stage.disagree(&generate::text(&objects, &stubs), &request).await
                });
                bail!("round {round}: {}", told.await);
            }
        }
    }
    report(&format!("{counts:?} in {:?}, seed {seed}", started.elapsed()));
    counts.check()
}

/// What is said of a request in a mesh that nobody has yet.
fn explain(mesh: &str, proxy: &Proxy, request: &Request) -> Explanation {
    let mut ingest = Ingest::new(pilot_ingest::Context::default());
    let edit = parse_file(&"mesh.yaml".into(), mesh.as_bytes(), ingest.context());
    ingest.apply(vec![edit]);
    Scene::new(ingest.mesh(), proxy, &|_| None).explain(request)
}

/// What has to stay of an explanation while the mesh is made simpler: which rule it is, and where it leads.
fn gist(explanation: &Explanation) -> String {
    let Explanation { rule, virtual_host, outcome, aborted, .. } = explanation;
    let outcome = match outcome {
        Outcome::Forwarded(targets) => {
            let reached = |target: &Target| format!("{} {}", target.cluster, target.reachable());
            targets.iter().map(reached).collect::<Vec<_>>().join(", ")
        }
        other => format!("{other:?}"),
    };
    let path = rule.as_ref().map(|rule| (&rule.delegate, rule.object.as_ref()));
    format!("{path:?} {:?} {aborted:?} {outcome}", virtual_host.as_ref().map(|host| &host.name))
}

/// What Envoy answers to each, asked over some connections at a time.
async fn answers(listener: SocketAddr, requests: &[Request]) -> Result<Vec<Answer>> {
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
    let shares = requests.chunks(requests.len().div_ceil(CLIENTS)).map(share);
    Ok(within(try_join_all(shares)).await??.into_iter().flatten().collect())
}

async fn agree_on_connections(seed: u64) -> Result<()> {
    let started = Instant::now();
    let endpoints = Stubs::start().await?;
    let stubs = endpoints.addresses();
    let mut runner = seed::runner(seed);
    let (meshes, connections) = (opaque::mesh(), opaque::request());
    let mut objects = seed::next(&meshes, &mut runner)?;
    let Some(mut stage) = Stage::set(&generate::text(&objects.current(), &stubs)).await? else {
        return Ok(());
    };
    let mut counts = opaque::Counts::default();
    for round in 0..OPAQUE_ROUNDS {
        if round > 0 {
            objects = seed::next(&meshes, &mut runner)?;
            stage.edit(&generate::text(&objects.current(), &stubs)).await?;
        }
        settle(&stage.mesh, &stage.proxy).await?;
        for _ in 0..CONNECTIONS {
            let mut request = seed::next(&connections, &mut runner)?;
            match stage.connect(&request.current(), SOON).await? {
                Ok(explanation) => counts.add(&explanation),
                Err(told) => {
                    let proxy = stage.proxy.clone();
                    let gist = gist(&explain(
                        &generate::text(&objects.current(), &stubs),
                        &proxy,
                        &request.current(),
                    ));
                    let alike = |objects: &Vec<Value>, request: &Request| {
                        self::gist(&explain(&generate::text(objects, &stubs), &proxy, request)) == gist
                    };
                    let told = simplest(&mut objects, &mut request, told, alike, async |objects, request| {
                        stage.edit(&generate::text(&objects, &stubs)).await?;
                        settle(&stage.mesh, &stage.proxy).await?;
                        Ok(stage.connect(&request, Duration::from_secs(1)).await?.err())
                    });
                    bail!("round {round}: {}", told.await);
                }
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
fn worth_asking(runner: &mut TestRunner, scene: &Scene<'_>) -> Result<Simpler<Request>> {
    let requests = generate::request();
    let mut tries = 0;
    loop {
        tries += 1;
        let tree = seed::next(&requests, runner)?;
        let request = tree.current();
        let Explanation { virtual_host, outcome, .. } = scene.explain(&request);
        let host = request.authority.rsplit_once(':').map_or(&*request.authority, |(host, _)| host);
        let leaves = host.parse::<IpAddr>().is_ok() && matches!(outcome, Outcome::Forwarded(_));
        if virtual_host.is_some() || (tries > 2 && !leaves) {
            return Ok(tree);
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
