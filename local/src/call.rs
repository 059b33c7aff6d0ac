//! Requests into the mesh, as if a workload had sent them.
//!
//! In: a replica of the directory and a URL. Out: who answered, with what, and how fast ([`Report`]). HTTP goes to the HTTP
//! proxy port of the replica's sidecar as any program with `http_proxy` set would send it; `tcp://` goes to the listener
//! that the sidecar has for that port. It must not know what is configured: it is here to find out.

mod http;
mod proven;
mod report;
mod target;
mod tcp;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Method};
use futures::future::join_all;

pub use report::{CodeCount, ErrorCount, Latency, Report, Share};
pub use target::{Target, TargetError};

use crate::{Identity, directory::Entry};
use proven::Proven;

/// What to send, how often, and from where.
#[derive(Debug, Clone)]
pub struct Call {
    /// The replica whose sidecar is used.
    pub from: Entry,
    /// What is asked.
    pub target: Target,
    /// How many requests.
    pub count: usize,
    /// How many at a time, each on a connection of its own.
    pub concurrency: usize,
    /// The HTTP method.
    pub method: Method,
    /// Headers to send.
    pub headers: HeaderMap,
    /// Speak HTTP/2 to the sidecar.
    pub http2: bool,
    /// How long one request may take.
    pub timeout: Duration,
}

/// What came back for one request.
#[derive(Debug)]
struct Outcome {
    latency: Duration,
    answer: Result<Answer, String>,
}

#[derive(Debug)]
struct Answer {
    /// An HTTP status, or `TCP`.
    code: String,
    /// Who answered, if it was an echo workload.
    by: Option<Identity>,
    /// What the answer says, if it was none: proxies explain themselves there.
    text: String,
    /// Who the two ends of the connection have proven to be, if they did.
    proven: Option<Proven>,
}

/// Sends all requests of `call` and sums up what came back. `progress` hears of each that ended.
pub async fn run(call: &Call, progress: impl Fn()) -> Report {
    let started = Instant::now();
    let taken = AtomicUsize::new(0);
    let workers = (0..call.concurrency.clamp(1, call.count.max(1))).map(|_| async {
        let mut client = Client::new(call);
        let mut outcomes = Vec::new();
        while taken.fetch_add(1, Ordering::Relaxed) < call.count {
            outcomes.push(client.ask(call).await);
            progress();
        }
        outcomes
    });
    let outcomes: Vec<Outcome> = join_all(workers).await.into_iter().flatten().collect();
    Report::of(&outcomes, started.elapsed())
}

enum Client {
    Http(Box<http::Client>),
    Tcp(SocketAddr),
}

impl Client {
    fn new(call: &Call) -> Self {
        match &call.target {
            Target::Http(_) => Self::Http(Box::new(http::Client::new(call))),
            Target::Tcp { host: _, port } => Self::Tcp(SocketAddr::new(call.from.pod_address, *port)),
        }
    }

    async fn ask(&mut self, call: &Call) -> Outcome {
        let started = Instant::now();
        let asked = async {
            match self {
                Self::Http(client) => client.ask(call).await,
                Self::Tcp(listener) => tcp::ask(*listener).await,
            }
        };
        let answer = match tokio::time::timeout(call.timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                // What is left of the connection would answer the next request with this one's answer.
                *self = Self::new(call);
                Err(format!("no answer within {:?}", call.timeout))
            }
        };
        Outcome { latency: started.elapsed(), answer }
    }
}
