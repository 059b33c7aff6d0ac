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

/// Runs with the path of a field, and leaves the path as it was.
pub fn inside_field(path: &mut String, name: &str, run: impl FnOnce(&mut String)) {
    let before = path.len();
    push_field(path, name);
    run(path);
    path.truncate(before);
}

/// Runs with the path of a list's item, and leaves the path as it was.
pub fn inside_item(path: &mut String, index: usize, run: impl FnOnce(&mut String)) {
    let before = path.len();
    // Writing into a String cannot fail.
    let _ = write!(path, "[{index}]");
    run(path);
    path.truncate(before);
}

fn push_field(path: &mut String, name: &str) {
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
