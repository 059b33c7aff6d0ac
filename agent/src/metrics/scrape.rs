//! One part of the page, from where it comes.
//!
//! In: an address, and what the scrape asks for. Out: whole lines as they come, up to a limit of time and size.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::Request,
};
use http::{
    HeaderName, HeaderValue, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{Application, lines::Lines};
use crate::exchange::{Peer, exchange};

/// How long Prometheus waits unless it is told otherwise, and how long it may ask us to wait.
const USUAL: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);

/// Where Prometheus says how long it waits.
static PATIENCE: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// As much as an application may say.
const LARGEST: u64 = 10 * 1024 * 1024;

/// As much as Envoy may say: it has some hundred bytes for each counter, and thousands of these.
const LARGEST_OF_ENVOY: u64 = 256 * 1024 * 1024;

/// What Envoy has to write before the names of the mesh's own metrics, and what they are called.
const RENAMED: (&str, &str) = ("envoy_istio_", "istio_");

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    OpenMetrics(Version),
}

/// Versions of the newer format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Draft,
    One,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics(Version::Draft) => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics(Version::One) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that a page says it has; `None`: it is none that can be put together with others.
    fn of(content_type: Option<&HeaderValue>) -> Option<Self> {
        let text = content_type.map_or("", |value| value.to_str().unwrap_or_default()).to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        match parts.next().unwrap_or_default() {
            // Many applications say nothing, or not much.
            "" => Some(Self::Text),
            kind if kind.starts_with("text/") => Some(Self::Text),
            "application/openmetrics-text" => match parts.find_map(|part| part.strip_prefix("version=")) {
                Some("1.0.0") => Some(Self::OpenMetrics(Version::One)),
                _ => Some(Self::OpenMetrics(Version::Draft)),
            },
            _ => None,
        }
    }
}

/// What a scrape asks for.
#[derive(Debug)]
pub(super) struct Asked {
    accept: HeaderValue,
    agent: Option<HeaderValue>,
    patience: Option<HeaderValue>,
    until: Instant,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let accepts_open = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.to_ascii_lowercase().contains("application/openmetrics-text"));
        // Whatever else it takes can't be put together from parts.
        let accept = match accepts_open {
            true => {
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5"
            }
            false => "text/plain;version=0.0.4",
        };
        let patience = headers.get(&PATIENCE).cloned();
        let seconds = patience.as_ref().and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let wait = wait.filter(|wait| !wait.is_zero()).unwrap_or(USUAL).min(LONGEST);
        Self {
            accept: HeaderValue::from_static(accept),
            agent: headers.get(USER_AGENT).cloned(),
            patience,
            until: Instant::now() + wait,
        }
    }
}

/// Where one part comes from.
#[derive(Debug)]
pub(super) struct Source {
    address: SocketAddr,
    path: PathAndQuery,
    largest: u64,
    renamed: Option<(&'static str, &'static str)>,
    /// Whether it may have the newer format.
    open: bool,
}

impl Source {
    pub(super) fn envoy(address: SocketAddr, query: Option<&str>) -> Self {
        const PATH: &str = "/stats/prometheus";
        // Filters (`usedonly`) are Envoy's.
        let path = query.and_then(|query| format!("{PATH}?{query}").parse().ok());
        let path = path.unwrap_or(PathAndQuery::from_static(PATH));
        Self { address, path, largest: LARGEST_OF_ENVOY, renamed: Some(RENAMED), open: false }
    }

    pub(super) fn application(application: &Application) -> Self {
        let Application { address, path } = application;
        Self { address: *address, path: path.clone(), largest: LARGEST, renamed: None, open: true }
    }

    /// Begins to scrape it.
    pub(super) async fn scrape(self, asked: &Asked) -> Result<Scraped, String> {
        let Self { address, path, largest, renamed, open } = self;
        let Asked { accept, agent, patience, until } = asked;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from(path);
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&address.to_string()).map_err(|error| error.to_string())?;
        headers.insert(HOST, host);
        let text = HeaderValue::from_static("text/plain;version=0.0.4");
        headers.insert(ACCEPT, if open { accept.clone() } else { text });
        for (name, value) in [(USER_AGENT, agent), (PATIENCE.clone(), patience)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        let peer = Peer { address, from: None, tls: None };
        let answer = timeout_at(*until, exchange(&peer, request)).await.map_err(|_| LATE.to_owned())?;
        let (head, body) = answer.map_err(|error| error.to_string())?.into_parts();
        if head.status != StatusCode::OK {
            return Err(format!("{address} answers with {}", head.status));
        }
        let content_type = head.headers.get(CONTENT_TYPE);
        let format =
            Format::of(content_type).ok_or_else(|| format!("it is {content_type:?}, and not text"))?;
        Ok(Scraped { format, body, lines: Lines::new(renamed), room: largest, until: *until, ended: false })
    }
}

const LATE: &str = "it takes too long";

/// A part that comes.
#[derive(Debug)]
pub(super) struct Scraped {
    pub(super) format: Format,
    body: Incoming,
    lines: Lines,
    room: u64,
    until: Instant,
    ended: bool,
}

impl Scraped {
    /// The next lines, all of them whole; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        while !self.ended {
            let frame = timeout_at(self.until, self.body.frame()).await.map_err(|_| LATE.to_owned())?;
            let lines = match frame.transpose().map_err(|error| error.to_string())? {
                Some(frame) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let length = data.len() as u64;
                    self.room = self.room.checked_sub(length).ok_or("it is too long")?;
                    self.lines.push(&data)?
                }
                None => {
                    self.ended = true;
                    self.lines.finish()
                }
            };
            if !lines.is_empty() {
                return Ok(Some(lines.into()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_content_type() {
        let of = |text: &str| Format::of(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(Format::of(None), Some(Format::Text));
        assert_eq!(of("text/plain; version=0.0.4"), Some(Format::Text));
        assert_eq!(
            of("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8"),
            Some(Format::OpenMetrics(Version::One))
        );
        assert_eq!(of("application/openmetrics-text"), Some(Format::OpenMetrics(Version::Draft)));
        assert_eq!(of("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"), None);
    }
}
