//! `http[].match[]`: what a request is matched by.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::super::string_match::StringMatch;

/// Conditions on a request; all that is set must hold.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatchRequest {
    /// Name of the match in access logs, joined to the name of the route.
    pub name: Option<String>,
    /// Path of the request, without the query.
    pub uri: Option<StringMatch>,
    /// Scheme of the request.
    pub scheme: Option<StringMatch>,
    /// Method of the request.
    pub method: Option<StringMatch>,
    /// Authority (`Host`) of the request.
    pub authority: Option<StringMatch>,
    /// Headers by lowercase name. An empty match asks only that the header is there. `uri`, `scheme`,
    /// `method` and `authority` are no headers here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, StringMatch>,
    /// Port of the service the request was sent to.
    pub port: Option<u32>,
    /// Labels the client workload must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
    /// Gateways this match is for, in place of the VirtualService's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Query parameters by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Compares `uri` without regard to case; only for exact and prefix.
    pub ignore_uri_case: Option<bool>,
    /// Headers, as in `headers`, that must not match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Namespace the client workload must be in.
    pub source_namespace: Option<String>,
    /// Prefix of the statistics of this route. Without it none are kept.
    pub stat_prefix: Option<String>,
}
