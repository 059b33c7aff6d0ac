//! Access logs of the mesh: `accessLogFile`, or the providers that are told instead, and what is written there.

use crate::Str;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where proxies log, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AccessLog {
    /// Each gets a line for each request or connection; never empty.
    pub files: Vec<LogFile>,
    /// Whether listeners log connections that no filter chain takes (`disableEnvoyListenerLog` is the opposite).
    pub listeners: bool,
}

/// `accessLogFile`, or a provider `envoyFileAccessLog`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LogFile {
    /// Where it is; never empty.
    pub path: Str,
    /// What a line looks like.
    pub format: LogFormat,
    /// Whether what has no value is left out (`omitEmptyValues`), instead of `-` or `null`.
    pub omit_empty: bool,
}

/// `accessLogFormat`, in the encoding of `accessLogEncoding`. `None`: Istio's default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum LogFormat {
    /// Text with command operators. Ends in a line break.
    Text(Option<Str>),
    /// A JSON object of such texts.
    Json(Option<BTreeMap<Str, LogValue>>),
}

/// A part of a JSON format. Envoy keeps the types of what is no text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum LogValue {
    Null,
    Bool(bool),
    Number(i32),
    Text(Str),
    List(Vec<LogValue>),
    Fields(BTreeMap<Str, LogValue>),
}
