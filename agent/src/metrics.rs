//! One page of metrics: the agent's, Envoy's and the application's.
//!
//! In: a scrape. Out: all three as one text, streamed. What one of them does not give is missing, counted, and does not spoil the rest.
//!
//! Prometheus scrapes a pod at one port, and an application's own port may ask for mutual TLS: so the injector points it here.

mod config;
mod expiry;
mod lines;
mod scrape;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures::{Stream, StreamExt as _, stream};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::sync::watch;

use crate::Identity;
pub use config::{Application, ApplicationError};
use expiry::Expiry;
use scrape::{Format, Scraped, Source};

/// Lines of a page, with what ends it in the newer format.
const END: &str = "# EOF\n";

/// What the agent counts of itself, and how it is told.
#[derive(Debug)]
pub struct AgentMetrics {
    registry: Mutex<Registry>,
    scrapes: Counter,
    failures: Family<Failure, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failure {
    r#type: Whose,
}

/// Whose metrics are missing.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types)] // They are labels.
pub(crate) enum Whose {
    agent,
    envoy,
    application,
}

impl Default for AgentMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("istio_agent");
        let (scrapes, failures) = (Counter::default(), Family::<Failure, Counter>::default());
        registry.register("scrapes", "Scrapes of this page", scrapes.clone());
        registry.register("scrape_failures", "Scrapes in which a part was missing", failures.clone());
        Self { registry: Mutex::new(registry), scrapes, failures }
    }
}

impl AgentMetrics {
    /// Adds what other parts of the agent count.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        // Registering only appends.
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on it is told, too, how long these certificates still live.
    pub fn follow(&self, identity: watch::Receiver<Option<Identity>>) {
        self.register(|registry| registry.register_collector(Box::new(Expiry::new(identity))));
    }

    fn failed(&self, whose: Whose, reason: &str) {
        tracing::warn!(?whose, reason, "a part of the metrics is missing");
        self.failures.get_or_create(&Failure { r#type: whose }).inc();
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner)).is_err() {
            self.failed(Whose::agent, "it can't be written");
            return String::new();
        }
        // The page goes on after it.
        text.strip_suffix(END).map_or_else(|| text.clone(), str::to_owned)
    }
}

/// Where metrics come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The agent's own.
    pub agent: Arc<AgentMetrics>,
    /// Envoy's admin interface, or its listener for metrics.
    pub envoy: Option<SocketAddr>,
    /// The application's, if it has any.
    pub application: Option<Application>,
}

impl Sources {
    /// Serves the page.
    pub fn router(self) -> Router {
        let sources = Arc::new(self);
        Router::new().route("/stats/prometheus", get(page)).route("/metrics", get(page)).with_state(sources)
    }
}

async fn page(State(sources): State<Arc<Sources>>, request: Request) -> Response {
    let Sources { agent, envoy, application } = &*sources;
    agent.scrapes.inc();
    let asked = scrape::Asked::of(&request);
    let envoy = envoy.map(|address| Source::envoy(address, request.uri().query()));
    let application = application.as_ref().map(Source::application);
    // Both at once: each has only so much time.
    let (envoy, application) = tokio::join!(
        scraped(envoy, &asked, Whose::envoy, agent),
        scraped(application, &asked, Whose::application, agent),
    );
    let format = application.as_ref().map_or(Format::Text, |scraped| scraped.format);
    let own = stream::once(std::future::ready(Bytes::from(agent.text())));
    let parts =
        own.chain(part(envoy, Whose::envoy, agent)).chain(part(application, Whose::application, agent));
    let end = match format {
        Format::Text => "",
        // The application's may never have come.
        Format::OpenMetrics(_) => END,
    };
    let parts = parts.chain(stream::once(std::future::ready(Bytes::from_static(end.as_bytes()))));
    let body = Body::from_stream(parts.map(Ok::<_, std::convert::Infallible>));
    ([(CONTENT_TYPE, HeaderValue::from_static(format.content_type()))], body).into_response()
}

async fn scraped(
    source: Option<Source>,
    asked: &scrape::Asked,
    whose: Whose,
    agent: &AgentMetrics,
) -> Option<Scraped> {
    match source?.scrape(asked).await {
        Ok(scraped) => Some(scraped),
        Err(reason) => {
            agent.failed(whose, &reason);
            None
        }
    }
}

/// The lines of one part, as far as they come.
fn part(
    scraped: Option<Scraped>,
    whose: Whose,
    agent: &Arc<AgentMetrics>,
) -> impl Stream<Item = Bytes> + use<> {
    let agent = agent.clone();
    stream::unfold(scraped, move |scraped| {
        let agent = agent.clone();
        async move {
            let mut scraped = scraped?;
            match scraped.next().await {
                Ok(Some(lines)) => Some((lines, Some(scraped))),
                Ok(None) => None,
                Err(reason) => {
                    agent.failed(whose, &reason);
                    None
                }
            }
        }
    })
}
