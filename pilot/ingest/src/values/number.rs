//! Ports, status codes and shares.

use crate::at::At;
use mesh_model::{Percent, Reason};

/// A port that can be listened on.
pub fn parse_port(number: impl Into<i64>, at: &At<'_>) -> Option<u16> {
    let number = number.into();
    match u16::try_from(number) {
        Ok(port) if port > 0 => Some(port),
        _ => {
            at.error_hint(
                Reason::InvalidValue,
                format!("{number} is not a port"),
                format!("write a whole number from 1 to {}", u16::MAX),
            );
            None
        }
    }
}

/// A percentage.
pub fn parse_percent(value: f64, at: &At<'_>) -> Option<Percent> {
    let percent = Percent::from_f64(value);
    if percent.is_none() {
        at.error_hint(
            Reason::InvalidValue,
            format!("{value} is not a percentage"),
            "write a number from 0 to 100",
        );
    }
    if value > 0.0 && percent == Some(Percent::NONE) {
        at.warning_hint(
            Reason::InvalidValue,
            format!("{value}% is less than one of a million, so it is none"),
            "write 0.0001 or more, or 0",
        );
    }
    percent
}

/// An HTTP status that a proxy may answer with.
pub fn parse_status(number: impl Into<i64>, at: &At<'_>) -> Option<u16> {
    let number = number.into();
    match u16::try_from(number) {
        Ok(status) if (200..=599).contains(&status) => Some(status),
        _ => {
            at.error_hint(
                Reason::InvalidValue,
                format!("{number} is not an HTTP status that can be answered"),
                "write one from 200 to 599",
            );
            None
        }
    }
}

/// A switch that is written as text, as Go reads it (`strconv.ParseBool`); `None`: it is none.
pub fn read_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
