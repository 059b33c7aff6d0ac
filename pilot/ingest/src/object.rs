//! One untyped object to what is held of it.

use crate::{
    annotations,
    at::{Context, Finished, Shared},
    kinds::{Object, Row},
    meta::{Meta, identity},
    schema::{add_new, normalise, type_errors, unknown_fields},
    suppress::Suppress,
};
use mesh_model::{Kind, Problem, Reason, Severity, Source};
use serde_json::Value;

/// Reads an object of a kind. Fails only when it has no name, so that there is nothing to hold it under.
pub fn parse_object(
    row: &Row,
    mut value: Value,
    source: Source,
    context: &Context,
) -> Result<Object, Problem> {
    let object = identity(row.kind, row.namespaced, &value).ok_or_else(|| {
        Problem::error(Reason::Required, "metadata.name", format!("this {} has no name", row.kind))
    })?;
    // Kept by the API server about who wrote what: often larger than the object.
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let from_file = matches!(source, Source::File { .. });
    let mut problems = if from_file { normalise(row.kind, &mut value) } else { Vec::new() };
    problems.extend(unknown_fields(row.kind, &value, from_file));
    problems.extend(annotations(row, &value));
    let (suppress, of_suppress) = Suppress::of(&value);
    problems.extend(of_suppress);
    let shared = Shared::new(context, &object.name.namespace);
    let at = shared.root();
    let meta = Meta::parse(object.clone(), source.clone(), &value, &at);
    let generation = meta.generation;
    let model = row.parse(meta, &value, &at);
    let Finished { problems: found, references, undecodable } = shared.finish();
    problems.extend(found);
    // What an API server would refuse. It has accepted what comes from it, unless that cannot be read after all; then the schema
    // names every misfit, where the decoder stops at the first.
    if from_file || undecodable.is_some() {
        add_new(&mut problems, type_errors(row.kind, &value, undecodable.is_some()));
    }
    if let Some(problem) = undecodable
        && !problems.iter().any(explains_undecodable)
    {
        problems.push(problem);
    }
    Ok(Object { object, source, generation, model, problems, references, suppress })
}

/// An unknown field alone keeps nothing from being read.
fn explains_undecodable(problem: &Problem) -> bool {
    problem.severity == Severity::Error && problem.reason != Reason::UnknownField
}

fn annotations(row: &Row, value: &Value) -> Vec<Problem> {
    let at = |path: &str| value.pointer(path).and_then(Value::as_object);
    let mut problems = annotations::check(row.kind, at("/metadata/annotations"), "metadata.annotations");
    if row.kind == Kind::Deployment {
        let of_pods = at("/spec/template/metadata/annotations");
        problems.extend(annotations::check(Kind::Pod, of_pods, "spec.template.metadata.annotations"));
    }
    problems
}
