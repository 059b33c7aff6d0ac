//! Field paths as they are shown to users: `spec.http[0].match[1].headers["x-id"]`.

use std::fmt::Write;

/// A name longer than this is cut where it is shown.
const LONGEST: usize = 80;

/// The path of a field under another path.
pub fn field(path: &str, name: &str) -> String {
    let mut path = path.to_owned();
    push_field(&mut path, name);
    path
}

/// Puts the index of a list's item behind a path.
pub fn push_item(path: &mut String, index: usize) {
    // Writing into a String cannot fail.
    let _ = write!(path, "[{index}]");
}

/// Puts the name of a field behind a path.
pub fn push_field(path: &mut String, name: &str) {
    let plain =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let shown: String = name.chars().take(LONGEST).collect();
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&shown);
    } else {
        // Writing into a String cannot fail.
        let _ = write!(path, "[{shown:?}]");
    }
}
