//! Access logs of the mesh: `accessLogFile` and `enableEnvoyAccessLogService`, or the providers that are told instead, and what they are told.

use crate::{ProviderService, Str};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where proxies log, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AccessLog {
    /// Each is told of each request or connection; never empty.
    pub loggers: Vec<AccessLogger>,
    /// Whether listeners log connections that no filter chain takes (`disableEnvoyListenerLog` is the opposite).
    pub listeners: bool,
}

impl AccessLog {
    /// The services of the mesh that are told.
    pub fn services(&self) -> impl Iterator<Item = &ProviderService> {
        self.loggers.iter().filter_map(|logger| match logger {
            AccessLogger::Service(LogService { to, name: _, protocol: _ }) => Some(to),
            AccessLogger::File(_) | AccessLogger::Bootstrap => None,
        })
    }
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum AccessLogger {
    /// A file.
    File(LogFile),
    /// `enableEnvoyAccessLogService`: the service that the bootstrap of each proxy leads to (`defaultConfig.envoyAccessLogService`).
    Bootstrap,
    /// One of `extensionProviders` that is a service.
    Service(LogService),
}

/// A provider `envoyHttpAls`, `envoyTcpAls` or `envoyOtelAls`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LogService {
    /// Where it is.
    #[serde(flatten)]
    pub to: ProviderService,
    /// `logName`: which of its logs this is; never empty.
    pub name: Str,
    /// What is spoken, and what entries say.
    pub protocol: LogProtocol,
}

/// What is spoken to a service that takes accesses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum LogProtocol {
    /// `envoyHttpAls`: Envoy's own, with entries of requests.
    Http {
        /// `filterStateObjectsToLog`.
        filter_state: Vec<Str>,
        /// `additionalRequestHeadersToLog`.
        request_headers: Vec<Str>,
        /// `additionalResponseHeadersToLog`.
        response_headers: Vec<Str>,
        /// `additionalResponseTrailersToLog`.
        response_trailers: Vec<Str>,
    },
    /// `envoyTcpAls`: Envoy's own, with entries of connections.
    Tcp {
        /// `filterStateObjectsToLog`.
        filter_state: Vec<Str>,
    },
    /// `envoyOtelAls`: records of OpenTelemetry.
    Otlp {
        /// `logFormat.text`: the body of a record; `None`: Istio's default.
        body: Option<Str>,
        /// `logFormat.labels`: its attributes.
        attributes: BTreeMap<Str, Str>,
    },
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
