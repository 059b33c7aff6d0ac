//! What of an object can be looked at although it cannot be read as a whole.
//!
//! In: an untyped object, and the place of what cannot be read. Out: the object without that. Nothing of it takes effect: it is looked at so
//! that whoever mends the object is told all that is wrong at once.

use crate::document;
use mesh_model::{Problem, Reason};
use serde_json::{Value, json};

/// How often something is taken away until the rest can be read; after so many slips nobody misses the others.
pub const MOST: usize = 32;

/// Takes away what is at `path`. Whether there is anything that could be, and the object is still one.
pub fn take_away(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(fields) => {
            let found = fields.keys().find_map(|name| Some((name.clone(), after(path, name)?)));
            let Some((name, rest)) = found else { return false };
            if rest.is_empty() {
                return fields.remove(&name).is_some();
            }
            let below = fields.get_mut(&name).is_some_and(|inner| take_away(inner, rest));
            below || fields.remove(&name).is_some()
        }
        Value::Array(items) => {
            let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let found =
                index.and_then(|(index, rest)| Some((items.get_mut(index.parse::<usize>().ok()?)?, rest)));
            match found {
                Some((item, "")) => empty(item),
                Some((item, rest)) => take_away(item, rest.trim_start_matches('.')),
                None => false,
            }
        }
        // Settings of the mesh are a text within an object.
        Value::String(text) => {
            let Ok(mut inner) = document::parse_text(text) else { return false };
            let found = matches!(inner, Value::Object(_) | Value::Array(_)) && take_away(&mut inner, path);
            if found {
                *text = inner.to_string();
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What of `path` is below the field `name`, if it begins with that.
fn after<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(name).or_else(|| path.strip_prefix(&format!("[{name:?}]")))?;
    match rest.strip_prefix('.') {
        Some(below) => Some(below),
        None if rest.is_empty() || rest.starts_with('[') => Some(rest),
        None => None,
    }
}

/// Makes nothing of an item, so that those after it keep their places. Whether that is something else than before.
fn empty(item: &mut Value) -> bool {
    let next = match item {
        Value::Object(fields) if fields.is_empty() => json!(""),
        Value::String(text) if text.is_empty() => return false,
        _ => json!({}),
    };
    *item = next;
    true
}

/// Whether a problem is a consequence of what was taken away at `paths`, or says no more than that.
pub fn is_about(problem: &str, paths: &[Problem]) -> bool {
    paths.iter().any(|taken| problem.starts_with(&taken.path) || taken.path.starts_with(problem))
}

/// Whether what `problem` says is missing may have gone with a whole field that was taken away: routes under `tls`, where it is said of
/// `http` that there are none.
pub fn has_lost(value: &Value, problem: &Problem, taken: &[Problem]) -> bool {
    let below = |path: &str| path.strip_prefix("spec.").map(str::to_owned);
    let is_field = below(&problem.path).is_some_and(|name| !name.contains(['.', '[']));
    let fields = taken.iter().filter_map(|problem| below(&problem.path));
    let mut fields = fields.filter_map(|path| path.split(['.', '[']).next().map(str::to_owned));
    problem.reason == Reason::Required
        && is_field
        && fields.any(|name| value.pointer(&format!("/spec/{name}")).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_keep_their_places() {
        let mut value = json!({ "spec": { "http": [1, { "a.b": [true], "ab": 2 }] } });
        assert!(take_away(&mut value, "spec.http[0]"));
        assert!(take_away(&mut value, "spec.http[1].ab"));
        assert_eq!(value, json!({ "spec": { "http": [{}, { "a.b": [true] }] } }));
        // What is no map may be a text; what is neither goes with its list.
        assert!(
            take_away(&mut value, "spec.http[1][\"a.b\"][0]") && take_away(&mut value, "spec.http[1].a.b[0]")
        );
        assert_eq!(value["spec"]["http"][1], json!({ "a.b": [""] }));
        assert!(take_away(&mut value, "spec.http[1].a.b[0]"));
        assert_eq!(value, json!({ "spec": { "http": [{}, {}] } }));
        assert!(!take_away(&mut value, "data.mesh.x"));
        let mut value = json!({ "data": { "mesh": "a: {b: [1], c: 2}" } });
        assert!(take_away(&mut value, "data.mesh.a.b"));
        assert_eq!(value, json!({ "data": { "mesh": "{\"a\":{\"c\":2}}" } }));
    }
}
