//! `readinessProbe` as it is written: Istio's `ReadinessProbe`.
//!
//! In: JSON. Out: a probe with Istio's defaults.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::{Check, Probe};
use crate::probes::{Action, HttpGet};

/// It is no probe.
#[derive(Debug, thiserror::Error)]
#[error("readinessProbe: {0}")]
pub struct ProbeError(String);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    initial_delay_seconds: Option<u32>,
    timeout_seconds: Option<u32>,
    period_seconds: Option<u32>,
    success_threshold: Option<u32>,
    failure_threshold: Option<u32>,
    http_get: Option<WrittenHttpGet>,
    tcp_socket: Option<WrittenSocket>,
    exec: Option<WrittenExec>,
    grpc: Option<WrittenGrpc>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenHttpGet {
    path: Option<String>,
    port: u16,
    host: Option<String>,
    scheme: Option<String>,
    #[serde(default)]
    http_headers: Vec<WrittenHeader>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSocket {
    host: Option<String>,
    port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExec {
    command: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGrpc {
    port: u16,
    service: Option<String>,
}

pub(super) fn parse(written: &Value) -> Result<Probe, ProbeError> {
    let written = Written::deserialize(written).map_err(|error| ProbeError(error.to_string()))?;
    let Written {
        initial_delay_seconds,
        timeout_seconds,
        period_seconds,
        success_threshold,
        failure_threshold,
        http_get,
        tcp_socket,
        exec,
        grpc,
    } = written;
    let named = |host: Option<String>| host.filter(|host| !host.is_empty());
    let ask = |action, host, headers| Check::Ask { action, host: named(host), headers };
    let check = match (http_get, tcp_socket, exec, grpc) {
        (Some(WrittenHttpGet { path, port, host, scheme, http_headers }), None, None, None) => {
            let path = path.unwrap_or_default();
            let get = HttpGet::new(&path, port, scheme.as_deref());
            let get = get.map_err(|reason| ProbeError(format!("httpGet: `{path}`: {reason}")))?;
            ask(Action::HttpGet(get), host, headers(http_headers)?)
        }
        (None, Some(WrittenSocket { host, port }), None, None) => {
            ask(Action::TcpSocket { port }, host, HeaderMap::new())
        }
        (None, None, Some(WrittenExec { command }), None) => match command.is_empty() {
            true => return Err(ProbeError("exec: there is no command".into())),
            false => Check::Run { command },
        },
        (None, None, None, Some(WrittenGrpc { port, service })) => {
            ask(Action::Grpc { port, service: service.unwrap_or_default() }, None, HeaderMap::new())
        }
        _ => return Err(ProbeError("it has to have one of httpGet, tcpSocket, exec, grpc".into())),
    };
    // 0 is what is not said, as in Istio.
    let or = |value: Option<u32>, usual: u32| value.filter(|value| *value > 0).unwrap_or(usual);
    let seconds = |value, usual| Duration::from_secs(or(value, usual).into());
    Ok(Probe {
        check,
        initial_delay: Duration::from_secs(initial_delay_seconds.unwrap_or(0).into()),
        period: seconds(period_seconds, 10),
        timeout: seconds(timeout_seconds, 1),
        successes: or(success_threshold, 1),
        failures: or(failure_threshold, 3),
    })
}

fn headers(written: Vec<WrittenHeader>) -> Result<HeaderMap, ProbeError> {
    let mut headers = HeaderMap::new();
    for WrittenHeader { name, value } in written {
        let wrong = |error: &dyn std::fmt::Display| ProbeError(format!("httpGet: header {name:?}: {error}"));
        let key: HeaderName = name.parse().map_err(|error| wrong(&error))?;
        headers.append(key, HeaderValue::from_str(&value).map_err(|error| wrong(&error))?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_said_is_as_in_istio() {
        let probe = parse(&json!({ "tcpSocket": { "port": 5432, "host": "" }, "periodSeconds": 0 })).unwrap();
        let check =
            Check::Ask { action: Action::TcpSocket { port: 5432 }, host: None, headers: HeaderMap::new() };
        assert_eq!(
            probe,
            Probe {
                check,
                initial_delay: Duration::ZERO,
                period: Duration::from_secs(10),
                timeout: Duration::from_secs(1),
                successes: 1,
                failures: 3,
            }
        );
    }

    #[test]
    fn every_field_counts() {
        let get = json!({
            "httpGet": {
                "path": "ready", "port": 81, "host": "here", "scheme": "HTTPS",
                "httpHeaders": [{ "name": "a", "value": "b" }],
            },
            "periodSeconds": 2,
        });
        let headers = HeaderMap::from_iter([(HeaderName::from_static("a"), HeaderValue::from_static("b"))]);
        let action = Action::HttpGet(HttpGet::new("ready", 81, Some("HTTPS")).unwrap());
        let probe = parse(&get).unwrap();
        assert_eq!(probe.check, Check::Ask { action, host: Some("here".into()), headers });
        assert_eq!(probe.period, Duration::from_secs(2));

        let run = json!({
            "exec": { "command": ["/bin/true"] },
            "failureThreshold": 1, "successThreshold": 2, "timeoutSeconds": 3,
        });
        let probe = parse(&run).unwrap();
        assert_eq!(probe.check, Check::Run { command: vec!["/bin/true".into()] });
        assert_eq!((probe.failures, probe.successes, probe.timeout), (1, 2, Duration::from_secs(3)));

        let grpc = json!({ "grpc": { "port": 82, "service": "a" }, "initialDelaySeconds": 1 });
        let action = Action::Grpc { port: 82, service: "a".into() };
        let probe = parse(&grpc).unwrap();
        assert_eq!(probe.check, Check::Ask { action, host: None, headers: HeaderMap::new() });
        assert_eq!(probe.initial_delay, Duration::from_secs(1));

        let action = Action::TcpSocket { port: 83 };
        let probe = parse(&json!({ "tcpSocket": { "port": 83, "host": "there" } })).unwrap();
        assert_eq!(probe.check, Check::Ask { action, host: Some("there".into()), headers: HeaderMap::new() });
    }

    #[test]
    fn what_is_no_probe_is_told() {
        for bad in [
            json!({}),
            json!({ "tcpSocket": { "port": 1 }, "exec": { "command": ["a"] } }),
            json!({ "exec": { "command": [] } }),
            json!({ "tcpSocket": { "port": 70000 } }),
            json!({ "httpGet": { "port": 80, "httpHeaders": [{ "name": "a b" }] } }),
            json!({ "tcpSockets": { "port": 1 } }),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
