//! What an object's schema says of it, before anybody asks what it means.
//!
//! In: an untyped object. Out: problems: fields that its kind lacks, fields that are empty, values that do not fit.

use crate::{instead::instead, known_fields};
use mesh_model::{Kind, Problem, Reason, Severity};
use serde_json::Value;

/// The kind in the API's own terms, if it is one of Istio's.
fn api_kind(kind: Kind) -> Option<mesh_api::Kind> {
    Some(match kind {
        Kind::VirtualService => mesh_api::Kind::VirtualService,
        Kind::DestinationRule => mesh_api::Kind::DestinationRule,
        Kind::ServiceEntry => mesh_api::Kind::ServiceEntry,
        Kind::WorkloadEntry => mesh_api::Kind::WorkloadEntry,
        Kind::WorkloadGroup => mesh_api::Kind::WorkloadGroup,
        Kind::Sidecar => mesh_api::Kind::Sidecar,
        Kind::ProxyConfig => mesh_api::Kind::ProxyConfig,
        Kind::PeerAuthentication => mesh_api::Kind::PeerAuthentication,
        Kind::Service
        | Kind::EndpointSlice
        | Kind::Pod
        | Kind::Node
        | Kind::Namespace
        | Kind::Deployment
        | Kind::MeshConfig
        | Kind::ConfigMap
        | Kind::Secret => return None,
    })
}

/// Makes of an object from a file what an API server would store, and says where that changes its meaning.
pub fn normalise(kind: Kind, value: &mut Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if api_kind(kind).is_some() {
        if let Some(spec) = value.get("spec") {
            find_nulls(spec, &mut "spec".to_owned(), &mut problems);
        }
        mesh_api::as_stored(value);
    }
    problems
}

/// YAML's empty value is easily written by leaving out what comes after the colon.
fn find_nulls(value: &Value, path: &mut String, problems: &mut Vec<Problem>) {
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push('.');
                path.push_str(name);
                if value.is_null() {
                    let message = "this is empty, which means the same as leaving the field out";
                    let problem = Problem::warning(Reason::InvalidType, path.as_str(), message);
                    problems.push(problem.hint("write a value, or leave the field out"));
                } else {
                    find_nulls(value, path, problems);
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                find_nulls(value, path, problems);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fields that the kind does not have. An API server drops those of its own kinds before anyone sees them, so for these only
/// files are looked at. It refuses them in what is applied: in a file they are errors. What a cluster holds all the same, because
/// its CRDs keep what they do not know, it has accepted: a warning.
pub fn unknown_fields(kind: Kind, value: &Value, from_file: bool) -> Vec<Problem> {
    let unknown = match api_kind(kind) {
        Some(api) => mesh_api::unknown_fields(api, value),
        None if from_file => known_fields::check(kind, value),
        None => return Vec::new(),
    };
    let unknown = unknown.into_iter().map(|mesh_api::UnknownField { path, suggestions, elsewhere }| {
        let problem = unknown_field(path);
        if !suggestions.is_empty() {
            problem.hint(format!("did you mean {}?", suggestions.join(" or ")))
        } else if !elsewhere.is_empty() {
            problem.hint(format!("it belongs to {}", elsewhere.join(" or ")))
        } else {
            problem
        }
    });
    if from_file { unknown.map(refused).collect() } else { unknown.collect() }
}

/// An API server would not take it.
fn refused(problem: Problem) -> Problem {
    Problem { severity: Severity::Error, ..problem }
}

/// The field at `path` is one that its kind does not have.
fn unknown_field(path: String) -> Problem {
    Problem::warning(Reason::UnknownField, path, "unknown field; it has no effect").hint("leave it out")
}

/// Values that do not fit, as an API server would refuse them. `undecodable`: the reader could make nothing of the object.
pub fn type_errors(kind: Kind, value: &Value, undecodable: bool) -> Vec<Problem> {
    let Some(api) = api_kind(kind) else { return Vec::new() };
    mesh_api::check_types(api, value).into_iter().map(|error| misfit(error, undecodable)).collect()
}

/// A value that does not fit.
pub fn misfit(error: mesh_api::TypeError, undecodable: bool) -> Problem {
    let mesh_api::TypeError { path, expected, found, allowed, hint } = error;
    let reason = match () {
        () if found == "nothing" => Reason::Required,
        () if undecodable && allowed.is_empty() => Reason::InvalidType,
        () => Reason::InvalidValue,
    };
    let hint = if hint.is_empty() { instead(&expected, &found) } else { hint };
    Problem::error(reason, path, format!("expected {expected}, found {found}")).hint(hint)
}

/// `path` from the place `above`.
pub fn below(above: &str, path: &str) -> String {
    let dot = if above.is_empty() || path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("{above}{dot}{path}")
}

/// Adds to `found` those of `more` that say something about a place of which nothing bad is said yet.
pub fn add_new(found: &mut Vec<Problem>, more: Vec<Problem>) {
    for problem in more {
        let known = found.iter().any(|other| {
            other.severity == Severity::Error
                && (other.path.starts_with(&problem.path) || problem.path.starts_with(&other.path))
                && !other.path.is_empty()
        });
        if !known {
            found.push(problem);
        }
    }
}
