//! JSON to YAML for people: what fits on a line stands on one.
//!
//! In: any JSON. Out: YAML with block style outside and flow style inside. Must not know what it prints.

use serde_json::Value;
use std::fmt::Write;

/// Longer than this is broken into lines.
const WIDTH: usize = 120;

/// Levels that are never joined: the sections, and the resources in them.
const BLOCKS: usize = 2;

/// `value` as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    // Writing to a String cannot fail, here and below.
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = scalar(key, false);
                match fitting(value, depth + 1, indent + key.len() + 2) {
                    Some(line) => {
                        let _ = writeln!(out, "{pad}{key}: {line}");
                    }
                    None => {
                        let _ = writeln!(out, "{pad}{key}:");
                        block(value, depth + 1, indent + 2, out);
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                match fitting(item, BLOCKS, indent + 2) {
                    Some(line) => {
                        let _ = writeln!(out, "{pad}- {line}");
                    }
                    None => {
                        let mut inner = String::new();
                        block(item, BLOCKS, indent + 2, &mut inner);
                        let _ = write!(out, "{pad}- {}", inner.trim_start());
                    }
                }
            }
        }
        other => {
            let _ = writeln!(out, "{pad}{}", flow(other));
        }
    }
}

/// `value` on one line, if it may and fits.
fn fitting(value: &Value, depth: usize, column: usize) -> Option<String> {
    let line = flow(value);
    let leaf = match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    };
    (leaf || depth >= BLOCKS && column + line.len() <= WIDTH).then_some(line)
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{}: {}", scalar(key, true), flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text, true),
        other => other.to_string(),
    }
}

/// A string, quoted where YAML would take it for something else.
fn scalar(text: &str, in_flow: bool) -> String {
    let number_like = text.parse::<f64>().is_ok();
    let word = matches!(text, "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off");
    let indicator = text.starts_with([
        '!', '&', '*', '-', '?', '|', '>', '@', '`', '"', '\'', '%', '#', ',', '[', ']', '{', '}', ':', ' ',
    ]);
    let inside = text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' '])
        || text.contains(|c: char| c.is_control())
        || in_flow && text.contains([',', '[', ']', '{', '}']);
    if number_like || word || indicator || inside {
        Value::String(text.to_owned()).to_string()
    } else {
        text.to_owned()
    }
}
