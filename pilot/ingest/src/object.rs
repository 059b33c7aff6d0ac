//! One untyped object to what is held of it.

use crate::{
    annotations,
    at::{Context, Finished, Shared},
    defect::guard,
    kinds::{Model, Object, Row, WhenBad},
    meta::{Meta, identity},
    names::{self, unnamed},
    remainder::{self, has_lost, is_about, take_away},
    schema::{add_new, normalise, type_errors, unknown_fields},
    suppress::Suppress,
};
use mesh_model::{Kind, ObjectRef, Problem, Reason, Severity, Source};
use serde_json::{Value, json};

/// Reads an object of a kind. Fails only when it has no name that there can be, so that there is nothing to hold it under.
pub fn parse_object(row: &Row, value: Value, source: Source, context: &Context) -> Result<Object, Problem> {
    let object =
        identity(row, &context.namespace, &value).ok_or_else(|| unnamed(row.kind.as_str(), &value))?;
    let from_file = matches!(source, Source::File { .. });
    let misnamed = if from_file { names::check(row, &object) } else { None };
    if let Some(problem) = &misnamed
        // To drop it would let in what it is to refuse.
        && row.when_bad != WhenBad::Closed
    {
        return Err(problem.clone());
    }
    let generation = value.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let read = guard(|| read_object(row, value, object.clone(), source.clone(), context));
    let mut read = read.unwrap_or_else(|problem| Object {
        model: (row.when_bad == WhenBad::Closed).then(|| closed(row, &object, &source, context)).flatten(),
        object,
        source,
        generation,
        problems: vec![problem],
        references: Vec::new(),
        suppress: Suppress::default(),
    });
    read.problems.extend(misnamed);
    Ok(read)
}

/// What a kind that fails closed makes of an object that says nothing that can be read.
fn closed(row: &Row, object: &ObjectRef, source: &Source, context: &Context) -> Option<Model> {
    let unreadable = json!({ "spec": "unreadable" });
    guard(|| read_object(row, unreadable, object.clone(), source.clone(), context)).ok()?.model
}

fn read_object(row: &Row, mut value: Value, object: ObjectRef, source: Source, context: &Context) -> Object {
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
    let model = row.parse(meta.clone(), &value, &at);
    let Finished { problems: found, mut references, undecodable } = shared.finish();
    problems.extend(found);
    // What an API server would refuse. It has accepted what comes from it, unless that cannot be read after all; then the schema
    // names every misfit, where the decoder stops at the first.
    if from_file || undecodable.is_some() {
        add_new(&mut problems, type_errors(row.kind, &value, undecodable.is_some()));
    }
    if let Some(problem) = undecodable {
        if !problems.iter().any(explains_undecodable) {
            problems.push(problem.clone());
        }
        // What comes of the whole does not depend on it.
        match guard(|| read_remainder(row, value, &meta, (problem, context))) {
            Ok(rest) => {
                references.extend(rest.references);
                add_new(&mut problems, rest.problems);
            }
            Err(defect) => problems.push(defect),
        }
    }
    Object { object, source, generation, model, problems, references, suppress }
}

/// What else is to be said of an object that cannot be read because of a first problem: of the parts that can be.
fn read_remainder(
    row: &Row,
    mut value: Value,
    meta: &Meta,
    (first, context): (Problem, &Context),
) -> Finished {
    let mut taken = Vec::new();
    let mut next = Some(first);
    while let Some(problem) = next {
        if taken.len() == remainder::MOST || !take_away(&mut value, &problem.path) {
            break;
        }
        taken.push(problem);
        let shared = Shared::new(context, &meta.metadata.object.name.namespace);
        // What it means without these parts is not what is meant.
        row.parse(meta.clone(), &value, &shared.root());
        let mut rest = shared.finish();
        next = rest.undecodable.take();
        if next.is_none() {
            let is_gone = |path: &str| taken.iter().any(|problem| path.starts_with(&problem.path));
            rest.references.retain(|reference| !is_gone(&reference.path));
            rest.problems.retain(|problem| {
                let is_known = is_about(&problem.path, &taken) || has_lost(&value, problem, &taken);
                problem.severity == Severity::Error && !is_known
            });
            return rest;
        }
    }
    Finished { problems: Vec::new(), references: Vec::new(), undecodable: None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edit, Ingest, Report, kinds::row};

    fn edit(object: Object) -> Edit {
        Edit::File { path: "a.yaml".into(), objects: vec![object], problems: Vec::new(), partial: false }
    }

    fn read(row: &Row, kind: &str, spec: Value) -> Object {
        let value = json!({ "kind": kind, "metadata": { "name": "web" }, "spec": spec });
        let source = Source::File { path: "a.yaml".into(), line: 1 };
        parse_object(row, value, source, &Context::default()).unwrap()
    }

    #[test]
    fn a_panic_is_a_problem_of_the_object_that_it_is_about() {
        let mut ingest = Ingest::new(Context::default());
        let good = row(Kind::Service).unwrap();
        ingest.apply(vec![edit(read(good, "Service", json!({ "ports": [{ "port": 80 }] })))]);
        ingest.apply(vec![edit(read(
            &Row { parse: |_, _, _| panic!("boom"), ..*good },
            "Service",
            json!({}),
        ))]);
        assert_eq!(ingest.mesh().services().count(), 1, "the last good one stays in effect");
        let report = Report::new(&ingest.snapshot());
        let told: Vec<_> =
            report.entries.iter().flat_map(|entry| &entry.problems).map(ToString::to_string).collect();
        assert!(
            told.iter().any(|problem| problem.contains("(boom); this is a defect of Meltemi")),
            "{told:?}"
        );
        assert_eq!(report.entries[0].object.as_ref().unwrap().to_string(), "Service default/web");
    }

    #[test]
    fn what_must_not_fail_open_is_closed_by_a_panic() {
        let mut ingest = Ingest::new(Context::default());
        let good = row(Kind::PeerAuthentication).unwrap();
        let fails_once = Row {
            parse: |meta, value, at| {
                assert!(value["spec"].is_string(), "boom");
                row(Kind::PeerAuthentication)?.parse(meta, value, at)
            },
            ..*good
        };
        let permissive = json!({ "mtls": { "mode": "PERMISSIVE" } });
        ingest.apply(vec![edit(read(&fails_once, "PeerAuthentication", permissive))]);
        let modes: Vec<_> = ingest.mesh().peer_authentications().map(|value| value.is_unreadable).collect();
        assert_eq!(modes, [true]);
    }
}
