//! What the injector writes about a pod's probes.
//!
//! In: JSON, by path: `{"/app-health/web/readyz": {"httpGet": {"path": "/", "port": 80}, "timeoutSeconds": 3}}`. Out: what to do for each.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::http_get::HttpGet;

/// What Kubernetes waits for a probe that does not say how long.
const USUAL: Duration = Duration::from_secs(1);

/// The probes can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the application's probes (ISTIO_KUBE_APP_PROBERS): {0}")]
pub struct ProbeConfigError(String);

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prober {
    pub(super) action: Action,
    /// `None`: as long as whoever asks waits. What a container does at its start and end may take a while.
    pub(super) timeout: Option<Duration>,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An HTTP request: a status below 400 is a success.
    HttpGet(HttpGet),
    /// A connection.
    TcpSocket {
        /// Where.
        port: u16,
    },
    /// `grpc.health.v1.Health/Check`: SERVING is a success.
    Grpc {
        /// Where.
        port: u16,
        /// Which service is asked after.
        service: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    http_get: Option<WrittenHttpGet>,
    tcp_socket: Option<WrittenPort>,
    grpc: Option<WrittenGrpc>,
    timeout_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenHttpGet {
    path: Option<String>,
    port: u16,
    scheme: Option<String>,
}

#[derive(Deserialize)]
struct WrittenPort {
    port: u16,
}

#[derive(Deserialize)]
struct WrittenGrpc {
    port: u16,
    service: Option<String>,
}

/// Reads the probes.
pub(super) fn parse(json: &str) -> Result<BTreeMap<String, Prober>, ProbeConfigError> {
    let written: BTreeMap<String, Written> =
        serde_json::from_str(json).map_err(|error| ProbeConfigError(error.to_string()))?;
    written.into_iter().map(|(path, written)| Ok((path.clone(), prober(&path, written)?))).collect()
}

fn prober(path: &str, written: Written) -> Result<Prober, ProbeConfigError> {
    let Written { http_get, tcp_socket, grpc, timeout_seconds } = written;
    let health = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "app-health", container, "readyz" | "livez" | "startupz"] if !container.is_empty() => true,
        ["", "app-lifecycle", container, "prestopz" | "poststartz"] if !container.is_empty() => false,
        _ => {
            let forms = "/app-health/<container>/{readyz,livez,startupz} and /app-lifecycle/<container>/{prestopz,poststartz}";
            return Err(ProbeConfigError(format!("`{path}` is neither of {forms}")));
        }
    };
    let action = match (http_get, tcp_socket, grpc) {
        (Some(WrittenHttpGet { path, port, scheme }), None, None) => {
            let path = path.unwrap_or_default();
            let get = HttpGet::new(&path, port, scheme.as_deref());
            Action::HttpGet(get.map_err(|reason| ProbeConfigError(format!("`{path}`: {reason}")))?)
        }
        (None, Some(WrittenPort { port }), None) => Action::TcpSocket { port },
        (None, None, Some(WrittenGrpc { port, service })) => {
            Action::Grpc { port, service: service.unwrap_or_default() }
        }
        _ => return Err(ProbeConfigError(format!("`{path}` has to have one of httpGet, tcpSocket, grpc"))),
    };
    let written =
        timeout_seconds.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into()));
    Ok(Prober { action, timeout: written.or(health.then_some(USUAL)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_injector_writes() {
        let probers = parse(
            r#"{
            "/app-health/web/readyz": {"httpGet": {"path": "ready?full=1", "port": 8080, "scheme": "HTTPS"}, "timeoutSeconds": 3},
            "/app-health/web/livez": {"tcpSocket": {"port": 9090}},
            "/app-health/web/startupz": {"grpc": {"port": 50051, "service": null}, "timeoutSeconds": 0},
            "/app-lifecycle/web/prestopz": {"httpGet": {"port": 8080}}
        }"#,
        )
        .unwrap();
        let of = |path: &str| probers[path].clone();
        let get = HttpGet::new("ready?full=1", 8080, Some("HTTPS")).unwrap();
        let three = Some(Duration::from_secs(3));
        assert_eq!(of("/app-health/web/readyz"), Prober { action: Action::HttpGet(get), timeout: three });
        assert_eq!(
            of("/app-health/web/livez"),
            Prober { action: Action::TcpSocket { port: 9090 }, timeout: Some(USUAL) }
        );
        let grpc = Action::Grpc { port: 50051, service: String::new() };
        assert_eq!(of("/app-health/web/startupz"), Prober { action: grpc, timeout: Some(USUAL) });
        assert_eq!(of("/app-lifecycle/web/prestopz").timeout, None);
    }

    #[test]
    fn what_nobody_writes() {
        for (json, says) in [
            ("[]", "invalid type"),
            (r#"{"/app-health/web/readyz": {}}"#, "one of httpGet"),
            (
                r#"{"/app-health/web/readyz": {"tcpSocket": {"port": 1}, "grpc": {"port": 1}}}"#,
                "one of httpGet",
            ),
            (r#"{"/app-health/web/readyz": {"tcpSocket": {"port": "http"}}}"#, "u16"),
            (r#"{"/app-health/web/readyz": {"httpGet": {"port": 80, "scheme": "FTP"}}}"#, "FTP"),
            (r#"{"/app-health/web/prestopz": {"tcpSocket": {"port": 1}}}"#, "neither of"),
            (r#"{"/healthz/ready": {"tcpSocket": {"port": 1}}}"#, "neither of"),
            (r#"{"/app-health//readyz": {"tcpSocket": {"port": 1}}}"#, "neither of"),
        ] {
            let error = parse(json).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
