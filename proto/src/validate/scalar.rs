//! One form for all that a rule may compare: numbers, strings, bytes, durations, wrapped values.

use std::fmt;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};

/// A value that rules compare.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(super) enum Scalar {
    Bool(bool),
    /// Integers of all sizes, enum numbers, and durations and timestamps in nanoseconds.
    Integer(i128),
    Float(f64),
    Text(String),
    Bytes(Bytes),
}

impl Scalar {
    /// What rules see of a field's value; `None` for messages, lists and maps, which have no such form.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::I32(value) | Value::EnumNumber(value) => Self::Integer((*value).into()),
            Value::I64(value) => Self::Integer((*value).into()),
            Value::U32(value) => Self::Integer((*value).into()),
            Value::U64(value) => Self::Integer((*value).into()),
            Value::F32(value) => Self::Float((*value).into()),
            Value::F64(value) => Self::Float(*value),
            Value::String(value) => Self::Text(value.clone()),
            Value::Bytes(value) => Self::Bytes(value.clone()),
            Value::Message(message) => return Self::of_message(message),
            Value::List(_) | Value::Map(_) => return None,
        })
    }

    /// A well-known type stands for the value in it, an `Any` for the type that it names.
    fn of_message(message: &DynamicMessage) -> Option<Self> {
        let field = |number| message.get_field_by_number(number).and_then(|value| Self::of(&value));
        match message.descriptor().full_name() {
            "google.protobuf.Duration" | "google.protobuf.Timestamp" => match (field(1)?, field(2)?) {
                (Self::Integer(seconds), Self::Integer(nanos)) => {
                    Some(Self::Integer(seconds * 1_000_000_000 + nanos))
                }
                _ => None,
            },
            "google.protobuf.Any" => field(1),
            name if is_wrapper(name) => field(1),
            _ => None,
        }
    }

    pub fn of_key(key: &MapKey) -> Self {
        match key {
            MapKey::Bool(key) => Self::Bool(*key),
            MapKey::I32(key) => Self::Integer((*key).into()),
            MapKey::I64(key) => Self::Integer((*key).into()),
            MapKey::U32(key) => Self::Integer((*key).into()),
            MapKey::U64(key) => Self::Integer((*key).into()),
            MapKey::String(key) => Self::Text(key.clone()),
        }
    }

    /// Whether it is what an unset field has.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Integer(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Text(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
        }
    }

    /// Strings and bytes as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(value) => value.as_bytes(),
            Self::Bytes(value) => value,
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => &[],
        }
    }
}

fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.").is_some_and(|name| name.ends_with("Value"))
        && !matches!(
            name,
            "google.protobuf.Value" | "google.protobuf.ListValue" | "google.protobuf.NullValue"
        )
}

impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More than this of a value tells a reader nothing.
        const LONGEST: usize = 80;
        match self {
            Self::Bool(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Float(value) => value.fmt(formatter),
            Self::Text(value) if value.chars().count() > LONGEST => {
                write!(formatter, "{:?}...", value.chars().take(LONGEST).collect::<String>())
            }
            Self::Text(value) => write!(formatter, "{value:?}"),
            Self::Bytes(value) => write!(formatter, "{} bytes", value.len()),
        }
    }
}
