//! What to write instead, where only what is expected is known: values of a wrong type or outside of their bounds.
//!
//! In: what a field takes and what was found there, in words. Out: a hint.

/// What to write where `expected` was to be and `found` is, which is in quotes if it is a text.
pub fn instead(expected: &str, found: &str) -> String {
    let text = found.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let is_number = text.is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    match (expected, text) {
        (wanted, Some(text)) if is_number && wanted.contains("number") => {
            format!("leave the quotes out: {text}")
        }
        ("a whole number" | "a whole number that is not negative", _) => {
            "write a number such as 80, without quotes".to_owned()
        }
        ("a number", _) => "write a number such as 0.5, without quotes".to_owned(),
        ("true or false", _) => "write true or false, without quotes".to_owned(),
        ("a string" | "a text", _) if matches!(found, "a list" | "a map" | "an object") => {
            "write one text in its place".to_owned()
        }
        ("a string" | "a text", _) => format!("put it in quotes: \"{found}\""),
        ("a list", _) => "write a list: each item on a line of its own that starts with `- `".to_owned(),
        ("a map" | "an object", _) => "write `name: value` pairs below it".to_owned(),
        (wanted, _) if wanted.starts_with("at most one of") => "leave the others out".to_owned(),
        (wanted, _) if wanted.starts_with("at most") => format!("leave some out: {wanted}"),
        (wanted, _) => format!("write {wanted}"),
    }
}
