//! `port`, `bind` and `captureMode`, of either direction.

use crate::{
    at::At,
    names::label_fault,
    values::{SOCKET, parse_port, parse_socket},
};
use mesh_api::networking::sidecar as api;
use mesh_model::{ListenerPlace, Protocol, Reason, SidecarAddress, SidecarListener, SidecarPort, Str};
use std::net::IpAddr;

/// What the two directions write alike.
pub struct Written {
    pub port: api::SidecarPort,
    pub bind: Option<String>,
    pub capture: Option<api::CaptureMode>,
}

/// Reads where a workload is reached, and what is spoken there; `None` when it can be nowhere.
pub fn parse_ingress_port(written: Written, at: &At<'_>) -> Option<(SidecarPort, Protocol)> {
    let Written { port, bind, capture } = written;
    let (protocol, _) = parse_protocol(&port, at);
    let number = parse_number(port.number, at, "write the number of the port, as in `number: 8080`")?;
    let bind = bind.filter(|text| !text.is_empty());
    if bind.as_deref().is_some_and(is_socket) {
        at.field("bind").error_hint(
            Reason::InvalidValue,
            "Unix domain socket addresses are not allowed in ingress, as in Istio: others could not reach them; the entry is left out",
            "write an IP address; where the workload itself is at a socket, write `defaultEndpoint: unix:///path`",
        );
        return None;
    }
    let port = SidecarPort { number, at: parse_address(bind, capture, at)? };
    Some((port, protocol))
}

/// Reads where a workload calls others; `None` when it can be nowhere.
pub fn parse_egress_listener(written: Written, at: &At<'_>) -> Option<SidecarListener> {
    let Written { port, bind, capture } = written;
    let (protocol, is_proxy) = parse_protocol(&port, at);
    // Istio's API does not tell a number of zero from none.
    let number = port.number.filter(|number| *number > 0);
    let bind = bind.filter(|text| !text.is_empty());
    let place = match bind.as_deref().filter(|text| is_socket(text)) {
        Some(text) => ListenerPlace::Unix(parse_place(text, number, capture, at)?),
        None => {
            let hint = "write its port, as in `number: 8080`, or else the path of a socket, as in `bind: unix:///path`";
            let number = parse_number(number, at, hint)?;
            ListenerPlace::Port(SidecarPort { number, at: parse_address(bind, capture, at)? })
        }
    };
    Some(SidecarListener { place, protocol, is_proxy })
}

/// Reads where a workload calls others at their own ports, which no `port` is said for: without a listener, at their own addresses. `None` when it
/// can be nowhere.
pub fn parse_each(
    bind: Option<String>,
    capture: Option<api::CaptureMode>,
    at: &At<'_>,
) -> Option<Option<SidecarListener>> {
    let bind = bind.filter(|text| !text.is_empty());
    if bind.as_deref().is_some_and(is_socket) {
        at.warning_hint(
            Reason::Required,
            "without a port these services are called at their own addresses: the proxy does not listen at the socket",
            "add `port`, without a number, as in `port: {protocol: HTTP}`",
        );
        return Some(None);
    }
    let address = parse_address(bind, capture, at)?;
    let is_elsewhere = address.is_bound || address.bind.is_some();
    let place = ListenerPlace::Each(address);
    Some(is_elsewhere.then_some(SidecarListener { place, protocol: Protocol::Auto, is_proxy: false }))
}

/// `bind` and `captureMode`; `None`: it is no address.
fn parse_address(
    bind: Option<String>,
    capture: Option<api::CaptureMode>,
    at: &At<'_>,
) -> Option<SidecarAddress> {
    Some(SidecarAddress { bind: parse_bind(bind, at)?, is_bound: is_bound(capture) })
}

/// Reads the path of a socket, and says what beside it contradicts it.
fn parse_place(
    text: &str,
    number: Option<u32>,
    capture: Option<api::CaptureMode>,
    at: &At<'_>,
) -> Option<Str> {
    if number.is_some() {
        at.field("port").field("number").error_hint(
            Reason::Conflict,
            "a Unix domain socket has no port; the listener is left out",
            "leave the number out, or write an IP address in `bind`",
        );
        return None;
    }
    let path = parse_socket(text, &at.field("bind"))?;
    if capture == Some(api::CaptureMode::Iptables) {
        at.field("captureMode").warning_hint(
            Reason::Conflict,
            "nothing is redirected to a Unix domain socket: the proxy listens there itself; Istio refuses this",
            "leave `captureMode` out, or write NONE",
        );
    }
    Some(path)
}

fn is_socket(bind: &str) -> bool {
    bind.starts_with(SOCKET)
}

fn is_bound(capture: Option<api::CaptureMode>) -> bool {
    match capture {
        Some(api::CaptureMode::None) => true,
        Some(api::CaptureMode::Default | api::CaptureMode::Iptables) | None => false,
    }
}

fn parse_number(number: Option<u32>, at: &At<'_>, hint: &str) -> Option<u16> {
    let at_port = at.field("port");
    let at = at_port.field("number");
    match number {
        Some(number) => parse_port(number, &at),
        None => {
            at.error_hint(Reason::Required, "where does the proxy listen?", hint);
            None
        }
    }
}

/// What is spoken, and whether as to an HTTP proxy.
fn parse_protocol(port: &api::SidecarPort, at: &At<'_>) -> (Protocol, bool) {
    let api::SidecarPort { number: _, protocol, name, target_port } = port;
    let at = at.field("port");
    // A name is for people alone, as in Istio.
    if let Some(fault) = name.as_deref().filter(|name| !name.is_empty()).and_then(label_fault) {
        at.field("name").info_hint(
            Reason::InvalidValue,
            format!("Istio refuses this name of a port: {fault}"),
            "for Istio write one such as http",
        );
    }
    if target_port.is_some() {
        at.field("targetPort").warning_hint(
            Reason::NotSupported,
            "the port behind a listener is not said here, as in Istio; this has no effect",
            "of `ingress`, write `defaultEndpoint: 127.0.0.1:PORT`",
        );
    }
    let is_proxy = protocol.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("HTTP_PROXY"));
    let protocol = match protocol.as_deref() {
        None | Some("") => Protocol::Auto,
        Some(text) => Protocol::parse(text).unwrap_or_else(|| {
            at.field("protocol").warning_hint(
                Reason::InvalidValue,
                format!("`{text}` is no protocol; it is found out from what clients send"),
                "write HTTP, HTTP2, GRPC, TLS, HTTPS or TCP",
            );
            Protocol::Auto
        }),
    };
    (protocol, is_proxy)
}

/// The address, if there is one; `None` when it is none.
fn parse_bind(bind: Option<String>, at: &At<'_>) -> Option<Option<IpAddr>> {
    let Some(text) = bind else { return Some(None) };
    let address = text.parse().ok();
    if address.is_none() {
        at.field("bind").error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no IP address; the listener is left out"),
            "write an address such as 127.0.0.1 or 0.0.0.0",
        );
    }
    address.map(Some)
}
