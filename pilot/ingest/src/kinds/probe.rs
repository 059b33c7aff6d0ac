//! A container's `readinessProbe`, of workloads that run on this machine.
//!
//! In: the probe as written, and the names of the pod's ports. Out: when the workload is ready. Nothing can be executed in a container that
//! is not there: `exec` is passed over, as if there were no probe, and that is told.

use crate::{at::At, values::parse_port};
use mesh_model::{Probe, ProbeCheck, Reason, Str};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    http_get: Option<HttpGet>,
    tcp_socket: Option<TcpSocket>,
    grpc: Option<Grpc>,
    exec: Option<Value>,
    initial_delay_seconds: Option<u32>,
    period_seconds: Option<u32>,
    timeout_seconds: Option<u32>,
    success_threshold: Option<u32>,
    failure_threshold: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpGet {
    path: Option<String>,
    port: Value,
    scheme: Option<String>,
    #[serde(default)]
    http_headers: Vec<HttpHeader>,
}

#[derive(Debug, Deserialize)]
struct HttpHeader {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct TcpSocket {
    port: Value,
}

#[derive(Debug, Deserialize)]
struct Grpc {
    port: i64,
    service: Option<String>,
}

/// What Kubernetes does when nothing else is said.
const PERIOD: u32 = 10;
const TIMEOUT: u32 = 1;
const SUCCESSES: u32 = 1;
const FAILURES: u32 = 3;

/// Reads a probe; `None`: there is none that can be asked.
pub(super) fn parse_probe(value: Value, named_ports: &[(Str, u16)], at: &At<'_>) -> Option<Probe> {
    let written: Written = match serde_json::from_value(value) {
        Ok(written) => written,
        Err(error) => {
            at.error_hint(
                Reason::InvalidValue,
                error.to_string(),
                "write it as Kubernetes reads it, as in `httpGet: {path: /ready, port: 8080}`",
            );
            return None;
        }
    };
    let Written {
        http_get,
        tcp_socket,
        grpc,
        exec,
        initial_delay_seconds,
        period_seconds,
        timeout_seconds,
        success_threshold,
        failure_threshold,
    } = written;
    let check = match (http_get, tcp_socket, grpc, exec) {
        (Some(get), None, None, None) => parse_http_get(get, named_ports, &at.field("httpGet"))?,
        (None, Some(TcpSocket { port }), None, None) => {
            let at = at.field("tcpSocket");
            ProbeCheck::TcpSocket { port: parse_named_port(&port, named_ports, &at.field("port"))? }
        }
        (None, None, Some(Grpc { port, service }), None) => {
            let port = parse_port(port, &at.field("grpc").field("port"))?;
            ProbeCheck::Grpc { port, service: service.unwrap_or_default().into() }
        }
        (None, None, None, Some(_)) => {
            at.not_supported("exec", true);
            return None;
        }
        _ => {
            at.error_hint(
                Reason::InvalidValue,
                "a probe has one of httpGet, tcpSocket, grpc and exec",
                "leave all but one of them out",
            );
            return None;
        }
    };
    // Zero means the usual, as in Kubernetes.
    let or = |written: Option<u32>, usual: u32| written.filter(|value| *value > 0).unwrap_or(usual);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Some(Probe {
        check,
        initial_delay: seconds(initial_delay_seconds.unwrap_or(0)),
        period: seconds(or(period_seconds, PERIOD)),
        timeout: seconds(or(timeout_seconds, TIMEOUT)),
        successes: or(success_threshold, SUCCESSES),
        failures: or(failure_threshold, FAILURES),
    })
}

fn parse_http_get(get: HttpGet, named_ports: &[(Str, u16)], at: &At<'_>) -> Option<ProbeCheck> {
    let HttpGet { path, port, scheme, http_headers } = get;
    let tls = match scheme.as_deref().unwrap_or("HTTP") {
        "HTTP" => false,
        "HTTPS" => true,
        other => {
            at.field("scheme").error_hint(
                Reason::InvalidValue,
                format!("`{other}` is neither HTTP nor HTTPS"),
                "write HTTP or HTTPS",
            );
            return None;
        }
    };
    let port = parse_named_port(&port, named_ports, &at.field("port"))?;
    let headers = http_headers.into_iter().map(|HttpHeader { name, value }| (name.into(), value.into()));
    let path = path.unwrap_or_else(|| "/".to_owned()).into();
    Some(ProbeCheck::HttpGet { path, port, tls, headers: headers.collect() })
}

fn parse_named_port(port: &Value, named_ports: &[(Str, u16)], at: &At<'_>) -> Option<u16> {
    match port {
        Value::String(name) => {
            let found = named_ports.iter().find(|(known, _)| **known == **name);
            if found.is_none() {
                at.error_hint(
                    Reason::InvalidValue,
                    format!("no port of the containers is called `{name}`"),
                    known_ports(named_ports),
                );
            }
            found.map(|(_, number)| *number)
        }
        other => match other.as_i64() {
            Some(number) => parse_port(number, at),
            None => {
                at.error_hint(
                    Reason::InvalidValue,
                    "a port is a number or the name of one",
                    "write one such as 8080, or the name of a port of the container",
                );
                None
            }
        },
    }
}

/// What a port could be called.
fn known_ports(named_ports: &[(Str, u16)]) -> String {
    let names: Vec<&str> = named_ports.iter().map(|(name, _)| &**name).collect();
    match names.is_empty() {
        true => "write the number of the port; no port of the containers has a name".to_owned(),
        false => format!("write {}, or a number", names.join(" or ")),
    }
}
