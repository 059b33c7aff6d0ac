//! A control plane in this process over a directory of YAML, and proxies on real gRPC streams.
//!
//! In: files, edits of them, and who asks. Out: every message that a proxy was sent, in order. Nothing here waits for time to
//! pass: an edit is over when it is published, a proxy is settled when it has acknowledged all that it is to have.

mod record;

pub use record::{Message, OnDemand, Recorder};

use crate::{Asker, Told, lacking::lacking};
use anyhow::{Context, Result, bail, ensure};
use mesh_model::{Problem, Reason};
use mesh_runtime::{drain, ready::Readiness};
use pilot::{Config, Pilot, SourceConfig};
use pilot_xds::{
    resource::Protocol,
    testing::{Client, Envoy, Knowledge, SotwEnvoy, TestProxy, proxy::Refuse},
};
use std::{fs, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Something that takes this long has gone wrong.
const TOO_LONG: Duration = Duration::from_secs(30);

/// How a refusal over a validation rule begins.
const INVALID: &str = "not valid";

/// A running control plane and its files.
pub struct TestMesh {
    /// The control plane.
    pub pilot: Pilot,
    files: TempDir,
    trigger: drain::Trigger,
}

/// A proxy with a stream to a [`TestMesh`].
pub struct Connected<C: Client> {
    name: String,
    proxy: TestProxy<C>,
}

impl TestMesh {
    /// Starts over files of these names and texts, and waits until they are in.
    pub async fn start(files: &[(&str, &str)]) -> Result<Self> {
        let mesh = Self::begin(files).await?;
        let mut published = mesh.pilot.published();
        within(published.wait_for(|sequence| *sequence > 0)).await??;
        Ok(mesh)
    }

    /// Starts, and does not wait for anything.
    pub async fn begin(files: &[(&str, &str)]) -> Result<Self> {
        let directory = TempDir::new()?;
        for (name, text) in files {
            fs::write(directory.path().join(name), lacking(text).as_bytes())?;
        }
        let source = SourceConfig::Files(directory.path().to_owned());
        let config = Config { grpc_address: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::new(source) };
        let (trigger, drain) = drain::channel();
        let pilot = pilot::start(config, &Readiness::new(), &drain).await?;
        Ok(Self { pilot, files: directory, trigger })
    }

    /// Writes a file and waits until what it changes is published. It has to change something.
    pub async fn edit(&self, name: &str, text: &str) -> Result<()> {
        let mut published = self.pilot.published();
        let before = *published.borrow_and_update();
        self.write(name, text)?;
        within(published.wait_for(|sequence| *sequence > before))
            .await?
            .context(format!("editing {name}"))?;
        Ok(())
    }

    /// Writes a file, all at once.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let hidden = self.files.path().join(format!(".{name}"));
        fs::write(&hidden, lacking(text).as_bytes())?;
        Ok(fs::rename(hidden, self.files.path().join(name))?)
    }

    /// Waits until there is a problem of this kind, and gives it.
    pub async fn problem(&self, reason: Reason) -> Result<Problem> {
        let mut reports = self.pilot.reports();
        let find = |report: &Arc<pilot_ingest::Report>| {
            let mut problems = report.entries.iter().flat_map(|entry| &entry.problems);
            problems.find(|problem| problem.reason == reason).cloned()
        };
        let report = within(reports.wait_for(|report| find(report).is_some())).await??;
        find(&report).context("it was there")
    }

    /// Ends all streams, and waits until they have.
    pub async fn drain(self) -> Result<()> {
        Ok(self.trigger.drain(TOO_LONG).await?)
    }

    /// A proxy that speaks delta, settled.
    pub async fn delta(&self, asker: &Asker) -> Result<Connected<Recorder<Envoy>>> {
        self.connect(asker, Recorder::new(self.envoy(asker)), valid()).await
    }

    /// A proxy that speaks state of the world, settled.
    pub async fn sotw(&self, asker: &Asker) -> Result<Connected<Recorder<SotwEnvoy>>> {
        let client = SotwEnvoy::new(asker.node(), Arc::<Knowledge>::default());
        self.connect(asker, Recorder::new(client), valid()).await
    }

    /// An Envoy that has nothing yet.
    pub fn envoy(&self, asker: &Asker) -> Envoy {
        Envoy::new(asker.node(), Arc::<Knowledge>::default())
    }

    /// Connects `client` as `asker` and waits until it is settled.
    pub async fn connect<C: Client>(&self, asker: &Asker, client: C, refuse: Refuse) -> Result<Connected<C>> {
        let refuse = or_invalid(refuse);
        let proxy = TestProxy::connect_refusing(self.pilot.grpc_address(), client, refuse).await?;
        let connected = Connected { name: asker.name(), proxy };
        connected.settle(self).await?;
        Ok(connected)
    }
}

impl<C: Client> Connected<C> {
    /// Waits until the proxy has acknowledged all that it is to have now.
    pub async fn settle(&self, mesh: &TestMesh) -> Result<()> {
        let sync = &mesh.pilot.xds().sync;
        let name = self.name.as_str();
        let attached = sync.wait_until(|status| *status.proxy == *name);
        within(attached).await.context(format!("{name} does not connect"))?;
        let Some(snapshot) = mesh.pilot.publisher().snapshot(name) else { bail!("{name} is not known") };
        within(sync.wait_for(name, snapshot.sequence)).await.context(format!("{name} does not settle"))?;
        ensure_valid(&mesh.pilot)?;
        let protocol = if C::METHOD == SotwEnvoy::METHOD { Protocol::Sotw } else { Protocol::Delta };
        let findings = Told::new(&snapshot, protocol).findings();
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        ensure!(findings.is_empty(), "{name} is told of what it can't use:\n{}", findings.join("\n"));
        Ok(())
    }

    /// Looks at the proxy.
    pub fn look<T>(&self, look: impl FnOnce(&C) -> T) -> T {
        self.proxy.look(look)
    }

    /// Sends a request besides those of its own.
    pub fn send(&self, request: C::Request) {
        self.proxy.send(request);
    }

    /// Waits until the proxy meets a condition.
    pub async fn wait_until(&mut self, condition: impl Fn(&C) -> bool) -> Result<()> {
        if within(self.proxy.wait_until(condition)).await? { Ok(()) } else { bail!("the stream ended") }
    }

    /// Waits for the end of the stream and gives its status, if the control plane sent one.
    pub async fn ended(self) -> Option<tonic::Status> {
        self.proxy.ended().await
    }

    /// Breaks the connection, waits until the control plane has noticed, and gives back what the proxy has.
    pub async fn disconnect(self, mesh: &TestMesh) -> Result<C> {
        let Self { name, proxy } = self;
        let client = proxy.disconnect().await.context("it is still in use")?;
        let gone = |list: &[pilot_xds::ProxyStatus]| list.iter().all(|status| *status.proxy != *name);
        within(mesh.pilot.xds().sync.wait_until_all(gone)).await?;
        Ok(client)
    }
}

impl<E> Connected<Recorder<E>>
where
    Recorder<E>: Client,
{
    /// The messages since the last call.
    pub fn messages(&self) -> Vec<Message> {
        self.look(Recorder::take)
    }
}

/// Refuses what breaks Envoy's validation rules, and nothing else.
pub fn valid() -> Refuse {
    Arc::new(|kind, resource| {
        let bytes = resource.resource.as_ref().map(|any| any.value.as_ref())?;
        match mesh_proto::validate::validate(kind.type_url(), bytes) {
            Ok(violations) => violations.first().map(|violation| format!("{INVALID}: {violation}")),
            Err(error) => Some(format!("{INVALID}: {error}")),
        }
    })
}

/// Refuses what `refuse` does, and what breaks Envoy's validation rules.
pub fn or_invalid(refuse: Refuse) -> Refuse {
    let valid = valid();
    Arc::new(move |kind, resource| refuse(kind, resource).or_else(|| valid(kind, resource)))
}

/// Fails when a proxy refused something over a validation rule.
pub fn ensure_valid(pilot: &Pilot) -> Result<()> {
    let refused = pilot.xds().rejections.report();
    match refused.iter().find(|refused| refused.message.starts_with(INVALID)) {
        Some(refused) => bail!("{} {}: {}", refused.kind.label(), refused.name, refused.message),
        None => Ok(()),
    }
}

/// Waits for something that does not take long.
pub async fn within<T>(work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(TOO_LONG, work).await.context("it takes too long")
}
