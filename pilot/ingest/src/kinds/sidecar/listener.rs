//! `port`, `bind` and `captureMode`, of either direction.

use crate::{at::At, values::parse_port};
use mesh_api::networking::sidecar as api;
use mesh_model::{Protocol, Reason, SidecarListener};
use std::net::IpAddr;

/// Reads a listener; `None` when it cannot be one.
pub fn parse(
    port: api::SidecarPort,
    bind: Option<String>,
    capture: Option<api::CaptureMode>,
    at: &At<'_>,
) -> Option<SidecarListener> {
    let api::SidecarPort { number, protocol, name: _, target_port } = port; // A name is for people alone, as in Istio.
    let at_port = at.field("port");
    if target_port.is_some() {
        at_port.field("targetPort").warning_hint(
            Reason::NotSupported,
            "the port behind a listener is not said here, as in Istio; this has no effect",
            "of `ingress`, write `defaultEndpoint: 127.0.0.1:PORT`",
        );
    }
    let Some(number) = number else {
        at_port.field("number").error_hint(
            Reason::Required,
            "where does the proxy listen?",
            "write the number of the port, as in `number: 8080`",
        );
        return None;
    };
    let port = parse_port(number, &at_port.field("number"))?;
    let is_proxy = protocol.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("HTTP_PROXY"));
    let protocol = match protocol.as_deref() {
        None | Some("") => Protocol::Auto,
        Some(text) => Protocol::parse(text).unwrap_or_else(|| {
            at_port.field("protocol").warning_hint(
                Reason::InvalidValue,
                format!("`{text}` is no protocol; it is found out from what clients send"),
                "write HTTP, HTTP2, GRPC, TLS, HTTPS or TCP",
            );
            Protocol::Auto
        }),
    };
    let at_bind = at.field("bind");
    let bind = match bind.as_deref() {
        None | Some("") => None,
        Some(text) if text.starts_with("unix:") => {
            at_bind.error_hint(
                Reason::NotSupported,
                "Meltemi does not let proxies listen at unix-domain sockets, so this listener is left out",
                "write an IP address",
            );
            return None;
        }
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) => {
                at_bind.error_hint(
                    Reason::InvalidValue,
                    format!("`{text}` is no IP address; the listener is left out"),
                    "write an address such as 127.0.0.1 or 0.0.0.0",
                );
                return None;
            }
        },
    };
    let is_bound = matches!(capture, Some(api::CaptureMode::None));
    Some(SidecarListener { port, protocol, is_proxy, bind, is_bound })
}
