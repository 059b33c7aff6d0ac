//! `ingress`: where a workload is reached.

use super::{
    listener::{Written, parse_ingress_port},
    server_tls::parse_server_tls,
};
use crate::{
    at::At,
    kinds::traffic_policy::parse_connection_pool,
    values::{SOCKET, parse_port, parse_socket},
};
use mesh_api::networking::sidecar as api;
use mesh_model::{IngressEndpoint, Protocol, Reason, SidecarIngress};
use std::{collections::BTreeSet, net::SocketAddr};

/// Reads all entries; what cannot be used is left out.
pub fn parse(entries: Vec<api::IngressListener>, at: &At<'_>) -> Vec<SidecarIngress> {
    let mut ports = BTreeSet::new();
    let mut parsed = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let at = at.index(index);
        let Some(ingress) = parse_entry(index, entry, &at) else { continue };
        if ports.insert(ingress.port.number) {
            parsed.push(ingress);
        } else {
            let message = format!("port {} is there before; this entry has no effect", ingress.port.number);
            at.field("port").error_hint(Reason::Duplicate, message, "merge the two entries");
        }
    }
    parsed
}

fn parse_entry(index: usize, entry: api::IngressListener, at: &At<'_>) -> Option<SidecarIngress> {
    let api::IngressListener { port, bind, capture_mode, default_endpoint, tls, connection_pool } = entry;
    // Better nobody than anybody in plain text: a port whose TLS can't be as it is written is not served.
    let tls = match tls {
        Some(tls) => Some(parse_server_tls(tls, &at.field("tls"))?),
        None => None,
    };
    let (port, protocol) = parse_ingress_port(Written { port, bind, capture: capture_mode }, at)?;
    let endpoint = match default_endpoint.as_deref() {
        None | Some("") => None,
        Some(text) => Some(parse_endpoint(text, &at.field("defaultEndpoint"))?),
    };
    if port.at.is_bound && endpoint.is_none() {
        at.field("defaultEndpoint").warning_hint(
            Reason::Required,
            "the proxy listens here itself, and is not told where the workload does",
            "write 127.0.0.1:PORT, with another port than this",
        );
    }
    let carries_bytes = !matches!(protocol, Protocol::Auto) && !protocol.is_http();
    if carries_bytes && connection_pool.as_ref().is_some_and(|pool| pool.http.is_some()) {
        at.field("connectionPool").field("http").warning_hint(
            Reason::Conflict,
            "no requests are seen on a port of this protocol, so this has no effect",
            "write `tcp`, or `protocol: HTTP` for the port",
        );
    }
    let pool = connection_pool.map(|pool| parse_connection_pool(pool, &at.field("connectionPool")));
    Some(SidecarIngress { index, port, protocol, endpoint, pool, tls })
}

fn parse_endpoint(text: &str, at: &At<'_>) -> Option<IngressEndpoint> {
    if text.starts_with(SOCKET) {
        return parse_socket(text, at).map(IngressEndpoint::Unix);
    }
    // `:8080` is the workload's own address.
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    if let Ok(address) = whole.parse::<SocketAddr>() {
        let port = parse_port(address.port(), at)?;
        if address.ip().is_loopback() {
            return Some(IngressEndpoint::Loopback(port));
        }
        if address.ip().is_unspecified() {
            return Some(IngressEndpoint::Workload(port));
        }
    }
    at.error_hint(
        Reason::InvalidValue,
        format!("`{text}` is not where a workload can be; the entry is left out"),
        "write 127.0.0.1:PORT, 0.0.0.0:PORT (the workload's own address) or unix:///path",
    );
    None
}
