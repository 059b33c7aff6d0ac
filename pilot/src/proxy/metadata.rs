//! What node metadata says of how a proxy listens.
//!
//! In: the metadata. Out: how traffic gets to the proxy, what it asks of its listeners, and what it asks for that nothing here does.

use super::{as_text, field, text};
use pilot_view::{Capture, NodeOptions};
use pilot_xds::source::Refusal;
use prost_types::{Struct, value::Kind as ValueKind};
use std::net::{IpAddr, Ipv4Addr};

/// Where the injector and the agent have the mode from.
const MODE_ANNOTATION: &str = "sidecar.istio.io/interceptionMode";

/// Metadata that istiod acts on and nothing here does, with what becomes of it.
const IGNORED: &[(&str, &str)] = &[
    ("GENERATOR", "configuration is made as for a sidecar"),
    ("REQUESTED_NETWORK_VIEW", "endpoints of all networks are told"),
    ("TLS_CLIENT_CERT_CHAIN", FROM_AGENT),
    ("TLS_CLIENT_KEY", FROM_AGENT),
    ("TLS_CLIENT_ROOT_CERT", FROM_AGENT),
    ("TLS_SERVER_CERT_CHAIN", FROM_AGENT),
    ("TLS_SERVER_KEY", FROM_AGENT),
    ("TLS_SERVER_ROOT_CERT", FROM_AGENT),
];
const FROM_AGENT: &str = "the mesh's certificates come from the agent";
/// The same, of switches: only where they are on.
const IGNORED_SWITCHES: &[(&str, &str)] = &[
    ("ENABLE_HBONE", "connections over HBONE are not taken"),
    ("METADATA_DISCOVERY", "nothing is told of workloads beside their endpoints"),
    ("UNPRIVILEGED_POD", "listeners on ports below 1024 are told all the same"),
];

/// What is said in vain.
pub(super) fn ignored(metadata: Option<&Struct>) -> Vec<String> {
    let said = IGNORED.iter().filter(|(key, _)| text(metadata, key).is_some());
    let on = IGNORED_SWITCHES.iter().filter(|(key, _)| flag(metadata, key));
    said.chain(on).map(|(key, becomes)| format!("{key} has no effect: {becomes}")).collect()
}

/// What is asked of listeners. What cannot be read counts for nothing, as in Istio, and goes to `ignored`.
pub(super) fn options(metadata: Option<&Struct>, ignored: &mut Vec<String>) -> Result<NodeOptions, Refusal> {
    let port = text(metadata, "HTTP_PROXY_PORT").map(|text| {
        let port = text.parse::<u16>();
        port.map_err(|_| Refusal::Invalid(format!("HTTP_PROXY_PORT {text:?} is no port")))
    });
    let idle_timeout = text(metadata, "IDLE_TIMEOUT").and_then(|text| {
        let time = pilot_ingest::read_duration(text);
        if time.is_none() {
            ignored.push(format!("IDLE_TIMEOUT has no effect: {text:?} is no time such as 30s"));
        }
        time
    });
    Ok(NodeOptions {
        // Zero is none, as in Istio.
        http_proxy_port: port.transpose()?.filter(|port| *port != 0),
        // Not a switch like the others: Istio asks for a 1.
        accepts_http10: text(metadata, "HTTP10") == Some("1"),
        idle_timeout,
        balances_inbound: flag(metadata, "INBOUND_LISTENER_EXACT_BALANCE"),
        balances_outbound: flag(metadata, "OUTBOUND_LISTENER_EXACT_BALANCE"),
        transparent: mode(metadata) == "TPROXY",
    })
}

/// How traffic gets to the proxy at `address`.
pub(super) fn capture(metadata: Option<&Struct>, address: IpAddr) -> Result<Capture, Refusal> {
    match mode(metadata) {
        "NONE" => {
            let application = text(metadata, "MELTEMI_APPLICATION_ADDRESS").map(|text| {
                text.parse().map_err(|_| {
                    Refusal::Invalid(format!("MELTEMI_APPLICATION_ADDRESS {text:?} is no IP address"))
                })
            });
            Ok(Capture::None {
                bind: address,
                // Istio's NONE has the application on the loopback address.
                application: application.transpose()?.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            })
        }
        "REDIRECT" | "TPROXY" => Ok(Capture::Redirect),
        other => {
            Err(Refusal::Invalid(format!("INTERCEPTION_MODE {other:?} is none of REDIRECT, TPROXY, NONE")))
        }
    }
}

/// `INTERCEPTION_MODE`, or else what the pod's annotation says, which agents hand on.
fn mode(metadata: Option<&Struct>) -> &str {
    let annotated = || match field(metadata, "ANNOTATIONS")?.kind.as_ref()? {
        ValueKind::StructValue(annotations) => as_text(annotations.fields.get(MODE_ANNOTATION)?),
        _ => None,
    };
    text(metadata, "INTERCEPTION_MODE")
        .or_else(annotated)
        .filter(|mode| !mode.is_empty())
        .unwrap_or("REDIRECT")
}

/// Whether a switch is on. Istio writes them as text, in any of the ways that Go reads.
pub(super) fn flag(metadata: Option<&Struct>, key: &str) -> bool {
    match field(metadata, key).and_then(|value| value.kind.as_ref()) {
        Some(ValueKind::StringValue(text)) => pilot_ingest::read_switch(text) == Some(true),
        Some(ValueKind::BoolValue(on)) => *on,
        _ => false,
    }
}
