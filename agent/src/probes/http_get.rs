//! Probes by an HTTP request.
//!
//! In: the request of the kubelet, whose headers are the probe's own. Out: the application's status and a part of its body. Redirects are
//! followed as long as they stay on the same address; one that leads elsewhere is as good as a success.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONNECTION, CONTENT_LENGTH, HOST, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
    uri::PathAndQuery,
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::no_verification;
use crate::exchange::{Peer, exchange};

/// As many as the kubelet follows.
const REDIRECTS: usize = 10;

/// As much of the body as the kubelet shows in events.
const SHOWN: usize = 10 * 1024;

/// Headers that are about the kubelet's connection to us.
static OF_THE_CONNECTION: [http::HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    http::HeaderName::from_static("keep-alive"),
    http::HeaderName::from_static("proxy-connection"),
];

/// A probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGet {
    path: PathAndQuery,
    port: u16,
    tls: bool,
}

/// Where the application is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) address: IpAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) status_port: u16,
}

/// Where one request goes.
struct Step {
    tls: bool,
    port: u16,
    path: PathAndQuery,
    host: Option<HeaderValue>,
}

impl HttpGet {
    /// A request for `path`, which need not begin with a slash.
    ///
    /// # Errors
    /// When it is no path, or the scheme is neither HTTP nor HTTPS.
    pub fn new(path: &str, port: u16, scheme: Option<&str>) -> Result<Self, String> {
        let tls = match scheme.unwrap_or("HTTP") {
            "HTTP" | "http" | "" => false,
            "HTTPS" | "https" => true,
            other => return Err(format!("the scheme {other:?} is neither HTTP nor HTTPS")),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}").parse().map_err(|error| format!("it is no path: {error}"))?;
        Ok(Self { path, port, tls })
    }

    /// Asks the application.
    pub(super) async fn probe(&self, target: Target, headers: &HeaderMap) -> Result<Response, String> {
        let Self { path, port, tls } = self;
        let host = headers.get(HOST).map(|host| named(host, target.status_port, *port));
        let mut step = Step { tls: *tls, port: *port, path: path.clone(), host };
        for _ in 0..REDIRECTS {
            let response = ask(&step, target, headers).await?;
            if !response.status().is_redirection() {
                return shown(response).await;
            }
            match next(&step, target.address, response.headers())? {
                Some(redirected) => step = redirected,
                None => return Ok(StatusCode::OK.into_response()),
            }
        }
        Err(format!("it redirects more than {REDIRECTS} times"))
    }
}

async fn ask(step: &Step, target: Target, headers: &HeaderMap) -> Result<http::Response<Incoming>, String> {
    let Step { tls, port, path, host } = step;
    let address = SocketAddr::new(target.address, *port);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = Uri::from(path.clone());
    *request.headers_mut() = headers.clone();
    let headers = request.headers_mut();
    OF_THE_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
    let own = || HeaderValue::from_str(&address.to_string()).map_err(|error| error.to_string());
    let host = host.clone().map_or_else(own, Ok)?;
    headers.insert(HOST, host);
    let tls = tls.then(no_verification::client).transpose().map_err(|error| error.to_string())?;
    let peer = Peer { address, from: target.from, tls: tls.map(Arc::new) };
    exchange(&peer, request).await.map_err(|error| error.to_string())
}

/// The host that the application is to see: where the kubelet names our port, it means the application's.
fn named(host: &HeaderValue, status_port: u16, port: u16) -> HeaderValue {
    let text = host.to_str().unwrap_or_default();
    let ours = text.strip_suffix(&format!(":{status_port}"));
    let theirs = ours.and_then(|name| HeaderValue::from_str(&format!("{name}:{port}")).ok());
    theirs.unwrap_or_else(|| host.clone())
}

/// Where a redirect leads; `None`: somewhere else than to the application.
fn next(step: &Step, address: IpAddr, headers: &HeaderMap) -> Result<Option<Step>, String> {
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let text = location.to_str().map_err(|_| "it redirects to something unreadable".to_owned())?;
    let text = text.split('#').next().unwrap_or_default();
    if let Some((scheme, _)) = text.split_once("://") {
        let uri: Uri = text.parse().map_err(|error| format!("it redirects to {text:?}: {error}"))?;
        let tls = scheme.eq_ignore_ascii_case("https");
        let same = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok()) == Some(address);
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        return Ok(same.then_some(Step { tls, port, path, host: None }));
    }
    if text.starts_with("//") {
        return Ok(None);
    }
    let resolved = match text {
        "" => step.path.to_string(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        query if query.starts_with('?') => format!("{}{query}", step.path.path()),
        relative => {
            let directory = step.path.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{directory}/{relative}")
        }
    };
    let path = resolved.parse().map_err(|error| format!("it redirects to {text:?}: {error}"))?;
    Ok(Some(Step { tls: step.tls, port: step.port, path, host: step.host.clone() }))
}

/// The status, and the beginning of the body.
async fn shown(response: http::Response<Incoming>) -> Result<Response, String> {
    let (head, mut body) = response.into_parts();
    let mut shown = Vec::new();
    while shown.len() < SHOWN
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            let room = SHOWN - shown.len();
            shown.extend_from_slice(data.get(..room).unwrap_or(data));
        }
    }
    Ok((head.status, Body::from(shown)).into_response())
}
