//! `http[]`: one HTTP route, what it matches and what it does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::super::destination::Destination;
use super::cors::CorsPolicy;
use super::fault::{HttpFaultInjection, Percent};
use super::headers::Headers;
use super::http_match::HttpMatchRequest;
use super::mirror::HttpMirrorPolicy;
use super::redirect::{DirectResponse, HttpRedirect};
use super::retry::HttpRetry;
use super::rewrite::HttpRewrite;
use crate::duration::Duration;

/// A route for HTTP requests. It forwards, redirects or answers by itself.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Name of the route in access logs, joined with the name of the match.
    pub name: Option<String>,
    /// The route is used when any of these matches, or always without any.
    #[serde(rename = "match", default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<HttpMatchRequest>,
    /// Where requests are forwarded to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<HttpRouteDestination>,
    /// Answers with a redirect in place of forwarding.
    pub redirect: Option<HttpRedirect>,
    /// Answers with a fixed response in place of forwarding.
    pub direct_response: Option<DirectResponse>,
    /// Another VirtualService whose routes are used here. Only without `route` and `redirect`.
    pub delegate: Option<Delegate>,
    /// Changes path or authority before forwarding. Not together with `redirect`.
    pub rewrite: Option<HttpRewrite>,
    /// Time for the whole request with its retries. Default: no limit.
    pub timeout: Option<Duration>,
    /// Retries of failed requests.
    pub retries: Option<HttpRetry>,
    /// Delays and errors injected on purpose. Neither timeout nor retries apply to a route that has it.
    pub fault: Option<HttpFaultInjection>,
    /// A destination that gets a copy of requests; its responses are thrown away.
    pub mirror: Option<Destination>,
    /// Several destinations that get copies of requests. Not together with `mirror`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// Deprecated, use `mirrorPercentage`: percent of requests copied to `mirror`.
    pub mirror_percent: Option<u32>,
    /// Deprecated spelling of `mirrorPercent`.
    #[serde(rename = "mirror_percent")]
    pub mirror_percent_snake_case: Option<u32>,
    /// Percent of requests copied to `mirror`. Default 100.
    pub mirror_percentage: Option<Percent>,
    /// Cross-origin resource sharing.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes to request and response headers.
    pub headers: Option<Headers>,
}

/// One destination of an HTTP route.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteDestination {
    /// The service.
    pub destination: Destination,
    /// Share of requests relative to the route's other destinations. A single destination gets all.
    pub weight: Option<i32>,
    /// Changes to headers of requests sent to this destination.
    pub headers: Option<Headers>,
}

/// The VirtualService that a route hands over to.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delegate {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace. Default: that of the root.
    pub namespace: Option<String>,
}
