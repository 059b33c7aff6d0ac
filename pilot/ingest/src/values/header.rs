//! Names and values of HTTP headers.

use super::log::header_fault;
use crate::at::At;
use mesh_model::{Reason, Str};

/// RFC 9110's token characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a header can be called so; with a colon before it, one of HTTP/2's own.
pub fn is_header_name(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or(text);
    !name.is_empty() && name.bytes().all(is_token)
}

/// A header's name in lower case, or an HTTP/2 pseudo-header such as `:authority`.
pub fn parse_header_name(text: &str, at: &At<'_>) -> Option<Str> {
    if !is_header_name(text) {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is not a header name"),
            "use letters, digits and -_.; no spaces or colons",
        );
        return None;
    }
    Some(text.to_ascii_lowercase().into())
}

/// A header's value; control characters would end the header.
pub fn parse_header_value(text: &str, at: &At<'_>) -> Option<Str> {
    if let Some(bad) = text.chars().find(|character| character.is_control() && *character != '\t') {
        at.error_hint(
            Reason::InvalidValue,
            format!("{bad:?} is not allowed in a header value"),
            "write it on one line, without control characters",
        );
        return None;
    }
    Some(text.into())
}

/// A header's value that Envoy fills in: `%START_TIME%` and its like stand for something, `%%` is a percent sign. What Envoy cannot
/// read makes it refuse all that the value is a part of.
pub fn parse_header_format(text: &str, at: &At<'_>) -> Option<Str> {
    if let Some(column) = misplaced_percent(text) {
        at.error_hint(
            Reason::InvalidValue,
            format!("the `%` at character {column} begins no command such as %START_TIME%"),
            "write %% for a percent sign",
        );
        return None;
    }
    if let Some(fault) = header_fault(text) {
        at.error_hint(
            Reason::InvalidValue,
            format!("{fault}; the header is left as it is"),
            "commands look like %PROTOCOL% or %REQ(X-REQUEST-ID)%; a percent sign is %%",
        );
        return None;
    }
    parse_header_value(text, at)
}

/// Where a `%` stands that is neither doubled nor the beginning of `%COMMAND%`, `%COMMAND(arguments)%` or `%COMMAND(arguments):length%`.
fn misplaced_percent(text: &str) -> Option<usize> {
    let mut rest = text;
    while let Some(begin) = rest.find('%') {
        let after = &rest[begin + 1..];
        match after.strip_prefix('%').or_else(|| after_command(after)) {
            Some(behind) => rest = behind,
            None => return Some(text.len() - rest.len() + begin + 1),
        }
    }
    None
}

/// What follows the command that `text` begins with.
fn after_command(text: &str) -> Option<&str> {
    let named = text.trim_start_matches(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if named.len() == text.len() {
        return None;
    }
    let Some(arguments) = named.strip_prefix('(') else { return after_length(named) };
    // The first parenthesis after which the command can end: arguments may have some of their own.
    arguments.match_indices(')').find_map(|(end, _)| after_length(&arguments[end + 1..]))
}

/// What follows `%` or `:length%`.
fn after_length(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(':').map(|length| length.trim_start_matches(|c: char| c.is_ascii_digit()));
    digits.unwrap_or(text).strip_prefix('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_begins_a_command_or_is_doubled() {
        let fine = [
            "",
            "100%%",
            "%START_TIME%",
            "a %REQ(x-user?:path):10% b",
            "%CEL(re.extract(a, 'b(c)d', '1'))%",
            "%%%PROTOCOL%%%",
        ];
        for text in fine {
            assert_eq!(misplaced_percent(text), None, "{text}");
        }
        for (text, column) in [("100%", 4), ("%", 1), ("%a%", 1), ("%%%", 3), ("%REQ(x%", 1), ("ä %X", 4)] {
            assert_eq!(misplaced_percent(text), Some(column), "{text}");
        }
    }
}
