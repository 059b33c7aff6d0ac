//! Envoy's own validation rules, enforced here before Envoy sees the message.
//!
//! In: any message of Envoy's API. Out: where it breaks a rule that is written into its descriptors
//! (`validate.rules`), also within nested messages and typed `Any`s. An Envoy rejects such a message, so there must be
//! none in what is sent. It must not know what a message is for.

mod check;
mod rules;
mod scalar;

use std::fmt;

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage, Value};

use self::rules::FieldRules;
use self::scalar::Scalar;
use crate::reflect::{self, Error};

/// A rule that a message breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, such as `filter_chains[0].filters[1].typed_config.stat_prefix`.
    pub path: String,
    /// What should hold, such as `has at least 1 characters`.
    pub rule: String,
    /// What was found.
    pub value: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, rule, value } = self;
        write!(formatter, "{path}: must hold: {rule}; found {value}")
    }
}

/// The rules that an encoded message breaks.
pub fn validate(type_url: &str, bytes: &[u8]) -> Result<Vec<Violation>, Error> {
    Ok(validate_dynamic(&reflect::decode(type_url, bytes)?))
}

/// The rules that a message breaks.
pub fn validate_message<M: Message + Name>(message: &M) -> Result<Vec<Violation>, Error> {
    validate(&M::type_url(), &message.encode_to_vec())
}

/// The rules that a message of any type breaks.
pub fn validate_dynamic(message: &DynamicMessage) -> Vec<Violation> {
    let mut walk = Walk { path: Vec::new(), violations: Vec::new() };
    walk.message(message);
    walk.violations
}

/// More levels than any real configuration has; deeper ones would exhaust the stack.
const DEEPEST: usize = 200;

struct Walk {
    path: Vec<String>,
    violations: Vec<Violation>,
}

impl Walk {
    fn message(&mut self, message: &DynamicMessage) {
        let descriptor = message.descriptor();
        let rules = rules::of(&descriptor);
        if rules.disabled {
            return;
        }
        for oneof in &rules.required_oneofs {
            if !oneof.fields().any(|field| message.has_field(&field)) {
                let fields: Vec<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
                self.at(oneof.name(), |walk| {
                    walk.violation(format!("one of {} is set", fields.join(", ")), "none")
                });
            }
        }
        for (field, rules) in &rules.fields {
            self.at(field.name(), |walk| walk.field(message, field, rules));
        }
        for (field, value) in message.fields() {
            if !rules.fields.iter().any(|(other, rules)| rules.skip && *other == field) {
                self.at(field.name(), |walk| walk.nested(value));
            }
        }
    }

    /// Applies a field's own rules, not those of the messages in it.
    fn field(&mut self, message: &DynamicMessage, field: &FieldDescriptor, rules: &FieldRules) {
        if field.supports_presence() && !message.has_field(field) {
            // A member of a oneof that another member has taken is not missing.
            if rules.required && field.containing_oneof().is_none() {
                self.violation("is set".to_owned(), "nothing");
            }
            return;
        }
        let value = message.get_field(field);
        self.value(&value, rules);
        match &*value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(rules) = &rules.items {
                        self.at(&format!("[{index}]"), |walk| walk.value(item, rules));
                    }
                }
            }
            Value::Map(entries) => {
                for (key, entry) in in_order(entries) {
                    self.at(&format!("[{}]", Scalar::of_key(key)), |walk| walk.map_entry(key, entry, rules));
                }
            }
            _ => {}
        }
    }

    fn map_entry(&mut self, key: &MapKey, value: &Value, rules: &FieldRules) {
        if let Some(rules) = &rules.keys {
            let key = Scalar::of_key(key);
            for check in &rules.checks {
                if !check.holds_for(&key) {
                    self.violation(format!("key {check}"), &key);
                }
            }
        }
        if let Some(rules) = &rules.values {
            self.value(value, rules);
        }
    }

    fn value(&mut self, value: &Value, rules: &FieldRules) {
        let is_empty = match value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            other => Scalar::of(other).is_some_and(|scalar| scalar.is_empty()),
        };
        if rules.ignore_empty && is_empty {
            return;
        }
        for check in rules.checks.iter().filter(|check| !check.holds(value)) {
            self.violation(check.to_string(), shown(value));
        }
    }

    /// Goes into the messages in a value.
    fn nested(&mut self, value: &Value) {
        match value {
            Value::Message(message) if message.descriptor().full_name() == "google.protobuf.Any" => {
                self.any(message)
            }
            Value::Message(message) => self.message(message),
            Value::List(items) => {
                for (index, item) in
                    items.iter().enumerate().take_while(|(_, item)| item.as_message().is_some())
                {
                    self.at(&format!("[{index}]"), |walk| walk.nested(item));
                }
            }
            Value::Map(entries) => {
                for (key, item) in in_order(entries) {
                    self.at(&format!("[{}]", Scalar::of_key(key)), |walk| walk.nested(item));
                }
            }
            _ => {}
        }
    }

    fn any(&mut self, any: &DynamicMessage) {
        let (type_url, value) = (any.get_field_by_number(1), any.get_field_by_number(2));
        let type_url = type_url.as_deref().and_then(Value::as_str).unwrap_or_default();
        let bytes = value.as_deref().and_then(Value::as_bytes).cloned().unwrap_or_default();
        match reflect::decode(type_url, &bytes) {
            Ok(message) if self.path.len() < DEEPEST => self.message(&message),
            Ok(_) => self.violation(format!("is at most {DEEPEST} levels deep"), type_url),
            Err(error) => self.violation("holds a message that Envoy knows".to_owned(), error),
        }
    }

    fn at(&mut self, step: &str, visit: impl FnOnce(&mut Self)) {
        self.path.push(step.to_owned());
        visit(self);
        self.path.pop();
    }

    fn violation(&mut self, rule: String, value: impl fmt::Display) {
        let mut path = String::new();
        for step in &self.path {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        self.violations.push(Violation { path, rule, value: value.to_string() });
    }
}

/// The entries of a map by key, so that equal messages are reported on equally.
fn in_order(entries: &std::collections::HashMap<MapKey, Value>) -> Vec<(&MapKey, &Value)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by(|left, right| left.0.cmp(right.0));
    entries
}

fn shown(value: &Value) -> String {
    match value {
        Value::List(items) => format!("{} items", items.len()),
        Value::Map(entries) => format!("{} entries", entries.len()),
        other => Scalar::of(other).map_or_else(|| "a message".to_owned(), |scalar| scalar.to_string()),
    }
}
