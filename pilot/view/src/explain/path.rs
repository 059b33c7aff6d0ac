//! Paths as a proxy makes them alike before it looks at them.
//!
//! In: the path that a client sends, and the settings. Out: the path that routes match, or the answer of a proxy that does not take it so.

use mesh_model::{ConnectionSettings, EscapedSlashes, PathNormalization};

/// What a path comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// This is matched, and sent on.
    Path(String),
    /// The client is to ask for this.
    Elsewhere(String),
    /// It is not taken.
    Refused,
}

/// What `path`, with its query, comes to.
pub fn make_alike(path: &str, normalization: PathNormalization, settings: &ConnectionSettings) -> Made {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let decodes = normalization >= PathNormalization::DecodeAndMergeSlashes;
    let usual = if decodes { EscapedSlashes::UnescapeAndForward } else { EscapedSlashes::KeepUnchanged };
    let escaped = settings.escaped_slashes.unwrap_or(usual);
    let decoded = decode_slashes(path);
    let is_escaped = decoded != path;
    let mut path = match escaped {
        EscapedSlashes::KeepUnchanged => path.to_owned(),
        EscapedSlashes::RejectRequest if is_escaped => return Made::Refused,
        EscapedSlashes::RejectRequest
        | EscapedSlashes::UnescapeAndRedirect
        | EscapedSlashes::UnescapeAndForward => decoded,
    };
    if normalization > PathNormalization::None {
        path = resolve_dots(&path.replace('\\', "/"));
    }
    if settings.merge_slashes.unwrap_or(normalization >= PathNormalization::MergeSlashes) {
        path = merge_slashes(&path);
    }
    let whole = format!("{path}{query}");
    match escaped {
        EscapedSlashes::UnescapeAndRedirect if is_escaped => Made::Elsewhere(whole),
        _ => Made::Path(whole),
    }
}

fn decode_slashes(path: &str) -> String {
    path.replace("%2F", "/").replace("%2f", "/").replace("%5C", "\\").replace("%5c", "\\")
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    merged
}

/// `/a/../b` is `/b`.
fn resolve_dots(path: &str) -> String {
    let dots = |segment: &str| match segment.to_ascii_lowercase().replace("%2e", ".") {
        dots if dots == "." || dots == ".." => Some(dots.len()),
        _ => None,
    };
    if !path.split('/').any(|segment| dots(segment).is_some()) {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match dots(segment) {
            Some(count) => {
                if count == 2 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            None => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_in_paths() {
        for (path, expected) in [
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a//b", "/a//b"),
            ("/a/%2E%2e/b", "/b"),
        ] {
            assert_eq!(resolve_dots(path), expected, "{path}");
        }
    }

    #[test]
    fn settings_say_how_far() {
        let made = |path: &str, normalization, escaped_slashes| {
            let settings = ConnectionSettings { escaped_slashes, ..ConnectionSettings::default() };
            make_alike(path, normalization, &settings)
        };
        let path = |path: &str| Made::Path(path.to_owned());
        let sent = "/a/./b//c%2Fd?e=//%2F";
        assert_eq!(made(sent, PathNormalization::None, None), path(sent));
        assert_eq!(made(sent, PathNormalization::Base, None), path("/a/b//c%2Fd?e=//%2F"));
        assert_eq!(made(sent, PathNormalization::MergeSlashes, None), path("/a/b/c%2Fd?e=//%2F"));
        assert_eq!(made(sent, PathNormalization::DecodeAndMergeSlashes, None), path("/a/b/c/d?e=//%2F"));
        let keep = Some(EscapedSlashes::KeepUnchanged);
        assert_eq!(made("/a%2Fb", PathNormalization::DecodeAndMergeSlashes, keep), path("/a%2Fb"));
        let reject = Some(EscapedSlashes::RejectRequest);
        assert_eq!(made("/a%2Fb", PathNormalization::Base, reject), Made::Refused);
        assert_eq!(made("/a/b", PathNormalization::Base, reject), path("/a/b"));
        let redirect = Some(EscapedSlashes::UnescapeAndRedirect);
        assert_eq!(made("/a%2fb?c", PathNormalization::Base, redirect), Made::Elsewhere("/a/b?c".to_owned()));
    }
}
