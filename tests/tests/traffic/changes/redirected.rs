//! Edits where traffic is redirected, as in pods: 500 requests a second over both versions of IP, and connections of bytes that stay. None
//! fails, none breaks.

use super::AFTER_EACH;
use crate::{
    figures,
    redirect::{control_plane, echo_at, redirecting, sidecar},
};
use anyhow::{Context, Result, ensure};
use mesh_testkit::SweptDir;
use mesh_tests::traffic::{
    Load, Streams,
    namespace::{Namespace, Network},
};
use pilot::Pilot;
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::oneshot;

const WITHIN: Duration = Duration::from_secs(60);
/// Requests a second, over each version of IP.
const RATE: u32 = 250;
/// Connections that stay, over each.
const KEPT: usize = 4;
/// So often there and back.
const ROUNDS: usize = 2;
/// Of the services `four` and `six`.
const VIPS: [&str; 2] = ["10.96.0.30", "fd96::30"];

/// All that an edit may change.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The routes lead to a subset, those of bytes, too.
    subset: bool,
    /// The services lead to other ports of their pod.
    moved: bool,
    /// Their EndpointSlices say so, too: whoever writes them is later.
    listed: bool,
    /// The client's Sidecar shows it nothing but what it needs.
    tight: bool,
    /// Other services lead to other ports of the same pod, and to nowhere.
    others: bool,
}

const HERE: State = State { subset: false, moved: false, listed: false, tight: false, others: false };

impl State {
    fn yaml(self) -> String {
        let Self { subset, moved, listed, tight, others } = self;
        let pod = |name: &str, last: u8| {
            format!(
                "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: pods, labels: {{app: {name}, version: v1}}}}
spec: {{containers: [{{name: {name}, image: example.com/app}}]}}
status:
  phase: Running
  podIP: 10.77.0.{last}
  podIPs: [{{ip: 10.77.0.{last}}}, {{ip: 'fd77::{last}'}}]
  conditions: [{{type: Ready, status: 'True'}}]
"
            )
        };
        let subset = if subset { ", subset: one" } else { "" };
        let ports = |moved| if moved { (8081, 9092) } else { (8080, 9090) };
        let ((http, tcp), (http_listed, tcp_listed)) = (ports(moved), ports(listed));
        let service = |name: &str, vip: &str, version: &str, address: &str| {
            format!(
                "---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: pods}}
spec:
  clusterIP: '{vip}'
  clusterIPs: ['{vip}']
  selector: {{app: app}}
  ports: [{{name: http, port: 80, targetPort: {http}}}, {{name: tcp, port: 9000, targetPort: {tcp}}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: pods, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: {version}
ports: [{{name: http, port: {http_listed}}}, {{name: tcp, port: {tcp_listed}}}]
endpoints: [{{addresses: ['{address}'], targetRef: {{kind: Pod, name: app, namespace: pods}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: pods}}
spec: {{host: {name}, subsets: [{{name: one, labels: {{version: v1}}}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: pods}}
spec:
  hosts: [{name}]
  http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {name}, port: {{number: 80}}{subset}}}}}]}}]
  tcp: [{{match: [{{port: 9000}}], route: [{{destination: {{host: {name}, port: {{number: 9000}}{subset}}}}}]}}]
"
            )
        };
        let mut yaml = [
            pod("client", 2),
            pod("app", 3),
            service("four", VIPS[0], "IPv4", "10.77.0.3"),
            service("six", VIPS[1], "IPv6", "fd77::3"),
        ]
        .concat();
        if others {
            yaml += "---
apiVersion: v1
kind: Service
metadata: {name: beside, namespace: pods}
spec: {clusterIP: 10.96.0.40, selector: {app: app}, ports: [{name: tcp, port: 9000, targetPort: 9091}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: pods}
spec: {clusterIP: 10.96.0.41, selector: {app: none}, ports: [{name: http, port: 80}, {name: tcp, port: 9001}]}
";
        }
        if tight {
            yaml += "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: client, namespace: pods}
spec:
  workloadSelector: {labels: {app: client}}
  egress: [{hosts: [./four.pods.svc.cluster.local, ./six.pods.svc.cluster.local]}]
";
        }
        yaml
    }
}

#[test]
fn redirected_traffic_notices_no_edit() {
    redirecting(redirected);
}

fn redirected(binary: PathBuf) -> Result<()> {
    let network = Network::new(2)?;
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    network.hub.run_async(|| async {
        let directory = SweptDir::new("meltemi-redirect-")?;
        let files = directory.path().join("files");
        fs::create_dir(&files)?;
        fs::write(files.join("mesh.yaml"), HERE.yaml())?;
        let (_trigger, pilot) = control_plane(&network, &files).await?;
        let (xds, six) = (pilot.grpc_address(), |at: &Namespace| [IpAddr::from(at.address_v6())]);
        let (near, far) = (six(client), six(app));
        let near = sidecar("client", client, &near, &binary, xds);
        let (near, far) = tokio::join!(near, sidecar("app", app, &far, &binary, xds));
        let (near, far) = (near.context("Envoy")?, far.context("Envoy")?);

        let (serving, served) = oneshot::channel::<()>();
        let (up, listening) = oneshot::channel::<()>();
        let application = tokio::task::spawn_blocking({
            let (app, addresses) = (app.try_clone()?, [app.address(), app.address_v6().into()]);
            move || {
                app.run_async(|| async move {
                    let _four = echo_at(addresses[0], "app").await?;
                    let _six = echo_at(addresses[1], "app").await?;
                    let _ = up.send(());
                    let _ = served.await;
                    Ok(())
                })
            }
        });
        near.ready().await?;
        far.ready().await?;
        listening.await.context("the application does not listen")?;
        let visited = visit(client, &pilot, &files).await;
        drop(serving);
        application.await??;
        visited
    })
}

/// Requests and connections of a program in the pod, until they are stopped.
struct Visit {
    loads: Vec<Load>,
    streams: Vec<Streams>,
}

impl Visit {
    async fn begin() -> Result<Self> {
        let (mut loads, mut streams) = (Vec::new(), Vec::new());
        for (vip, host) in VIPS.into_iter().zip(["four", "six"]) {
            let vip: IpAddr = vip.parse()?;
            streams.push(Streams::open(SocketAddr::new(vip, 9000), KEPT).await.context(host)?);
            loads.push(Load::direct(SocketAddr::new(vip, 80), &format!("http://{host}/"), RATE)?);
        }
        Ok(Self { loads, streams })
    }

    fn meanwhile(&self, meanwhile: &str) {
        for (load, streams) in self.loads.iter().zip(&self.streams) {
            load.meanwhile(meanwhile);
            streams.meanwhile(meanwhile);
        }
    }

    async fn end(self) -> Result<String> {
        let (mut rates, mut broken) = (Vec::new(), Vec::new());
        for load in self.loads {
            let outcome = load.stop().await?;
            ensure!(outcome.failed == 0, "{outcome:#?}");
            rates.push(outcome.rate()?);
        }
        for streams in self.streams {
            broken.extend(streams.stop().await.err());
        }
        ensure!(broken.is_empty(), "{broken:#?}");
        Ok(rates.join(", and "))
    }
}

async fn visit(client: &Namespace, pilot: &Pilot, files: &Path) -> Result<()> {
    let (begun, visit) = oneshot::channel();
    let (done, ended) = oneshot::channel::<()>();
    let program = tokio::task::spawn_blocking({
        let client = client.try_clone()?;
        move || {
            client.run_async(|| async move {
                let _ = begun.send(Visit::begin().await?);
                let _ = ended.await;
                Ok(())
            })
        }
    });
    let Ok(visit) = visit.await else {
        program.await??;
        anyhow::bail!("it did not begin");
    };
    let edited = edit(pilot, files, &visit).await;
    let rates = visit.end().await;
    drop(done);
    program.await??;
    edited?;
    figures::tell("changes-redirected", &format!("{}, none failed", rates?))
}

async fn edit(pilot: &Pilot, files: &Path, visit: &Visit) -> Result<()> {
    let moved = State { moved: true, ..HERE };
    let changes = [
        ("subset", vec![State { subset: true, ..HERE }]),
        ("target ports", vec![State { listed: true, ..moved }]),
        ("target ports before their endpoints", vec![moved, State { listed: true, ..moved }]),
        ("others", vec![State { others: true, ..HERE }]),
        ("tight", vec![State { tight: true, ..HERE }]),
        ("everything", vec![State { subset: true, moved: true, listed: true, tight: true, others: true }]),
    ];
    for round in 0..ROUNDS {
        for (what, steps) in &changes {
            let back = steps.iter().rev().skip(1).chain([&HERE]);
            for (step, state) in steps.iter().chain(back).enumerate() {
                let what = format!("{what}, step {step}, round {round}");
                visit.meanwhile(&what);
                apply(pilot, files, &state.yaml()).await.context(what)?;
                for load in &visit.loads {
                    load.more(AFTER_EACH / 2).await;
                }
            }
        }
    }
    Ok(())
}

async fn apply(pilot: &Pilot, files: &Path, yaml: &str) -> Result<()> {
    let mut published = pilot.published();
    let before = *published.borrow_and_update();
    let aside = files.with_extension("aside");
    fs::write(&aside, yaml)?;
    fs::rename(&aside, files.join("mesh.yaml"))?;
    tokio::time::timeout(WITHIN, published.wait_for(|now| *now > before))
        .await
        .context("not published")??;
    tokio::time::timeout(WITHIN, pilot.acknowledged()).await.context("not acknowledged")?;
    Ok(())
}
