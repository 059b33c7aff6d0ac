//! Values of an object that do not fit its kind.
//!
//! In: a kind and a whole object as JSON. Out: what an API server would say, but with the field's path and
//! what to write instead. Nothing is decided about the object; fields that the kind lacks are not reported.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Number, Value};

use super::nearest::ranked;
use super::node::{has_rule, limit, rules, text_of};
use super::path::{field, push_field, push_item};
use super::rules::{Rule, values};
use super::schema_for;
use super::stored::whole;
use super::words::{field_names, noun, shown, type_hint};
use crate::duration::Duration;
use crate::kind::Kind;

/// A value that does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// Where it stands, such as `spec.ports[0].number`.
    pub path: String,
    /// What the field takes, such as `a whole number`.
    pub expected: String,
    /// What is there, shortened.
    pub found: String,
    /// The values that the field takes when it takes only certain ones, nearest to what was found first.
    pub allowed: Vec<String>,
    /// What to write instead; empty when there is nothing to add to `expected`.
    pub hint: String,
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, expected, found, allowed: _, hint } = self;
        write!(f, "{path}: expected {expected}, found {found}")?;
        if hint.is_empty() { Ok(()) } else { write!(f, "; {hint}") }
    }
}

/// Every value of an object's spec that does not fit, in the order of the object's fields. Fields that are
/// null count as missing.
pub fn check_types(kind: Kind, object: &Value) -> Vec<TypeError> {
    let mut check = Check { path: "spec".to_owned(), found: Vec::new() };
    match object.get("spec") {
        // Whether that is right depends on what the kind requires.
        None | Some(Value::Null) => check.value(schema_for(kind), &Value::Object(Map::new())),
        Some(spec) => check.value(schema_for(kind), spec),
    }
    check.found
}

/// The same of a value of which `schema` says everything.
pub fn check_types_in(schema: &Value, value: &Value) -> Vec<TypeError> {
    let mut check = Check { path: String::new(), found: Vec::new() };
    check.value(schema, value);
    check.found
}

struct Check {
    path: String,
    found: Vec<TypeError>,
}

impl Check {
    fn report(&mut self, expected: impl Into<String>, value: &Value, hint: impl Into<String>) {
        self.found.push(TypeError {
            path: self.path.clone(),
            expected: expected.into(),
            found: shown(value),
            allowed: Vec::new(),
            hint: hint.into(),
        });
    }

    fn value(&mut self, schema: &Value, value: &Value) {
        match (text_of(schema, "type"), value) {
            ("object", Value::Object(object)) => self.object(schema, object),
            ("array", Value::Array(items)) => self.list(schema, items),
            ("string", Value::String(text)) => self.string(schema, text, value),
            ("integer" | "number", Value::Number(number)) => self.number(schema, number, value),
            ("boolean", Value::Bool(_)) => {}
            ("", _) => {}
            (wanted, _) => self.report(noun(schema, wanted), value, type_hint(schema, wanted, value)),
        }
        for rule in rules(schema).filter(|rule| !has_own_words(rule)) {
            if !(rule.holds)(value) {
                self.report(rule.expected, value, "");
                if let (Value::Object(object), Some(last)) = (value, self.found.last_mut()) {
                    last.found = field_names(object);
                }
            }
        }
    }

    fn object(&mut self, schema: &Value, object: &Map<String, Value>) {
        self.size(
            schema,
            "maxProperties",
            object.values().filter(|inner| !inner.is_null()).count(),
            "entries",
        );
        self.required(schema, object);
        self.choices(schema, object);
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.choices(part, object);
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, inner) in object.iter().filter(|(_, inner)| !inner.is_null()) {
            let Some(schema) = properties.and_then(|all| all.get(name)).or(others) else { continue };
            let before = self.path.len();
            push_field(&mut self.path, name);
            self.value(schema, inner);
            self.path.truncate(before);
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value]) {
        self.size(schema, "maxItems", items.len(), "items");
        if let Some(least) = limit(schema, "minItems").filter(|least| items.len() < *least) {
            self.found.push(TypeError {
                path: self.path.clone(),
                expected: format!("at least {least} item{}", if least == 1 { "" } else { "s" }),
                found: format!("{}", items.len()),
                allowed: Vec::new(),
                hint: String::new(),
            });
        }
        self.map_keys(schema, items);
        let Some(schema) = schema.get("items") else { return };
        for (index, inner) in items.iter().enumerate() {
            let before = self.path.len();
            push_item(&mut self.path, index);
            self.value(schema, inner);
            self.path.truncate(before);
        }
    }

    /// A list that is a map for the API server: no two items have the same key.
    fn map_keys(&mut self, schema: &Value, items: &[Value]) {
        let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
        for key in keys.filter_map(Value::as_str) {
            let mut seen = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                let Some(text) = item.get(key).and_then(Value::as_str) else { continue };
                if !seen.insert(text) {
                    self.found.push(TypeError {
                        path: format!("{}[{index}].{key}", self.path),
                        expected: format!("a {key} that no other item has"),
                        found: shown(&item[key]),
                        allowed: Vec::new(),
                        hint: String::new(),
                    });
                }
            }
        }
    }

    fn string(&mut self, schema: &Value, text: &str, value: &Value) {
        if let Some(names) = schema.get("enum").and_then(Value::as_array) {
            let names = names.iter().filter_map(Value::as_str);
            if !names.clone().any(|name| name == text) {
                let allowed = ranked(text, names);
                self.found.push(TypeError {
                    path: self.path.clone(),
                    expected: format!("one of {}", allowed.join(", ")),
                    found: shown(value),
                    hint: format!("write {}", allowed.join(" or ")),
                    allowed,
                });
            }
        }
        if has_rule(schema, values::DURATION) {
            match text.parse::<Duration>() {
                Err(error) => self.report("a duration", value, error.to_string()),
                Ok(duration) if duration < Duration::from_millis(1) => {
                    let hint = match text.strip_prefix('-') {
                        Some(rest) if duration <= Duration::from_millis(-1) => format!("write {rest}"),
                        _ => "leave the field out to not set it".to_owned(),
                    };
                    self.report("a duration of at least 1ms", value, hint);
                }
                Ok(_) => {}
            }
        }
        if !text_of(schema, "pattern").is_empty()
            && !values::matches_pattern(text_of(schema, "pattern"), text)
        {
            self.report(format!("text that matches {}", text_of(schema, "pattern")), value, "");
        }
        // Characters are what an API server counts.
        if let Some(most) = limit(schema, "maxLength").filter(|most| text.chars().count() > *most) {
            self.report(format!("at most {most} characters"), value, "");
        }
        if let Some(least) = limit(schema, "minLength").filter(|least| text.chars().count() < *least) {
            self.report(format!("at least {least} characters"), value, "");
        }
    }

    fn number(&mut self, schema: &Value, number: &Number, value: &Value) {
        let Some(float) = number.as_f64() else { return };
        if text_of(schema, "type") == "integer" && !number.is_u64() && whole(number).is_none() {
            return self.report("a whole number", value, format!("write {}", float.trunc()));
        }
        let bound = |key| schema.get(key).and_then(Value::as_f64);
        let (mut least, mut most) = (bound("minimum"), bound("maximum"));
        if text_of(schema, "format") == "int32" {
            least = least.or(Some(i32::MIN.into()));
            most = most.or(Some(i32::MAX.into()));
        }
        if has_rule(schema, values::PORT) {
            (least, most) = (Some(1.0), Some(65535.0));
        }
        let expected = match (least, most) {
            (Some(least), Some(most)) if float < least || float > most => {
                // That a type could hold less does not mean that the field takes it.
                let least = if least == f64::from(i32::MIN) { 0.0 } else { least };
                format!("a number from {least} to {most}")
            }
            (Some(least), None) if float < least => format!("a number of at least {least}"),
            (None, Some(most)) if float > most => format!("a number of at most {most}"),
            _ => return,
        };
        self.report(expected, value, "");
    }

    fn required(&mut self, schema: &Value, object: &Map<String, Value>) {
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in names.filter_map(Value::as_str) {
            if object.get(name).is_none_or(Value::is_null) {
                let wanted = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
                self.found.push(TypeError {
                    path: field(&self.path, name),
                    expected: noun(wanted, text_of(wanted, "type")),
                    found: "nothing".to_owned(),
                    allowed: Vec::new(),
                    hint: format!("{name} is required"),
                });
            }
        }
    }

    /// `oneOf` in the one form our schemas have: at most one of some fields.
    fn choices(&mut self, schema: &Value, object: &Map<String, Value>) {
        let branches = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&str> =
            branches.filter_map(|branch| branch.get("required")?.get(0)?.as_str()).collect();
        let is_set = |name: &&&str| object.get(**name).is_some_and(|value| !value.is_null());
        let set: Vec<&str> = names.iter().filter(is_set).copied().collect();
        if set.len() > 1 {
            self.found.push(TypeError {
                path: self.path.clone(),
                expected: format!("at most one of {}", names.join(", ")),
                found: set.join(" and "),
                allowed: Vec::new(),
                hint: format!("keep one of {}", set.join(" and ")),
            });
        }
    }

    fn size(&mut self, schema: &Value, key: &str, size: usize, what: &str) {
        if let Some(most) = limit(schema, key).filter(|most| size > *most) {
            self.found.push(TypeError {
                path: self.path.clone(),
                expected: format!("at most {most} {what}"),
                found: size.to_string(),
                allowed: Vec::new(),
                hint: String::new(),
            });
        }
    }
}

/// These are reported with more than the rule can say.
fn has_own_words(rule: &Rule) -> bool {
    rule.cel == values::DURATION.cel || rule.cel == values::PORT.cel
}
