//! What a route does about requests that fail, and how it makes some fail on purpose.

use crate::{Duration, Percent, Str};
use serde::Serialize;

/// `retries`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Retries {
    /// How many more tries; 0: none.
    pub attempts: u32,
    /// `perTryTimeout`; `None`: as the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// `retryOn`.
    pub on: RetryOn,
    /// `retryRemoteLocalities`.
    pub remote_localities: bool,
    /// `retryIgnorePreviousHosts`: a retry goes to a host that was not tried; default true.
    pub ignore_previous_hosts: bool,
    /// `backoff`, the base interval; `None`: Envoy's 25 ms.
    pub backoff: Option<Duration>,
}

/// When a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RetryOn {
    /// Envoy's conditions, comma-separated, HTTP and gRPC.
    pub conditions: Str,
    /// Status codes that count as a failure.
    pub status_codes: Vec<u16>,
}

impl Default for RetryOn {
    /// Istio's built-in default.
    fn default() -> Self {
        Self {
            conditions: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes".into(),
            status_codes: Vec::new(),
        }
    }
}

impl Default for Retries {
    /// Istio's built-in default for outbound requests.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn::default(),
            remote_localities: false,
            ignore_previous_hosts: true,
            backoff: None,
        }
    }
}

/// `fault`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Fault {
    pub delay: Option<Delay>,
    pub abort: Option<Abort>,
}

/// `fault.delay`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Delay {
    pub fixed: Duration,
    pub percent: Percent,
}

/// `fault.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Abort {
    pub code: AbortCode,
    pub percent: Percent,
}

/// What an aborted request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum AbortCode {
    /// An HTTP status, 200 to 599.
    Http(u16),
    /// A gRPC status, 0 to 16.
    Grpc(u32),
}
