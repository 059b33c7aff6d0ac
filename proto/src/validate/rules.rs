//! The rules of a message type, read once from the options in its descriptor.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
    ReflectMessage, Value,
};
use regex::Regex;

use super::check::{Bound, Check, Format, Unit};
use super::scalar::Scalar;
use crate::reflect;

/// What is required of a message.
#[derive(Debug, Default)]
pub(super) struct MessageRules {
    /// The fields that have rules.
    pub fields: Vec<(FieldDescriptor, FieldRules)>,
    /// Of each of these one member must be set.
    pub required_oneofs: Vec<OneofDescriptor>,
    /// Nothing in the message is checked.
    pub disabled: bool,
}

/// What is required of a field, or of each item, key or value in it.
#[derive(Debug, Default)]
pub(super) struct FieldRules {
    /// It must be set.
    pub required: bool,
    /// What is in it is not checked.
    pub skip: bool,
    /// An empty value is not checked.
    pub ignore_empty: bool,
    pub checks: Vec<Check>,
    pub items: Option<Box<FieldRules>>,
    pub keys: Option<Box<FieldRules>>,
    pub values: Option<Box<FieldRules>>,
    /// Rules that this file does not know. A test holds that Envoy's API has none.
    pub unsupported: Vec<String>,
}

/// The rules of a type.
pub(super) fn of(descriptor: &MessageDescriptor) -> Arc<MessageRules> {
    static KNOWN: LazyLock<RwLock<HashMap<String, Arc<MessageRules>>>> = LazyLock::new(RwLock::default);
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(descriptor.full_name()).cloned();
    known.unwrap_or_else(|| {
        let rules = Arc::new(read(descriptor));
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(descriptor.full_name().to_owned(), Arc::clone(&rules));
        rules
    })
}

fn extension(name: &str) -> Option<ExtensionDescriptor> {
    reflect::pool().get_extension_by_name(name)
}

fn is_set(options: &DynamicMessage, name: &str) -> bool {
    extension(name).is_some_and(|extension| *options.get_extension(&extension) == Value::Bool(true))
}

fn read(descriptor: &MessageDescriptor) -> MessageRules {
    let options = descriptor.options();
    if is_set(&options, "validate.disabled") || is_set(&options, "validate.ignored") {
        return MessageRules { disabled: true, ..MessageRules::default() };
    }
    let Some(rules) = extension("validate.rules") else { return MessageRules::default() };
    let fields = descriptor.fields().filter_map(|field| {
        let options = field.options();
        let value = options.has_extension(&rules).then(|| options.get_extension(&rules))?;
        let field_rules = value.as_message().map(|rules| read_field(rules, &field.kind()))?;
        Some((field, field_rules))
    });
    let required_oneofs = descriptor.oneofs().filter(|oneof| is_set(&oneof.options(), "validate.required"));
    MessageRules { fields: fields.collect(), required_oneofs: required_oneofs.collect(), disabled: false }
}

/// Reads a `validate.FieldRules` for values of a kind (of a repeated field: for its items).
fn read_field(rules: &DynamicMessage, kind: &Kind) -> FieldRules {
    let mut out = FieldRules::default();
    for (group, value) in rules.fields() {
        let Some(rules) = value.as_message() else { continue };
        if group.name() == "message" {
            out.skip = flag(rules, "skip");
            out.required = flag(rules, "required");
        } else {
            read_group(rules, group.name(), kind, &mut out);
        }
    }
    out
}

/// Reads the rules for one type of value, such as `validate.StringRules`.
fn read_group(rules: &DynamicMessage, group: &str, kind: &Kind, out: &mut FieldRules) {
    read_range(rules, out);
    read_lengths(rules, group, out);
    for (rule, value) in rules.fields() {
        let text = || value.as_str().unwrap_or_default().to_owned();
        let check = match rule.name() {
            "required" => {
                out.required = flag(rules, "required");
                continue;
            }
            "ignore_empty" => {
                out.ignore_empty = flag(rules, "ignore_empty");
                continue;
            }
            "items" => {
                out.items = nested(value, kind);
                continue;
            }
            "keys" => {
                out.keys = map_field(kind, 1).and_then(|kind| nested(value, &kind));
                continue;
            }
            "values" => {
                out.values = map_field(kind, 2).and_then(|kind| nested(value, &kind));
                continue;
            }
            // Read together above; `strict` is read with the expression that it is about; messages in a protobuf map
            // are never absent, so none is sparse.
            "lt" | "lte" | "gt" | "gte" | "len" | "min_len" | "max_len" | "len_bytes" | "min_bytes"
            | "max_bytes" | "min_items" | "max_items" | "min_pairs" | "max_pairs" | "strict"
            | "no_sparse" => continue,
            "const" => Scalar::of(value).map(Check::Const),
            "in" => Some(Check::In(scalars(value))),
            "not_in" => Some(Check::NotIn(scalars(value))),
            "prefix" => Scalar::of(value).map(Check::Prefix),
            "suffix" => Scalar::of(value).map(Check::Suffix),
            "contains" => Scalar::of(value).map(Check::Contains),
            "not_contains" => Scalar::of(value).map(Check::NotContains),
            "pattern" => pattern(&text()),
            "well_known_regex" => well_known_pattern(rules, value),
            _ if *value == Value::Bool(false) => continue,
            "unique" => Some(Check::Unique),
            "defined_only" => kind.as_enum().cloned().map(Check::DefinedOnly),
            "ip" => Some(Check::Format(Format::Ip)),
            "ipv4" => Some(Check::Format(Format::Ipv4)),
            "ipv6" => Some(Check::Format(Format::Ipv6)),
            "uri" => Some(Check::Format(Format::Uri)),
            "uri_ref" => Some(Check::Format(Format::UriReference)),
            "hostname" => Some(Check::Format(Format::Hostname)),
            "address" => Some(Check::Format(Format::Address)),
            _ => None,
        };
        match check {
            Some(check) => out.checks.push(check),
            None => out.unsupported.push(format!("{group}.{}", rule.name())),
        }
    }
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules.get_field_by_name(name).is_some_and(|value| *value == Value::Bool(true))
}

/// The value of a rule, if it is stated.
fn stated(rules: &DynamicMessage, name: &str) -> Option<Scalar> {
    rules
        .has_field_by_name(name)
        .then(|| rules.get_field_by_name(name))
        .flatten()
        .and_then(|value| Scalar::of(&value))
}

fn read_range(rules: &DynamicMessage, out: &mut FieldRules) {
    let bound = |name, inclusive| stated(rules, name).map(|value| Bound { value, inclusive });
    let lower = bound("gt", false).or_else(|| bound("gte", true));
    let upper = bound("lt", false).or_else(|| bound("lte", true));
    if lower.is_some() || upper.is_some() {
        out.checks.push(Check::Range { lower, upper });
    }
}

fn read_lengths(rules: &DynamicMessage, group: &str, out: &mut FieldRules) {
    let number = |name| match stated(rules, name) {
        Some(Scalar::Integer(value)) => u64::try_from(value).ok(),
        _ => None,
    };
    let of_len = if group == "string" { Unit::Characters } else { Unit::Bytes };
    for (unit, exactly, least, most) in [
        (of_len, "len", "min_len", "max_len"),
        (Unit::Bytes, "len_bytes", "min_bytes", "max_bytes"),
        (Unit::Items, "", "min_items", "max_items"),
        (Unit::Items, "", "min_pairs", "max_pairs"),
    ] {
        let (least, most) = (number(exactly).or(number(least)), number(exactly).or(number(most)));
        if least.is_some() || most.is_some() {
            out.checks.push(Check::Length {
                unit,
                least: least.unwrap_or(0),
                most: most.unwrap_or(u64::MAX),
            });
        }
    }
}

fn nested(value: &Value, kind: &Kind) -> Option<Box<FieldRules>> {
    value.as_message().map(|rules| Box::new(read_field(rules, kind)))
}

/// The kind of a map's keys (1) or values (2), by the number of the field in its entry type.
fn map_field(kind: &Kind, number: u32) -> Option<Kind> {
    kind.as_message()?.get_field(number).map(|field| field.kind())
}

fn scalars(value: &Value) -> Vec<Scalar> {
    value.as_list().unwrap_or_default().iter().filter_map(Scalar::of).collect()
}

fn pattern(expression: &str) -> Option<Check> {
    Regex::new(expression).ok().map(Check::Pattern)
}

/// The expressions that have a name. Those that are not strict only keep out what would split a header.
fn well_known_pattern(rules: &DynamicMessage, value: &Value) -> Option<Check> {
    let strict = rules.get_field_by_name("strict").is_none_or(|strict| *strict != Value::Bool(false));
    let which = rules.descriptor().get_field_by_name("well_known_regex")?;
    let which = which.kind().as_enum()?.get_value(value.as_enum_number()?)?;
    pattern(match (which.name(), strict) {
        ("HTTP_HEADER_NAME", true) => "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$",
        ("HTTP_HEADER_VALUE", true) => r"^[^\x00-\x08\n-\x1f\x7f]*$",
        ("HTTP_HEADER_NAME" | "HTTP_HEADER_VALUE", false) => r"^[^\x00\n\r]*$",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsupported(rules: &FieldRules) -> Vec<&str> {
        let nested = [&rules.items, &rules.keys, &rules.values].into_iter().flatten();
        nested
            .flat_map(|rules| unsupported(rules))
            .chain(rules.unsupported.iter().map(String::as_str))
            .collect()
    }

    #[test]
    fn every_rule_in_the_api_is_understood() {
        let mut with_rules = 0;
        let mut unknown = Vec::new();
        for descriptor in reflect::pool().all_messages() {
            for (field, rules) in &of(&descriptor).fields {
                with_rules += 1;
                unknown
                    .extend(unsupported(rules).iter().map(|rule| format!("{}: {rule}", field.full_name())));
            }
        }
        assert!(
            with_rules > 1_000,
            "the options are missing from the descriptors: {with_rules} fields have rules"
        );
        assert_eq!(unknown, [""; 0]);
    }
}
