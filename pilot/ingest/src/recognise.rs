//! A document of a file to objects: which kind it is, or why it is none that is read.

use crate::{
    at::Context,
    document::check_size,
    kinds::{KINDS, Object, Row, WhenBad, row},
    meta::identity,
    names::unnamed,
    nearest::nearest,
    object::parse_object,
    store::DocumentProblem,
};
use mesh_model::{Kind, Problem, Reason, Severity, Source};
use serde_json::Value;

/// Kinds that change what a mesh does and are not built yet, so that their author must hear of it.
const NOT_BUILT: &[(&str, &str)] = &[
    ("", "Endpoints"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("networking.k8s.io", "Ingress"),
    ("security.istio.io", "AuthorizationPolicy"),
    ("security.istio.io", "RequestAuthentication"),
];

/// Reads the objects of one document.
pub fn read_document(
    value: Value,
    source: &Source,
    context: &Context,
    objects: &mut Vec<Object>,
    problems: &mut Vec<DocumentProblem>,
) {
    let mut report = |problem| problems.push(DocumentProblem { source: source.clone(), problem });
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if !value.is_object() {
        let found = crate::decode::describe(&value);
        let problem = malformed(format!("expected an object with apiVersion and kind, found {found}"));
        return report(
            problem.hint("put `---` between objects, or write them as the `items` of a `kind: List`"),
        );
    }
    if kind.is_empty() {
        let problem = malformed("the document has no `kind`");
        return report(problem.hint("write what it is, as in `kind: VirtualService`"));
    }
    if kind.ends_with("List")
        && let Some(Value::Array(items)) = value.get("items")
    {
        for item in items.clone() {
            match check_size(&item) {
                Ok(()) => read_document(item, source, context, objects, problems),
                Err(problem) => problems.push(DocumentProblem { source: source.clone(), problem }),
            }
        }
        return;
    }
    // Anything else would put the object into another namespace than its author means.
    if let Some(namespace) = value.pointer("/metadata/namespace")
        && !(namespace.is_string() || namespace.is_null())
    {
        let found = crate::decode::describe(namespace);
        let problem = Problem::error(
            Reason::InvalidType,
            "metadata.namespace",
            format!("expected a text, found {found}: this {kind} is not read"),
        );
        return report(problem.hint("put it in quotes"));
    }
    let named =
        ["name", "generateName"].iter().any(|name| value.pointer(&format!("/metadata/{name}")).is_some());
    match recognise(api_version, kind) {
        Recognised::Row(row) => {
            match parse_object(of_name(row, &value, context), value, source.clone(), context) {
                Ok(object) => objects.push(object),
                Err(problem) => report(problem),
            }
        }
        // To drop it would let in what it is to refuse.
        Recognised::OtherVersion(row, problem) if row.when_bad == WhenBad::Closed => {
            match parse_object(row, value, source.clone(), context) {
                Ok(mut object) => {
                    object.problems.push(problem);
                    objects.push(object);
                }
                Err(other) => report(other),
            }
        }
        Recognised::Problem(problem) | Recognised::OtherVersion(_, problem) => report(problem),
        // Every object of Kubernetes itself has a name: what has none is the beginning of something.
        Recognised::Foreign if !api_version.contains('/') && !named => report(unnamed(kind, &value)),
        Recognised::Foreign => {}
    }
}

/// ConfigMaps are of two kinds: the one with the settings of the mesh, and others.
fn of_name(found: &'static Row, value: &Value, context: &Context) -> &'static Row {
    let is_other = found.kind == Kind::MeshConfig
        && identity(found, &context.namespace, value)
            .is_some_and(|object| !context.has_settings(&object.name));
    row(Kind::ConfigMap).filter(|_| is_other).unwrap_or(found)
}

fn malformed(message: impl Into<String>) -> Problem {
    Problem::error(Reason::Malformed, "", message)
}

/// What a document turned out to be.
enum Recognised {
    Row(&'static Row),
    Problem(Problem),
    /// Of a version that is not served.
    OtherVersion(&'static Row, Problem),
    /// Nothing to do with the mesh.
    Foreign,
}

fn recognise(api_version: &str, kind: &str) -> Recognised {
    if api_version.is_empty() {
        let message = format!("this {kind} has no `apiVersion`");
        let problem = Problem::error(Reason::Required, "apiVersion", message);
        return Recognised::Problem(match KINDS.iter().find(|row| row.kind.as_str() == kind) {
            Some(row) => problem.hint(format!("write {}", row.api_version())),
            None => problem.hint("write the group and the version of its kind, as in networking.istio.io/v1"),
        });
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let name = |row: &Row| row.kind.as_str();
    if let Some(row) = KINDS.iter().find(|row| name(row) == kind && row.group == group) {
        if row.versions.contains(&version) {
            return Recognised::Row(row);
        }
        let problem =
            Problem::error(Reason::InvalidValue, "apiVersion", format!("{kind} has no version `{version}`"));
        return Recognised::OtherVersion(row, problem.hint(format!("write {}", row.api_version())));
    }
    let istio = group.ends_with("istio.io");
    if NOT_BUILT.contains(&(group, kind)) || istio || group == "gateway.networking.k8s.io" {
        let known = KINDS.iter().filter(|row| row.group == group).map(name);
        // One that Istio has is no slip.
        if !NOT_BUILT.contains(&(group, kind))
            && let Some(near) = nearest(kind, known)
        {
            let problem = Problem::error(Reason::InvalidValue, "kind", format!("there is no kind `{kind}`"));
            return Recognised::Problem(problem.hint(format!("did you mean {near}?")));
        }
        // One of another group is, too.
        if !NOT_BUILT.contains(&(group, kind))
            && let Some(problem) = of_other_group(api_version, kind)
        {
            return Recognised::Problem(problem);
        }
        let message = format!("Meltemi does not read {kind} yet, so this object has no effect");
        let problem = Problem::warning(Reason::NotSupported, "kind", message);
        return Recognised::Problem(match group {
            // Whoever wrote it counts on it.
            "security.istio.io" => Problem { severity: Severity::Error, ..problem }
                .hint("until it does, what this object is to refuse is let through"),
            "" => problem.hint("write it as an EndpointSlice, which is read"),
            "apps" => problem.hint("without a cluster, write it as a Deployment"),
            _ => problem,
        });
    }
    // A kind of the mesh under another group is a slip, and one that would go unnoticed.
    if let Some(problem) = of_other_group(api_version, kind) {
        return Recognised::Problem(problem);
    }
    let core = group.is_empty() && !version.is_empty();
    if core && let Some(near) = nearest(kind, KINDS.iter().filter(|row| row.group.is_empty()).map(name)) {
        let problem =
            Problem::new(Severity::Warning, Reason::InvalidValue, "kind", format!("`{kind}` is not read"));
        return Recognised::Problem(problem.hint(format!("did you mean {near}?")));
    }
    Recognised::Foreign
}

/// Where the kind is one of the mesh, but not of this group.
fn of_other_group(api_version: &str, kind: &str) -> Option<Problem> {
    let row = KINDS.iter().find(|row| row.kind.as_str() == kind && row.group.ends_with("istio.io"))?;
    let message = format!("`{api_version}` has no kind {kind}");
    let problem = Problem::error(Reason::InvalidValue, "apiVersion", message);
    Some(problem.hint(format!("write {}", row.api_version())))
}
