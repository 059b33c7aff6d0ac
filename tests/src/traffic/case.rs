//! A case: a field of the API, and what requests do because of it.
//!
//! In: a YAML file. Its first document says which workloads there are, what is sent and what is expected; the others are
//! objects as users write them. In case `retries` the host `retries.test` is a ServiceEntry with the workloads as endpoints,
//! and each version is a subset of it unless the case has a DestinationRule of its own. Out: what is not as expected.

pub mod measure;
mod script;

use super::{Answer, Outside, Request, Traffic};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use script::{Exchange, Expect, Script};
use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Runs every case of a directory on `traffic`, with requests from the pod `client`.
///
/// # Errors
/// With all that is not as expected.
pub async fn run(traffic: &Traffic, client: &str, directory: &Path) -> Result<()> {
    let proxy = traffic.proxy(client)?;
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("read {}", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut running = Vec::new();
    for file in files {
        let case = Case::read(&file)?.start(traffic).await.with_context(|| format!("{}", file.display()))?;
        running.push(async move { case.play(traffic, client, proxy).await.map_err(|error| (file, error)) });
    }
    // Together: most of them wait for something.
    let outcomes = stream::iter(running).buffer_unordered(4).collect::<Vec<_>>().await;
    let failed: Vec<String> = outcomes
        .into_iter()
        .filter_map(Result::err)
        .map(|(file, error)| format!("{}: {error:#}", file.display()))
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!("{} failed:\n{}", failed.len(), failed.join("\n")),
    }
}

/// A case as it is written.
struct Case {
    name: String,
    script: Script,
    /// YAML.
    objects: String,
}

/// A case whose objects are in effect.
struct Running {
    script: Script,
    host: String,
    outside: Outside,
}

impl Case {
    fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        let name = file.file_stem().and_then(|stem| stem.to_str()).context("a name of ASCII letters")?;
        let (script, objects) = text.split_once("\n---\n").context("a first document, then objects")?;
        let script: Script = serde_saphyr::from_str(script).context("the first document")?;
        anyhow::ensure!(script.kind == "Case", "the first document is not `kind: Case`");
        Ok(Self { name: name.to_owned(), script, objects: objects.to_owned() })
    }

    async fn start(self, traffic: &Traffic) -> Result<Running> {
        let Self { name, script, objects } = self;
        let host = format!("{name}.test");
        let outside = Outside::start(&name, &script.replicas).await?;
        for pod in &script.failing {
            outside.set_failing(pod, true)?;
        }
        let mut yaml = outside.service_entry(&name, &host);
        if !objects.contains("kind: DestinationRule") && !objects.contains(r#""kind":"DestinationRule""#) {
            yaml = format!("{yaml}---\n{}", outside.subsets(&name, &host));
        }
        traffic.apply(&format!("{name}.yaml"), &format!("{yaml}---\n{objects}")).await?;
        for text in &script.problems {
            traffic.until_problem(&name, text).await?;
        }
        Ok(Running { script, host, outside })
    }
}

impl Running {
    async fn play(&self, traffic: &Traffic, client: &str, proxy: SocketAddr) -> Result<()> {
        let made = format!("cluster.outbound|80||{};.upstream_cx_total", self.host);
        for (index, exchange) in self.script.requests.iter().enumerate() {
            let before = self.outside.requests();
            let versions = exchange.expect.attempts_at.keys();
            let before_at: Vec<u64> = versions.map(|version| self.outside.requests_of(version)).collect();
            let made_before = traffic.stat(client, &made).await?;
            let request = exchange.request(&self.host)?;
            let sent = stream::iter(0..exchange.times).map(|_| request.send(proxy));
            let answers: Vec<Answer> = sent.buffer_unordered(exchange.at_a_time).try_collect().await?;
            let attempts = self.outside.requests() - before;
            let mut wrong = exchange.expect.wrong(&answers, attempts);
            for ((version, range), before) in exchange.expect.attempts_at.iter().zip(before_at) {
                let mut count = Wrong::default();
                let attempts = self.outside.requests_of(version) - before;
                count.unless_within(&format!("requests at {version}"), Some(*range), attempts);
                wrong.extend(count.0);
            }
            if exchange.expect.connections.is_some() {
                let mut count = Wrong::default();
                let connections = traffic.stat(client, &made).await? - made_before;
                count.unless_within("connections", exchange.expect.connections, connections);
                wrong.extend(count.0);
            }
            if let Some(first) = wrong.first() {
                let summary = answers.iter().take(3).map(Answer::summary).collect::<Vec<_>>().join("\n    ");
                bail!("requests[{index}]: {first} ({} such)\n    {summary}", wrong.len());
            }
        }
        Ok(())
    }
}

impl Exchange {
    fn request(&self, own_host: &str) -> Result<Request> {
        let Self { method, path, host, headers, http2, grpc, times: _, at_a_time: _, expect: _ } = self;
        let host = host.as_deref().unwrap_or(own_host);
        let url = format!("http://{host}{path}");
        let mut request = match grpc {
            true => Request::grpc(&url, b"hello")?,
            false => Request::get(&url)?.method(method)?,
        };
        if *http2 {
            request = request.http2();
        }
        for (name, value) in headers {
            request = request.header(name, value)?;
        }
        Ok(request)
    }
}

impl Expect {
    fn wrong(&self, answers: &[Answer], attempts: u64) -> Vec<String> {
        let Self {
            status,
            statuses,
            version,
            versions,
            each_pod,
            pods,
            pods_within,
            headers,
            body,
            protocol,
            seen_headers,
            seen_path,
            seen_host,
            millis,
            attempts: expected_attempts,
            attempts_at: _,
            connections: _,
        } = self;
        let mut wrong = Wrong::default();
        for answer in answers {
            wrong.unless_equal("status", status.as_ref(), &answer.status);
            wrong.unless_equal("version", version.as_deref(), answer.version());
            for (name, value) in headers {
                wrong.unless_same(&format!("header {name}"), value.as_deref(), answer.header(name));
            }
            let text = String::from_utf8_lossy(&answer.body);
            wrong.unless_equal("body", body.as_deref(), &text);
            let spoken = answer.echo.as_ref().map_or("", |echo| &echo.protocol);
            wrong.unless_equal("protocol", protocol.as_deref(), spoken);
            let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
            for (name, value) in seen_headers {
                let found = seen.and_then(|seen| seen.headers.get(name)).map(String::as_str);
                wrong.unless_same(&format!("seen header {name}"), value.as_deref(), found);
            }
            let path = seen.map_or("", |seen| &seen.path);
            wrong.unless_equal("seen path", seen_path.as_deref(), path);
            let host = seen.map_or("", |seen| &seen.host);
            wrong.unless_equal("seen host", seen_host.as_deref(), host);
            wrong.unless_within("milliseconds", *millis, millis_of(answer.took));
        }
        for (status, range) in statuses {
            let count = answers.iter().filter(|answer| answer.status == *status).count();
            wrong.unless_within(&format!("answers with {status}"), Some(*range), count);
        }
        for (version, range) in versions {
            let count = answers.iter().filter(|answer| answer.version() == version).count();
            wrong.unless_within(&format!("answers by {version}"), Some(*range), count);
        }
        let answering: BTreeSet<&str> =
            answers.iter().map(Answer::pod).filter(|pod| !pod.is_empty()).collect();
        wrong.unless_equal("pods that answer", pods.as_ref(), &answering.len());
        wrong.unless_within("pods that answer", *pods_within, answering.len());
        for pod in answering {
            let count = answers.iter().filter(|answer| answer.pod() == pod).count();
            wrong.unless_within(&format!("answers by {pod}"), *each_pod, count);
        }
        wrong.unless_within("requests at workloads", *expected_attempts, attempts);
        wrong.0
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is not as expected.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless_equal<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        what: &str,
        expected: Option<&T>,
        got: &T,
    ) {
        if expected.is_some_and(|expected| expected != got) {
            self.0.push(format!("{what}: expected {expected:?}, got {got:?}"));
        }
    }

    /// As above, where nothing is an expectation, too.
    fn unless_same(&mut self, what: &str, expected: Option<&str>, got: Option<&str>) {
        if expected != got {
            self.0.push(format!("{what}: expected {expected:?}, got {got:?}"));
        }
    }

    fn unless_within<T: PartialOrd + std::fmt::Debug>(&mut self, what: &str, range: Option<[T; 2]>, got: T) {
        if let Some([from, to]) = range
            && !(from <= got && got <= to)
        {
            self.0.push(format!("{what}: expected {from:?} to {to:?}, got {got:?}"));
        }
    }
}
