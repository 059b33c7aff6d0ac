//! `loadBalancer`: how an endpoint is chosen for a request or connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use super::locality::{LocalityLbSetting, ZoneAwareLbSetting};
use crate::duration::Duration;
use crate::schema::rules;

/// The load balancer of a service. At most one of `simple` and `consistentHash` is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["simple", "consistentHash"])))]
pub struct LoadBalancerSettings {
    /// An algorithm without settings.
    pub simple: Option<SimpleLb>,
    /// Sends equal requests to the same endpoint.
    pub consistent_hash: Option<ConsistentHashLb>,
    /// Preference for near localities, in place of the mesh's.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Keeps traffic inside a zone where capacity allows; wins over `localityLbSetting`.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// Deprecated, use `warmup`: time in which a new endpoint's share grows to full.
    pub warmup_duration_secs: Option<Duration>,
    /// Lets the share of a new endpoint grow slowly. Only for ROUND_ROBIN and LEAST_REQUEST.
    pub warmup: Option<WarmupConfiguration>,
}

/// An algorithm without settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// The default, LEAST_REQUEST.
    Unspecified,
    /// Deprecated name of LEAST_REQUEST.
    LeastConn,
    /// Any endpoint.
    Random,
    /// The address the client connected to, without balancing.
    Passthrough,
    /// One endpoint after the other.
    RoundRobin,
    /// Of two random endpoints the one with fewer requests under way.
    LeastRequest,
}

/// Sends equal requests to the same endpoint as long as the set of endpoints stays. At most one kind of key
/// and at most one algorithm is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("allOf" = json!([
    { "oneOf": rules::at_most_one_of(&["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"]) },
    { "oneOf": rules::at_most_one_of(&["ringHash", "maglev"]) },
])))]
pub struct ConsistentHashLb {
    /// The key is this request header.
    pub http_header_name: Option<String>,
    /// The key is this cookie.
    pub http_cookie: Option<HttpCookie>,
    /// The key is the client's address.
    pub use_source_ip: Option<bool>,
    /// The key is this query parameter.
    pub http_query_parameter_name: Option<String>,
    /// Balances with a hash ring; the default.
    pub ring_hash: Option<RingHash>,
    /// Balances with a Maglev table: faster than a ring, less stable.
    pub maglev: Option<MagLev>,
    /// Deprecated, use `ringHash.minimumRingSize`.
    #[schemars(extend("minimum" = 0))]
    pub minimum_ring_size: Option<u64>,
}

/// A cookie used as key. One with a `ttl` is made when the request has none.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCookie {
    /// Name of the cookie.
    pub name: String,
    /// Path of a cookie that is made.
    pub path: Option<String>,
    /// Lifetime of a cookie that is made; `0s` for one that lasts as long as the browser's session.
    #[schemars(with = "Option<String>")]
    pub ttl: Option<Duration>,
    /// More attributes of a cookie that is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<HttpCookieAttribute>,
}

/// An attribute of a cookie, such as `SameSite`.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCookieAttribute {
    /// Name of the attribute.
    pub name: String,
    /// Value of the attribute, if it has one.
    pub value: Option<String>,
}

/// Settings of the hash ring.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RingHash {
    /// Fewest entries on the ring; more spread load better. Default 1024.
    #[schemars(extend("minimum" = 0))]
    pub minimum_ring_size: Option<u64>,
}

/// Settings of the Maglev table.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MagLev {
    /// Size of the table, a prime number. Default 65537.
    #[schemars(extend("minimum" = 0))]
    pub table_size: Option<u64>,
}

/// How the share of a new endpoint grows.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarmupConfiguration {
    /// Time until an endpoint has its full share.
    pub duration: Duration,
    /// Share at the start, in percent. Default 10.
    #[schemars(extend("minimum" = 0, "maximum" = 100))]
    pub minimum_percent: Option<f64>,
    /// Shape of the growth: 1 (the default) is linear, more starts slower.
    #[schemars(extend("minimum" = 0))]
    pub aggression: Option<f64>,
}
