//! `http[].redirect` and `http[].directResponse`: answers given without asking a service.

use k8s_openapi::ByteString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::rules;

/// Answers with a redirect. Parts of the URL that are not set stay as requested.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["port", "derivePort"])))]
pub struct HttpRedirect {
    /// Path to redirect to, whole, whatever was matched.
    pub uri: Option<String>,
    /// Replaces the matched prefix of the path.
    pub prefix_rewrite: Option<String>,
    /// Authority to redirect to.
    pub authority: Option<String>,
    /// Port to redirect to. Not together with `derivePort`.
    pub port: Option<u32>,
    /// How the port is chosen.
    pub derive_port: Option<RedirectPortSelection>,
    /// Scheme to redirect to, `http` or `https`.
    pub scheme: Option<String>,
    /// Status: 301 (the default), 302, 303, 307 or 308.
    pub redirect_code: Option<u32>,
}

/// How the port of a redirect is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectPortSelection {
    /// The usual port of the scheme: 80 or 443.
    FromProtocolDefault,
    /// The port of the request.
    FromRequestPort,
}

/// A fixed response.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectResponse {
    /// Status of the response.
    pub status: u32,
    /// Body of the response, up to 1 MiB. Default: empty.
    pub body: Option<HttpBody>,
}

/// The body of a fixed response. At most one field is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["string", "bytes"])))]
pub struct HttpBody {
    /// The body as text.
    pub string: Option<String>,
    /// The body in base64.
    #[schemars(with = "Option<String>", extend("format" = "byte"))]
    pub bytes: Option<ByteString>,
}
