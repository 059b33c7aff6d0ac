//! `http[].rewrite`: changes to path and authority before a request is forwarded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Changes to the request line. The new path replaces what the route matched.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRewrite {
    /// Replaces the matched prefix, or the whole path when the match was exact or a regex.
    pub uri: Option<String>,
    /// New authority (`Host`) header.
    pub authority: Option<String>,
    /// Changes the path by a regular expression. Not together with `uri`.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A replacement by regular expression.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegexRewrite {
    /// What is replaced, in RE2 syntax.
    #[serde(rename = "match")]
    pub r#match: Option<String>,
    /// What takes its place; `\1` stands for the first group.
    pub rewrite: Option<String>,
}
