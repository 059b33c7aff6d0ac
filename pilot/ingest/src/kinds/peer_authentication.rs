//! PeerAuthentication. It must not fail open: of what cannot be understood comes that nothing but mTLS is taken.

use super::Model;
use crate::{at::At, decode::decode, meta::Meta, values::parse_workload_selector};
use mesh_api::security::peer_authentication as api;
use mesh_model::{Labels, Metadata, MtlsMode, PeerAuthentication, Reason, Str};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Reads one object. There is always a meaning.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let metadata = meta.metadata;
    let spec = match value.get("spec") {
        // All is left open, which is allowed.
        None => Some(api::PeerAuthenticationSpec::default()),
        Some(spec) => decode(spec, &at.field("spec")),
    };
    let read = spec.and_then(|spec| parse_spec(metadata.clone(), spec, &at.field("spec")));
    let value = read.unwrap_or_else(|| closed(metadata, value, at));
    Some(Model::PeerAuthentication(Arc::new(value)))
}

fn parse_spec(
    metadata: Metadata,
    spec: api::PeerAuthenticationSpec,
    at: &At<'_>,
) -> Option<PeerAuthentication> {
    let api::PeerAuthenticationSpec { selector, mtls, port_level_mtls } = spec;
    let selector = selector
        .map(|selector| parse_workload_selector(&selector.match_labels, "matchLabels", &at.field("selector")))
        .filter(|labels| !labels.is_empty());
    let wildcard = selector.iter().flatten().any(|(key, value)| key.contains('*') || value.contains('*'));
    if wildcard {
        at.field("selector").error_hint(
            Reason::InvalidValue,
            "labels are compared as they are: `*` stands for itself",
            "write the label as the workloads have it, or leave `selector` out for the whole namespace",
        );
        return None;
    }
    let at_ports = at.field("portLevelMtls");
    let mut ports = BTreeMap::new();
    for (key, mtls) in port_level_mtls {
        let Some(port) = key.parse::<u16>().ok().filter(|port| *port > 0) else {
            at_ports.field(&key).error_hint(
                Reason::InvalidValue,
                format!("`{key}` is no port number from 1 to 65535"),
                "write the number of the port that the workload listens on, as in \"8080\"",
            );
            return None;
        };
        ports.insert(port, parse_mode(Some(mtls)));
    }
    if selector.is_none() && !ports.is_empty() {
        at_ports.error_hint(
            Reason::Conflict,
            "ports are looked at only where workloads are selected, so these have no effect",
            "add `selector.matchLabels`",
        );
        ports.clear();
    }
    let value =
        PeerAuthentication { metadata, selector, mode: parse_mode(mtls), ports, is_unreadable: false };
    if value.is_idle(&at.context().mesh_config) {
        at.field("selector").warning_hint(
            Reason::Unreachable,
            "in the root namespace an object with a selector has no effect, as in Istio",
            "put it into the namespace of the workloads, or leave the selector out to make it the mesh's default",
        );
    }
    Some(value)
}

fn parse_mode(mtls: Option<api::MutualTls>) -> Option<MtlsMode> {
    let api::MutualTls { mode } = mtls?;
    match mode? {
        api::MutualTlsMode::Unset => None,
        api::MutualTlsMode::Disable => Some(MtlsMode::Disable),
        api::MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        api::MutualTlsMode::Strict => Some(MtlsMode::Strict),
    }
}

/// What an object means that cannot be understood.
fn closed(metadata: Metadata, value: &Value, at: &At<'_>) -> PeerAuthentication {
    let selector = readable_selector(value);
    let whom = match &selector {
        Some(_) => "the workloads that it selects take",
        None => "all workloads of this namespace take",
    };
    at.warning_hint(
        Reason::InvalidValue,
        format!("as this cannot be understood, {whom} nothing but mTLS, whatever else is said of them"),
        "mend it, or delete it",
    );
    PeerAuthentication {
        metadata,
        selector,
        mode: Some(MtlsMode::Strict),
        ports: BTreeMap::new(),
        is_unreadable: true,
    }
}

/// The labels of `spec.selector`, if at least these can be read.
fn readable_selector(value: &Value) -> Option<Labels> {
    let labels = value.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pair = |(key, value): (&String, &Value)| {
        let value = value.as_str().filter(|value| !value.contains('*') && !key.contains('*'))?;
        Some((Str::from(key.as_str()), Str::from(value)))
    };
    let labels: Option<Labels> = labels.iter().map(pair).collect();
    labels.filter(|labels| !labels.is_empty())
}
