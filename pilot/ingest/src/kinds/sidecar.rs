//! Sidecar.

use super::Model;
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_host, parse_labels},
};
use mesh_api::networking::sidecar as api;
use mesh_model::{EgressHost, EgressNamespace, OutboundPolicy, Reason, Sidecar, SidecarEgress};
use serde_json::Value;
use std::sync::Arc;

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::SidecarSpec {
        workload_selector,
        ingress,
        egress,
        inbound_connection_pool,
        outbound_traffic_policy,
    } = decode_spec(value, at)?;
    let at = at.field("spec");
    at.not_supported("ingress", !ingress.is_empty());
    at.not_supported("inboundConnectionPool", inbound_connection_pool.is_some());
    let at_egress = at.field("egress");
    let egress = egress
        .into_iter()
        .enumerate()
        .map(|(index, listener)| parse_egress(listener, &at_egress.index(index)))
        .collect();
    Some(Model::Sidecar(Arc::new(Sidecar {
        metadata: meta.metadata,
        selector: workload_selector
            .map(|selector| parse_labels(&selector.labels))
            .filter(|labels| !labels.is_empty()),
        egress,
        outbound_policy: outbound_traffic_policy
            .and_then(|policy| parse_outbound(policy, &at.field("outboundTrafficPolicy"))),
    })))
}

/// A listener of which no host can be used stays: without it everything would become visible.
fn parse_egress(listener: api::EgressListener, at: &At<'_>) -> SidecarEgress {
    let api::EgressListener { port, bind, capture_mode, hosts } = listener;
    at.not_supported("port", port.is_some());
    at.not_supported("bind", bind.is_some_and(|bind| !bind.is_empty()));
    let captured = matches!(capture_mode, None | Some(api::CaptureMode::Default));
    at.not_supported("captureMode", !captured);
    let at_hosts = at.field("hosts");
    if hosts.is_empty() {
        at_hosts.error_hint(
            Reason::Required,
            "no hosts are imported",
            "write `*/*` for all, `./*` for this namespace",
        );
    }
    let hosts = hosts
        .iter()
        .enumerate()
        .filter_map(|(index, text)| parse_egress_host(text, &at_hosts.index(index)))
        .collect();
    SidecarEgress { hosts }
}

fn parse_egress_host(text: &str, at: &At<'_>) -> Option<EgressHost> {
    let Some((namespace, host)) = text.split_once('/') else {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` has no namespace"),
            format!("write `*/{text}`, or `./{text}` for this namespace"),
        );
        return None;
    };
    let namespace = match namespace {
        "~" => return None,
        "*" => EgressNamespace::Any,
        "." => EgressNamespace::Own,
        "" => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` has no namespace"),
                "write `*` or `.` before the slash",
            );
            return None;
        }
        name => EgressNamespace::Named(name.into()),
    };
    Some(EgressHost { namespace, host: parse_host(host, at)? })
}

fn parse_outbound(policy: api::OutboundTrafficPolicy, at: &At<'_>) -> Option<OutboundPolicy> {
    let api::OutboundTrafficPolicy { mode, egress_proxy } = policy;
    at.not_supported("egressProxy", egress_proxy.is_some());
    // Protobuf's zero value: a policy without mode says REGISTRY_ONLY.
    Some(match mode {
        None | Some(api::OutboundTrafficMode::RegistryOnly) => OutboundPolicy::RegistryOnly,
        Some(api::OutboundTrafficMode::AllowAny) => OutboundPolicy::AllowAny,
    })
}
