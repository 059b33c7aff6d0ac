//! Names and values of HTTP headers.

use crate::at::At;
use mesh_model::{Reason, Str};

/// RFC 9110's token characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A header's name in lower case, or an HTTP/2 pseudo-header such as `:authority`.
pub fn parse_header_name(text: &str, at: &At<'_>) -> Option<Str> {
    let name = text.strip_prefix(':').unwrap_or(text);
    if name.is_empty() || !name.bytes().all(is_token) {
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
        at.error(Reason::InvalidValue, format!("{bad:?} is not allowed in a header value"));
        return None;
    }
    Some(text.into())
}
