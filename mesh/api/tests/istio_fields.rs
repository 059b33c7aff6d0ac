//! Every field that Istio has is here, with the same type and the same values; what is here beyond that is
//! named below.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;

use mesh_api::{Kind, schema_for};
use serde_json::Value;

/// Fields of ours that the recorded Istio version does not have.
const NEWER: &[(Kind, &str)] = &[];

fn recorded(kind: Kind) -> BTreeSet<String> {
    let text = match kind {
        Kind::VirtualService => include_str!("../testdata/istio-fields/virtual_service.txt"),
        Kind::DestinationRule => include_str!("../testdata/istio-fields/destination_rule.txt"),
        Kind::ServiceEntry => include_str!("../testdata/istio-fields/service_entry.txt"),
        Kind::WorkloadEntry => include_str!("../testdata/istio-fields/workload_entry.txt"),
        Kind::WorkloadGroup => include_str!("../testdata/istio-fields/workload_group.txt"),
        Kind::Sidecar => include_str!("../testdata/istio-fields/sidecar.txt"),
        Kind::ProxyConfig => include_str!("../testdata/istio-fields/proxy_config.txt"),
        Kind::PeerAuthentication => include_str!("../testdata/istio-fields/peer_authentication.txt"),
    };
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn fields(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    let mut inner: Vec<(String, &Value)> = Vec::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        inner.push((format!("{path}{dot}{name}"), schema));
    }
    inner.extend(schema.get("items").map(|schema| (format!("{path}[]"), schema)));
    inner.extend(schema.get("additionalProperties").map(|schema| (format!("{path}{{}}"), schema)));
    for (path, schema) in inner {
        fields(schema, &path, found);
        found.push((path, schema.clone()));
    }
}

fn generated(kind: Kind) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    fields(schema_for(kind), "", &mut found);
    found
}

/// Fields that take more here: Istio's, and ours.
const WIDER: &[(Kind, &str, &str)] = &[(
    Kind::Sidecar,
    "outboundTrafficPolicy.mode string(REGISTRY_ONLY|ALLOW_ANY)",
    "outboundTrafficPolicy.mode string(REGISTRY_ONLY|ALLOW_ANY|ALLOW_ANY_DYNAMIC_DNS)",
)];

#[test]
fn all_of_istios_fields_are_here() {
    for kind in Kind::ALL {
        let ours: BTreeSet<String> = generated(kind)
            .into_iter()
            .map(|(path, schema)| {
                let names: Vec<&str> =
                    schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let names = if names.is_empty() { String::new() } else { format!("({})", names.join("|")) };
                format!("{path} {}{names}", schema["type"].as_str().unwrap())
            })
            .collect();
        let wider = |field: String| {
            let wider = WIDER.iter().find(|(of, theirs, _)| *of == kind && *theirs == field);
            wider.map_or(field, |(_, _, ours)| (*ours).to_owned())
        };
        let theirs: BTreeSet<String> = recorded(kind).into_iter().map(wider).collect();
        let missing: Vec<_> = theirs.difference(&ours).collect();
        assert!(missing.is_empty(), "{kind} lacks {missing:#?}");
        let newer: BTreeSet<String> =
            NEWER.iter().filter(|(of, _)| *of == kind).map(|(_, path)| (*path).to_owned()).collect();
        let more: BTreeSet<String> = ours.difference(&theirs).cloned().collect();
        assert_eq!(more, newer, "{kind} has fields that are not listed as newer");
    }
}

#[test]
fn every_field_is_documented() {
    for kind in Kind::ALL {
        for (path, schema) in generated(kind) {
            let is_field = !path.ends_with("[]") && !path.ends_with("{}");
            assert!(!is_field || schema["description"].is_string(), "{kind}: {path} has no documentation");
        }
    }
}

#[test]
fn schemas_are_structural() {
    for kind in Kind::ALL {
        for (path, schema) in generated(kind) {
            assert!(schema["type"].is_string(), "{kind}: {path} has no single type");
            for keyword in ["$ref", "$defs", "default", "title", "const", "nullable", "anyOf"] {
                assert!(schema.get(keyword).is_none(), "{kind}: {path} has {keyword}");
            }
        }
    }
}
