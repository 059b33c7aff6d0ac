//! The fields of each kind and the settings of the mesh, from their schemas. A block that stands in several places is listed once.
//!
//! In: the schemas, and `without_effect.txt`, which says what Istio's settings without effect are about. Out: rows in order of their paths.

use mesh_api::{Kind, schema_for};
use mesh_tests::objects::MESH_CONFIG;
use pilot_ingest::{mesh_settings_schema, mesh_settings_without_effect};
use serde_json::Value;
use std::collections::BTreeSet;

/// Places whose fields are those of another place, and are listed there: kind, place, the other kind and place.
const SHARED: &[(&str, &str, &str, &str)] = &[
    ("DestinationRule", "subsets[].trafficPolicy", "DestinationRule", "trafficPolicy"),
    (
        "DestinationRule",
        "trafficPolicy.portLevelSettings[].connectionPool",
        "DestinationRule",
        "trafficPolicy.connectionPool",
    ),
    (
        "DestinationRule",
        "trafficPolicy.portLevelSettings[].loadBalancer",
        "DestinationRule",
        "trafficPolicy.loadBalancer",
    ),
    (
        "DestinationRule",
        "trafficPolicy.portLevelSettings[].outlierDetection",
        "DestinationRule",
        "trafficPolicy.outlierDetection",
    ),
    ("DestinationRule", "trafficPolicy.portLevelSettings[].tls", "DestinationRule", "trafficPolicy.tls"),
    ("ServiceEntry", "endpoints[]", "WorkloadEntry", ""),
    ("WorkloadGroup", "template", "WorkloadEntry", ""),
    ("Sidecar", "ingress[].connectionPool", "DestinationRule", "trafficPolicy.connectionPool"),
    ("Sidecar", "inboundConnectionPool", "DestinationRule", "trafficPolicy.connectionPool"),
    (MESH_CONFIG, "defaultTrafficPolicy.connectionPool", "DestinationRule", "trafficPolicy.connectionPool"),
    (
        MESH_CONFIG,
        "defaultTrafficPolicy.outlierDetection",
        "DestinationRule",
        "trafficPolicy.outlierDetection",
    ),
    (MESH_CONFIG, "localityLbSetting", "DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting"),
    (MESH_CONFIG, "zoneAwareLbSetting", "DestinationRule", "trafficPolicy.loadBalancer.zoneAwareLbSetting"),
    (
        MESH_CONFIG,
        "serviceEntryVisibility.policies[].matchingRules[].namespaceSelector",
        MESH_CONFIG,
        "discoverySelectors[]",
    ),
];

/// One field of a kind.
pub struct Field {
    /// The kind.
    pub kind: &'static str,
    /// Where it stands: `http[].match[].headers`. Items of lists are `[]`, values of maps `{}`.
    pub path: String,
    /// Its type, as people write it.
    pub r#type: String,
    /// What its documentation begins with.
    pub says: String,
    /// The place that lists the fields below it.
    pub shares: Option<String>,
}

/// All fields of `kind`, in order of their paths.
pub fn of(kind: Kind) -> Vec<Field> {
    let mut found = Vec::new();
    walk(kind.name(), schema_for(kind), "", &mut found);
    found
}

/// All settings of the mesh that are read, and those that are known to have no effect.
pub fn of_mesh_config() -> Vec<Field> {
    let mut found = Vec::new();
    walk(MESH_CONFIG, mesh_settings_schema(), "", &mut found);
    let lines = include_str!("without_effect.txt").lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Field> = lines.map(without_effect).collect();
    let said: BTreeSet<String> = rows.iter().map(|row| row.path.clone()).collect();
    let known: BTreeSet<String> = mesh_settings_without_effect().collect();
    let differ: Vec<&String> = said.symmetric_difference(&known).collect();
    assert!(
        differ.is_empty(),
        "of settings without effect reference/without_effect.txt and ingest's later.rs know different ones: {differ:?}"
    );
    found.extend(rows);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn without_effect(line: &str) -> Field {
    let (path, rest) = line.split_once(' ').expect("a path");
    let (r#type, says) = rest.split_once(": ").expect("a type");
    Field {
        kind: MESH_CONFIG,
        path: path.to_owned(),
        r#type: r#type.replace('|', " \\| "),
        says: says.to_owned(),
        shares: None,
    }
}

/// Where a field may stand: its own place, and those that share the block that it is in.
pub fn places(field: &Field) -> Vec<(&'static str, String)> {
    let mut places = vec![(field.kind, field.path.clone())];
    for (kind, place, other, block) in SHARED {
        let rest = match block.is_empty() {
            true => Some(field.path.as_str()),
            false => field.path.strip_prefix(*block).and_then(|rest| rest.strip_prefix('.')),
        };
        if let Some(rest) = rest.filter(|_| *other == field.kind) {
            places.push((kind, format!("{place}.{rest}")));
        }
    }
    places
}

fn walk(kind: &'static str, schema: &Value, path: &str, found: &mut Vec<Field>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let (mark, inner) = match (schema.get("items"), schema.get("additionalProperties")) {
            (Some(items), _) => ("[]", items),
            (_, Some(values)) => ("{}", values),
            _ => ("", schema),
        };
        let place = format!("{path}{mark}");
        let shared = SHARED.iter().find(|(of, at, ..)| *of == kind && *at == place);
        found.push(Field {
            kind,
            path,
            r#type: type_of(schema),
            says: first_sentence(schema["description"].as_str().unwrap_or_default()),
            shares: shared.map(|(_, _, other, at)| match at.is_empty() {
                true => (*other).to_owned(),
                false => format!("{other} {at}"),
            }),
        });
        match shared {
            Some((_, _, other, at)) => check_shared(&place, inner, other, at),
            None => walk(kind, inner, &place, found),
        }
    }
}

/// What is said to be alike is alike.
fn check_shared(place: &str, schema: &Value, other: &str, path: &str) {
    let whole = match Kind::ALL.into_iter().find(|kind| kind.name() == other) {
        Some(kind) => schema_for(kind),
        None => mesh_settings_schema(),
    };
    let steps = path.split('.').filter(|step| !step.is_empty());
    let block = steps.fold(whole, |schema, step| {
        let field = &schema["properties"][step.trim_end_matches("[]")];
        field.get("items").unwrap_or(field)
    });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    all_names(schema, "", &mut ours);
    all_names(block, "", &mut theirs);
    ours.retain(|name| !theirs.contains(name));
    assert!(ours.is_empty(), "{place} has fields that {other} {path} does not have: {ours:?}");
}

fn all_names(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let inner = schema.get("items").or(schema.get("additionalProperties")).unwrap_or(schema);
        all_names(inner, &path, found);
        found.push(path);
    }
}

fn type_of(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return format!("list of {}", type_of(items));
    }
    if let Some(values) = schema.get("additionalProperties") {
        return format!("map of {}", type_of(values));
    }
    let names: Vec<&str> =
        schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match names.is_empty() {
        true => schema["type"].as_str().unwrap_or("any").to_owned(),
        false => names.join(" \\| "),
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].replace('|', "\\|")
}
