//! What the downward API tells: the pod's labels and annotations.
//!
//! In: a directory with the files `labels` and `annotations`, one `key="value"` a line, the value quoted as Go does. Out: two maps. Files
//! that are not there are empty: a proxy outside of Kubernetes has none.

use std::{collections::BTreeMap, fs, io, path::Path};

/// The pod's labels and annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PodInfo {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Annotations of others are of no use to a control plane, and some are as long as the object itself.
const FOREIGN: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/config.seen",
    "kubernetes.io/config.source",
    "kubernetes.io/config.hash",
];

/// Reads both files; the error is a path and what is wrong with it.
pub(super) fn read(directory: &Path) -> Result<PodInfo, (String, String)> {
    let labels = read_pairs(&directory.join("labels"))?;
    let mut annotations = read_pairs(&directory.join("annotations"))?;
    annotations.retain(|key, _| !FOREIGN.contains(&key.as_str()));
    Ok(PodInfo { labels, annotations })
}

fn read_pairs(path: &Path) -> Result<BTreeMap<String, String>, (String, String)> {
    let problem = |what: String| (path.display().to_string(), what);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(problem(error.to_string())),
    };
    let mut pairs = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let pair =
            line.split_once('=').and_then(|(key, value)| Some((key.trim().to_owned(), unquote(value)?)));
        let (key, value) = pair.ok_or_else(|| problem(format!("line {} is not key=\"value\"", index + 1)))?;
        pairs.insert(key, value);
    }
    Ok(pairs)
}

/// Go's `strconv.Quote` undone.
fn unquote(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    let put = |bytes: &mut Vec<u8>, character: char| {
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes())
    };
    while let Some(character) = rest.next() {
        if character != '\\' {
            put(&mut bytes, character);
            continue;
        }
        match rest.next()? {
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'v' => bytes.push(11),
            'x' => bytes.push(u8::try_from(hexadecimal(&mut rest, 2)?).ok()?),
            'u' => put(&mut bytes, char::from_u32(hexadecimal(&mut rest, 4)?)?),
            'U' => put(&mut bytes, char::from_u32(hexadecimal(&mut rest, 8)?)?),
            plain @ ('\\' | '"' | '\'') => put(&mut bytes, plain),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn hexadecimal(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    let text: String = rest.by_ref().take(digits).collect();
    (text.len() == digits).then_some(())?;
    u32::from_str_radix(&text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unquoted_as_go_quotes_them() {
        let text = r#""a \"b\"\n\t\\ \u00e9 \x41 ü""#;
        assert_eq!(unquote(text).unwrap(), "a \"b\"\n\t\\ é A ü");
        for broken in ["a", "\"a", r#""\q""#, r#""\u12""#, r#""\""#] {
            assert_eq!(unquote(broken), None, "{broken}");
        }
    }

    #[test]
    fn files_that_are_missing_are_empty_and_broken_ones_are_named() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), PodInfo::default());
        fs::write(directory.path().join("labels"), "app=\"web\"\n\nversion=\"v1\"\n").unwrap();
        fs::write(directory.path().join("annotations"), "kubernetes.io/config.seen=\"x\"\na=\"b\"").unwrap();
        let info = read(directory.path()).unwrap();
        assert_eq!(info.labels.len(), 2);
        assert_eq!(info.annotations, [("a".to_owned(), "b".to_owned())].into());
        fs::write(directory.path().join("labels"), "app=\"web\"\napp\n").unwrap();
        let (path, problem) = read(directory.path()).unwrap_err();
        assert!(path.ends_with("labels") && problem.contains("line 2"), "{path} {problem}");
    }
}
