//! When a workload that runs on this machine is ready.

use crate::Str;
use serde::Serialize;
use std::time::Duration;

/// A container's `readinessProbe`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Probe {
    /// What is asked.
    pub check: ProbeCheck,
    /// `initialDelaySeconds`: how long nothing is asked at first.
    pub initial_delay: Duration,
    /// `periodSeconds`
    pub period: Duration,
    /// `timeoutSeconds`: for one answer.
    pub timeout: Duration,
    /// `successThreshold`: so many in a row make it ready.
    pub successes: u32,
    /// `failureThreshold`: so many in a row make it not ready.
    pub failures: u32,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ProbeCheck {
    /// `httpGet`: a status from 200 to 399 is a success.
    HttpGet {
        /// Path and query.
        path: Str,
        /// Container port.
        port: u16,
        /// Over TLS, whatever the certificate.
        tls: bool,
        /// `httpHeaders`
        headers: Vec<(Str, Str)>,
    },
    /// `tcpSocket`: a connection is a success.
    TcpSocket {
        /// Container port.
        port: u16,
    },
    /// `grpc`: SERVING is a success.
    Grpc {
        /// Container port.
        port: u16,
        /// The service that is asked after.
        service: Str,
    },
}

impl ProbeCheck {
    /// The port that is asked.
    pub fn port(&self) -> u16 {
        match self {
            Self::HttpGet { port, .. } | Self::TcpSocket { port } | Self::Grpc { port, .. } => *port,
        }
    }
}
