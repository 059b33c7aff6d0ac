//! What stands in brackets.
//!
//! In: what follows `[`. Out: the class in the syntax of the `regex` crate, and the rest; or why RE2 refuses it. In RE2 a bracket, `&` and `~` in
//! brackets are characters like others, and so is `-` where no range can be.

use crate::{Error, escape};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// A class as it is written for the `regex` crate.
pub struct Class {
    pub text: String,
    /// About how many ranges it has.
    pub ranges: u32,
}

/// See the module.
pub fn class(after: &str) -> Result<(Class, &str), Error> {
    let mut ranges = 0;
    let (mut out, mut rest) = match after.strip_prefix('^') {
        Some(rest) => ("[^".to_owned(), rest),
        None => ("[".to_owned(), after),
    };
    let mut first = true;
    loop {
        match rest.strip_prefix(']') {
            Some(after) if !first => {
                out.push(']');
                return Ok((Class { text: escape::of_bytes(&out), ranges }, after));
            }
            _ if rest.is_empty() => return Err(Error::UnclosedClass),
            _ => first = false,
        }
        let (item, after) = item(rest)?;
        ranges += if item.starts_with('[') || item.contains(escape::WORD) { 2 } else { 1 };
        out.push_str(&item);
        rest = after;
    }
}

fn item(text: &str) -> Result<(String, &str), Error> {
    if let Some((name, after)) = text.strip_prefix("[:").and_then(|named| named.split_once(":]")) {
        return if POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            Ok((format!("[:{name}:]"), after))
        } else {
            Err(Error::BadClass(format!("[:{name}:]")))
        };
    }
    if let Some(escaped) = text.strip_prefix('\\')
        && let Some(set) = escape::set(escaped)?
    {
        return Ok(set);
    }
    let (low, after) = character(text)?;
    let range = after.strip_prefix('-').filter(|end| !end.starts_with(']') && !end.is_empty());
    let Some(end) = range else { return Ok((escape::literal(low), after)) };
    let (high, after) = character(end)?;
    if high < low {
        return Err(Error::BadClass(text[..text.len() - after.len()].to_owned()));
    }
    Ok((format!("{}-{}", escape::literal(low), escape::literal(high)), after))
}

fn character(text: &str) -> Result<(char, &str), Error> {
    if let Some(escaped) = text.strip_prefix('\\') {
        return escape::character(escaped);
    }
    let first = text.chars().next().ok_or(Error::UnclosedClass)?;
    Ok((first, &text[first.len_utf8()..]))
}
