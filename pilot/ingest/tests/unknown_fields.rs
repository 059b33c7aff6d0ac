//! Whatever a user misspells is told, wherever it stands: each map of all goldens' inputs gets a field that there is not.

#![allow(clippy::unwrap_used, clippy::expect_used)] // What tests share may unwrap as tests may.

use mesh_model::{Problem, Reason};
use mesh_testkit::golden;
use pilot_ingest::{Context, Edit, parse_file};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Maps whose names are their author's, by the name of the field that they stand in.
const FREE: &[&str] = &[
    "add",
    "annotations",
    "binaryData",
    "deprecatedTopology",
    "customTags",
    "data",
    "environmentVariables",
    "headers",
    "labels",
    "limits",
    "matchLabels",
    "networks",
    "nodeSelector",
    "portLevelMtls",
    "ports",
    "proxyMetadata",
    "queryParams",
    "requests",
    "runtimeValues",
    "selector",
    "set",
    "sourceLabels",
    "stringData",
    "to",
    "withoutHeaders",
];

/// Texts that are YAML themselves, by the name of the field.
const TEXTS: &[&str] = &["mesh", "meshNetworks", "proxy.istio.io/config"];

/// A document while it is mutated.
#[derive(Default)]
struct Mutation {
    /// Where a field was put in.
    places: Vec<Place>,
}

struct Place {
    path: String,
    /// The field beside it that it looks like.
    like: Option<String>,
}

impl Mutation {
    fn of(&mut self, value: &mut Value, path: &str, name: &str) {
        match value {
            Value::Object(fields) => {
                // Labels of log lines have labels of any depth.
                for (inner_name, inner) in fields.iter_mut().filter(|_| name != "labels") {
                    self.of(inner, &below(path, inner_name), inner_name);
                }
                if !FREE.contains(&name) || is_block(name, fields) {
                    self.put_into(fields, path);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.of(item, &format!("{path}[{index}]"), "");
                }
            }
            Value::String(text) if TEXTS.contains(&name) => {
                if let Ok(mut inner @ Value::Object(_)) = serde_saphyr::from_str(text) {
                    self.of(&mut inner, path, "");
                    *text = inner.to_string();
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn put_into(&mut self, fields: &mut Map<String, Value>, path: &str) {
        let like = fields.keys().find(|name| name.len() > 3).cloned();
        let name = like.as_ref().map_or_else(|| "qqqqqqqqqqqq".to_owned(), |like| format!("{like}q"));
        self.places.push(Place { path: below(path, &name), like });
        fields.insert(name, Value::from(1));
    }
}

/// Some names are those of blocks elsewhere: `headers` of a route has operations, and `selector` of a Sidecar a block of labels.
fn is_block(name: &str, fields: &Map<String, Value>) -> bool {
    match name {
        "headers" => fields.contains_key("request") || fields.contains_key("response"),
        "selector" => fields.contains_key("matchLabels"),
        _ => false,
    }
}

fn below(path: &str, name: &str) -> String {
    let plain =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match (plain, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{name:?}]"),
    }
}

/// What is said of the object; `None`: it is not read at all, such as one without a name.
fn problems(text: &str) -> Option<Vec<Problem>> {
    match parse_file(&"a.yaml".into(), text.as_bytes(), &Context::default()) {
        Edit::File { objects, .. } => Some(objects.into_iter().next()?.problems),
        _ => None,
    }
}

fn is_without_effect(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::UnknownField | Reason::NotSupported)
}

/// Whether the field at `path` is told of, and which one is meant where that is known.
fn is_told(path: &str, like: Option<&str>, before: &[Problem], after: &[Problem]) -> bool {
    // What it is like may be none itself.
    let is_unknown = |path: &str| before.iter().any(|known| known.path == path && is_without_effect(known));
    let like = like.filter(|_| !is_unknown(path.trim_end_matches('q')));
    // Nor is anything said of what is a map where a text belongs.
    let tells = |problem: &&Problem| is_without_effect(problem) || problem.reason == Reason::InvalidType;
    after.iter().filter(tells).any(|problem| {
        let hint = problem.hint.as_deref().unwrap_or_default();
        let is_meant = like.is_none_or(|like| hint.contains(&format!("did you mean {like}")));
        match path.strip_prefix(&problem.path) {
            Some("") => is_meant,
            // Of a block without effect all that is in it has none.
            rest => rest.is_some_and(|rest| rest.starts_with(['.', '['])),
        }
    })
}

#[test]
fn every_misspelt_field_is_told_with_what_was_meant() {
    let (mut told, mut kinds, mut missing) = (0, BTreeSet::new(), Vec::new());
    let cases = ["testdata", "../../tests/testdata"].map(|path| golden::cases(path).expect("goldens"));
    for case in cases.into_iter().flatten() {
        for text in case.input.split("\n---") {
            // Inputs that are no objects are wrong in another way.
            let Ok(mut object) = serde_saphyr::from_str::<Value>(text) else { continue };
            if object.get("kind").and_then(Value::as_str).is_none_or(|kind| kind.ends_with("List")) {
                continue;
            }
            // The API server's, and nobody's to write.
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            let Some(before) = problems(&object.to_string()) else { continue };
            let mut mutation = Mutation::default();
            mutation.of(&mut object, "", "");
            let after = problems(&object.to_string()).expect("it is read all the same");
            if after.iter().any(|problem| problem.reason == Reason::UnknownField) {
                kinds.insert(object["kind"].as_str().unwrap_or_default().to_owned());
            }
            for Place { path, like } in mutation.places {
                match is_told(&path, like.as_deref(), &before, &after) {
                    true => told += 1,
                    false => missing.push(format!("{}: {path}", case.name)),
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} of {}:\n{}", missing.len(), told + missing.len(), missing.join("\n"));
    assert!(told > 2000, "{told}");
    assert!(kinds.len() >= 14, "{kinds:?}");
}
