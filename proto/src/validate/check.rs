//! One condition on one value.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use prost_reflect::{EnumDescriptor, Value};
use regex::Regex;

use super::scalar::Scalar;

/// A condition, named as in `validate.rules`.
#[derive(Debug)]
pub(super) enum Check {
    Const(Scalar),
    In(Vec<Scalar>),
    NotIn(Vec<Scalar>),
    Range { lower: Option<Bound>, upper: Option<Bound> },
    Length { unit: Unit, least: u64, most: u64 },
    Pattern(Regex),
    Prefix(Scalar),
    Suffix(Scalar),
    Contains(Scalar),
    NotContains(Scalar),
    Format(Format),
    DefinedOnly(EnumDescriptor),
    Unique,
}

/// One end of a range.
#[derive(Debug)]
pub(super) struct Bound {
    pub value: Scalar,
    pub inclusive: bool,
}

/// What a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Characters,
    Bytes,
    Items,
}

/// Forms of strings that have a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Ip,
    Ipv4,
    Ipv6,
    Uri,
    UriReference,
    Hostname,
    /// A host name or an IP address.
    Address,
}

impl Check {
    /// Whether the value is as it should be. A value of a kind that the condition does not speak of is.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Unique => is_unique(value),
            Self::Length { unit, least, most } => {
                length(*unit, value).is_none_or(|length| (*least..=*most).contains(&length))
            }
            Self::DefinedOnly(descriptor) => {
                value.as_enum_number().is_none_or(|number| descriptor.get_value(number).is_some())
            }
            _ => Scalar::of(value).is_none_or(|scalar| self.holds_for(&scalar)),
        }
    }

    /// The same for the key of a map, which has no form as a value.
    pub fn holds_for(&self, value: &Scalar) -> bool {
        match self {
            Self::Const(expected) => value == expected,
            Self::In(allowed) => allowed.contains(value),
            Self::NotIn(forbidden) => !forbidden.contains(value),
            Self::Range { lower, upper } => in_range(value, lower.as_ref(), upper.as_ref()),
            Self::Length { unit, least, most } => (*least..=*most).contains(&scalar_length(*unit, value)),
            Self::Pattern(pattern) => {
                std::str::from_utf8(value.as_bytes()).is_ok_and(|text| pattern.is_match(text))
            }
            Self::Prefix(prefix) => value.as_bytes().starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => value.as_bytes().ends_with(suffix.as_bytes()),
            Self::Contains(part) => contains(value.as_bytes(), part.as_bytes()),
            Self::NotContains(part) => !contains(value.as_bytes(), part.as_bytes()),
            Self::Format(format) => match value {
                Scalar::Text(text) => format.fits(text),
                other => matches!(other.as_bytes().len(), 4 | 16),
            },
            Self::DefinedOnly(_) | Self::Unique => true,
        }
    }
}

/// Where the lower bound is above the upper one, the values between them are the forbidden ones.
fn in_range(value: &Scalar, lower: Option<&Bound>, upper: Option<&Bound>) -> bool {
    let above = |bound: &Bound| *value > bound.value || bound.inclusive && *value == bound.value;
    let below = |bound: &Bound| *value < bound.value || bound.inclusive && *value == bound.value;
    match (lower, upper) {
        (Some(lower), Some(upper)) if lower.value > upper.value => above(lower) || below(upper),
        (lower, upper) => lower.is_none_or(above) && upper.is_none_or(below),
    }
}

fn length(unit: Unit, value: &Value) -> Option<u64> {
    match value {
        Value::List(items) => Some(items.len() as u64),
        Value::Map(entries) => Some(entries.len() as u64),
        other => Scalar::of(other).map(|scalar| scalar_length(unit, &scalar)),
    }
}

fn scalar_length(unit: Unit, value: &Scalar) -> u64 {
    match (unit, value) {
        (Unit::Characters, Scalar::Text(text)) => text.chars().count() as u64,
        (_, other) => other.as_bytes().len() as u64,
    }
}

fn is_unique(value: &Value) -> bool {
    let Value::List(items) = value else { return true };
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

impl Format {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Ip => IpAddr::from_str(text).is_ok(),
            Self::Ipv4 => Ipv4Addr::from_str(text).is_ok(),
            Self::Ipv6 => Ipv6Addr::from_str(text).is_ok(),
            Self::Hostname => is_hostname(text),
            Self::Address => is_hostname(text) || IpAddr::from_str(text).is_ok(),
            Self::Uri => has_scheme(text) && is_uri_text(text),
            Self::UriReference => is_uri_text(text),
        }
    }
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(is_label)
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

fn is_uri_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Scalar]| values.iter().map(Scalar::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Const(value) => write!(formatter, "is {value}"),
            Self::In(values) => write!(formatter, "is one of {}", list(values)),
            Self::NotIn(values) => write!(formatter, "is none of {}", list(values)),
            Self::Range { lower, upper } => {
                let mut separator = "";
                if let Some(Bound { value, inclusive }) = lower {
                    write!(formatter, "{} {value}", if *inclusive { ">=" } else { ">" })?;
                    separator = ", ";
                }
                if let Some(Bound { value, inclusive }) = upper {
                    write!(formatter, "{separator}{} {value}", if *inclusive { "<=" } else { "<" })?;
                }
                Ok(())
            }
            Self::Length { unit, least, most } => {
                let unit = match unit {
                    Unit::Characters => "characters",
                    Unit::Bytes => "bytes",
                    Unit::Items => "items",
                };
                match most {
                    &u64::MAX => write!(formatter, "has at least {least} {unit}"),
                    most if most == least => write!(formatter, "has {least} {unit}"),
                    most if *least == 0 => write!(formatter, "has at most {most} {unit}"),
                    most => write!(formatter, "has {least} to {most} {unit}"),
                }
            }
            Self::Pattern(pattern) => write!(formatter, "matches {}", pattern.as_str()),
            Self::Prefix(prefix) => write!(formatter, "starts with {prefix}"),
            Self::Suffix(suffix) => write!(formatter, "ends with {suffix}"),
            Self::Contains(part) => write!(formatter, "contains {part}"),
            Self::NotContains(part) => write!(formatter, "does not contain {part}"),
            Self::Format(format) => formatter.write_str(match format {
                Format::Ip => "is an IP address",
                Format::Ipv4 => "is an IPv4 address",
                Format::Ipv6 => "is an IPv6 address",
                Format::Uri => "is an absolute URI",
                Format::UriReference => "is a URI",
                Format::Hostname => "is a host name",
                Format::Address => "is a host name or an IP address",
            }),
            Self::DefinedOnly(descriptor) => write!(formatter, "is a value of {}", descriptor.full_name()),
            Self::Unique => formatter.write_str("has no two equal items"),
        }
    }
}
