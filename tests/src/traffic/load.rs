//! Requests at a steady rate, until told to stop.
//!
//! In: a URL, the HTTP proxy port of a sidecar, and how many requests a second. Out: what came of each: nothing is tried again, and
//! every answer but 200 is told, with what the test was doing; and how many a second there really were. The loop is open: a slow answer
//! delays no other request, and what could not be sent in time is sent as soon as it can be. Connections are kept as programs keep them,
//! and one request in [`FRESH`] comes on a new one.

mod outcome;

pub use outcome::Outcome;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use meltemi_local::echo::EchoAnswer;
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// After so many requests comes one on a connection of its own.
const FRESH: usize = 10;
/// More than this are not under way at a time: the next ones wait, and a machine that is too slow for the rate says so in place of failing
/// requests.
const UNDER_WAY: usize = 200;
/// A request that is sent so soon after it was due is not late.
const ON_TIME: Duration = Duration::from_millis(20);
/// Who is late for longer than this when all is done will not catch up.
const CATCHING_UP: Duration = Duration::from_secs(15);
/// Longer than any answer takes.
const WITHIN: Duration = Duration::from_secs(20);

/// Requests that are being sent.
pub struct Load {
    /// What is asked, and what the test is doing; `None`: nothing more.
    asked: watch::Sender<Option<Arc<Asked>>>,
    sent: watch::Receiver<usize>,
    driver: JoinHandle<Outcome>,
}

/// A request that was not answered with 200.
struct Failure {
    meanwhile: String,
    status: Option<StatusCode>,
    text: String,
}

/// Each request holds on to what it was asked by.
#[derive(Debug)]
struct Asked {
    uri: Uri,
    meanwhile: String,
}

impl Load {
    /// Sends so many requests a second by way of an HTTP proxy.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn start(proxy: SocketAddr, url: &str, per_second: u32) -> Result<Self> {
        Self::begin(Way { to: proxy, direct: false }, url, per_second)
    }

    /// The same by a program that knows of no proxy, and has looked the host up itself.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn direct(to: SocketAddr, url: &str, per_second: u32) -> Result<Self> {
        Self::begin(Way { to, direct: true }, url, per_second)
    }

    fn begin(way: Way, url: &str, per_second: u32) -> Result<Self> {
        let asked = Asked { uri: parse(url)?, meanwhile: "before the first edit".to_owned() };
        let (asked, receiver) = watch::channel(Some(Arc::new(asked)));
        let (count, sent) = watch::channel(0);
        let driver = tokio::spawn(drive(way, per_second, receiver, count));
        Ok(Self { asked, sent, driver })
    }

    /// Says what the test does from now on, for failures.
    pub fn meanwhile(&self, what: &str) {
        self.replace(|asked| Asked { uri: asked.uri.clone(), meanwhile: what.to_owned() });
    }

    /// Asks for another URL from now on; returns when all requests for the last one are answered.
    ///
    /// # Errors
    /// When it is none.
    pub async fn ask(&self, url: &str) -> Result<()> {
        let uri = parse(url)?;
        let last = self.replace(|asked| Asked { uri, meanwhile: asked.meanwhile.clone() });
        // An error would mean that the driver has ended, but it ends only when stopped.
        let _ = self.sent.clone().wait_for(|_| last.strong_count() == 0).await;
        Ok(())
    }

    fn replace(&self, new: impl FnOnce(&Asked) -> Asked) -> Weak<Asked> {
        let mut last = Weak::new();
        self.asked.send_modify(|asked| {
            if let Some(asked) = asked {
                last = Arc::downgrade(asked);
                *asked = Arc::new(new(asked));
            }
        });
        last
    }

    /// How many have been answered.
    pub fn sent(&self) -> usize {
        *self.sent.borrow()
    }

    /// Waits until so many more have been answered.
    pub async fn more(&self, count: usize) {
        let until = self.sent() + count;
        // An error would mean that the driver has ended, but it ends only when stopped.
        let _ = self.sent.clone().wait_for(|sent| *sent >= until).await;
    }

    /// Stops when nothing that was due is left to send, and tells what came of it.
    ///
    /// # Errors
    /// When the driver panicked.
    pub async fn stop(self) -> Result<Outcome> {
        self.asked.send_replace(None);
        Ok(self.driver.await?)
    }
}

fn parse(url: &str) -> Result<Uri> {
    url.parse().with_context(|| format!("`{url}`"))
}

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
struct Way {
    to: SocketAddr,
    direct: bool,
}

async fn drive(
    way: Way,
    per_second: u32,
    asked: watch::Receiver<Option<Arc<Asked>>>,
    answered: watch::Sender<usize>,
) -> Outcome {
    let mut outcome = Outcome::new(per_second);
    let mut under_way = JoinSet::new();
    let kept = Arc::new(Kept::default());
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut last, mut stopped) = (None, None);
    loop {
        let due = ticks.tick().await;
        while let Some(done) = under_way.try_join_next() {
            outcome.add(done);
        }
        while under_way.len() >= UNDER_WAY
            && let Some(done) = under_way.join_next().await
        {
            outcome.add(done);
        }
        answered.send_if_modified(|count| {
            std::mem::replace(count, outcome.ok + outcome.failed) != outcome.ok + outcome.failed
        });
        match asked.borrow().clone() {
            Some(asked) => last = Some(asked),
            // Who is behind goes on until nothing is overdue: a pause at the end would count, and what is made up for it would not.
            None if due.elapsed() < ON_TIME => break,
            None if stopped.get_or_insert_with(Instant::now).elapsed() > CATCHING_UP => break,
            None => {}
        }
        let Some(asked) = last.clone() else { break };
        outcome.count_sent(Instant::now());
        let (kept, number) = (kept.clone(), outcome.sent);
        under_way.spawn(async move {
            let answer = timeout(WITHIN, kept.exchange(way, &asked.uri, number % FRESH == 0)).await;
            let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {WITHIN:?}")));
            answer.map_err(|error| Failure {
                meanwhile: asked.meanwhile.clone(),
                status: error.downcast_ref::<Refused>().map(|refused| refused.0),
                text: format!("request {number}, {}: {error:#}", asked.meanwhile),
            })
        });
    }
    while let Some(done) = under_way.join_next().await {
        outcome.add(done);
    }
    outcome
}

/// An answer other than 200.
#[derive(Debug)]
struct Refused(StatusCode);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

type Sender = SendRequest<Empty<Bytes>>;

/// Connections that wait for the next request.
#[derive(Default)]
struct Kept(Mutex<Vec<Sender>>);

impl Kept {
    /// The version that answers with 200.
    async fn exchange(&self, way: Way, uri: &Uri, fresh: bool) -> Result<String> {
        let waiting = if fresh { None } else { self.take() };
        let mut sender = match waiting {
            Some(sender) => sender,
            None => connect(way.to).await?,
        };
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let origin = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = if way.direct { origin.parse()? } else { uri.clone() };
        let request = Request::get(target).header(header::HOST, authority).body(Empty::new())?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        if sender.ready().await.is_ok() && !fresh {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
        if head.status != 200 {
            let text = String::from_utf8_lossy(&body).into_owned();
            let refused = anyhow::Error::new(Refused(head.status));
            return Err(refused.context(format!("{:?} {text}", head.headers)));
        }
        let echo: EchoAnswer = serde_json::from_slice(&body).context("not by an echo workload")?;
        Ok(echo.identity.version.to_string())
    }

    fn take(&self) -> Option<Sender> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| kept.pop()).find(|sender| sender.is_ready())
    }
}

async fn connect(proxy: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(proxy).await.context("the sidecar can't be reached")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
