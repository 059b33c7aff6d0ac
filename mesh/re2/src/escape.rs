//! What a backslash means to RE2.
//!
//! In: what follows the backslash. Out: the same for the `regex` crate, and the rest; or why RE2 refuses it.

use crate::Error;

pub const DIGIT: &str = "0-9";
pub const SPACE: &str = r"\t\n\x0C\r ";
pub const WORD: &str = "0-9A-Za-z_";

/// What `.` takes.
pub const ANY_BUT_LINE_END: &str = r"[\x00-\x09\x0B-\x{FF}]";
/// What it takes with the flag `s`.
pub const ANY: &str = r"[\x00-\x{FF}]";

/// One character that stands for itself.
pub fn literal(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        character.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(character))
    }
}

/// A class without the characters that are no byte, which would only make the program bigger.
pub fn of_bytes(class: &str) -> String {
    format!(r"[\x00-\x{{FF}}&&{class}]")
}

/// An escape outside of brackets.
pub fn outside(after: &str) -> Result<(String, &str), Error> {
    let Some(first) = after.chars().next() else { return Err(Error::TrailingBackslash) };
    let rest = &after[first.len_utf8()..];
    let text = match first {
        'A' | 'z' => format!("\\{first}"),
        // Of ASCII, and between bytes: RE2 knows no other words.
        'b' | 'B' => format!("(?-u:\\{first})"),
        _ => match set(after)? {
            Some((items, rest)) => return Ok((of_bytes(&format!("[{items}]")), rest)),
            None => {
                let (character, rest) = character(after)?;
                return Ok((literal(character), rest));
            }
        },
    };
    Ok((text, rest))
}

/// `\d` and its like, and `\pL`, as what stands in brackets; nothing if it is another escape.
pub fn set(after: &str) -> Result<Option<(String, &str)>, Error> {
    let Some(first) = after.chars().next() else { return Err(Error::TrailingBackslash) };
    let rest = &after[first.len_utf8()..];
    let items = match first {
        'd' => DIGIT.to_owned(),
        's' => SPACE.to_owned(),
        'w' => WORD.to_owned(),
        'D' => format!("[^{DIGIT}]"),
        'S' => format!("[^{SPACE}]"),
        'W' => format!("[^{WORD}]"),
        'p' | 'P' => return property(first == 'P', rest).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((items, rest)))
}

/// General categories of Unicode, as RE2 knows them.
const CATEGORIES: &str =
    " C Cc Cf Co L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs ";

/// `{Greek}`, `{^Greek}`, `{Lu}` or `L` after `\p`.
fn property(negated: bool, after: &str) -> Result<(String, &str), Error> {
    let bad = |name: &str| Error::BadClass(format!("\\{}{name}", if negated { 'P' } else { 'p' }));
    let (name, rest) = match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(|| bad(after))?,
        None => {
            let end = after.chars().next().map_or(0, char::len_utf8);
            after.split_at(end)
        }
    };
    let (negated, bare) = match name.strip_prefix('^') {
        Some(bare) if after.starts_with('{') => (!negated, bare),
        _ => (negated, name),
    };
    let known = CATEGORIES.contains(&format!(" {bare} ")) && !bare.is_empty();
    // What else there is are scripts, and the crate knows which.
    let script = bare.starts_with(|first: char| first.is_ascii_uppercase())
        && bare.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bare.len() > 2
        && regex::Regex::new(&format!(r"\p{{sc={bare}}}")).is_ok();
    let written = match (known, script, bare) {
        (true, ..) => bare.to_owned(),
        (_, true, _) => format!("sc={bare}"),
        (.., "Any") => bare.to_owned(),
        _ => return Err(bad(&format!("{{{name}}}"))),
    };
    Ok((format!("\\{}{{{written}}}", if negated { 'P' } else { 'p' }), rest))
}

/// An escape that stands for one character.
pub fn character(after: &str) -> Result<(char, &str), Error> {
    let Some(first) = after.chars().next() else { return Err(Error::TrailingBackslash) };
    let rest = &after[first.len_utf8()..];
    let unknown = || Error::UnknownEscape(format!("\\{first}"));
    let found = match first {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hexadecimal(rest).ok_or_else(unknown),
        '0' => return octal(after, unknown),
        '1'..='7' if rest.starts_with(|next| matches!(next, '0'..='7')) => return octal(after, unknown),
        '1'..='9' => return Err(Error::BackReference(format!("\\{first}"))),
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
        _ => return Err(unknown()),
    };
    Ok((found, rest))
}

/// Up to three digits.
fn octal(after: &str, unknown: impl Fn() -> Error) -> Result<(char, &str), Error> {
    let digits = after.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, rest) = after.split_at(digits);
    let code = u8::from_str_radix(digits, 8).ok().map(char::from);
    Ok((code.ok_or_else(unknown)?, rest))
}

/// `7F` or `{7F}`, up to FF.
fn hexadecimal(after: &str) -> Option<(char, &str)> {
    let (digits, rest) = match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => after.split_at_checked(2)?,
    };
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = all.then(|| u8::from_str_radix(digits, 16).ok()).flatten();
    Some((char::from(code?), rest))
}
