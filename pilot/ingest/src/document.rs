//! Text to documents.
//!
//! In: the bytes of a YAML or JSON file. Out: its documents as JSON values with the lines they begin on, and what cannot be
//! read. Bounded in size, depth and expansion, so that no file can exhaust the process.

use crate::defect::guard;
use mesh_model::{Problem, Reason};
use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;

/// Largest object, etcd's default limit: what a cluster cannot hold is not accepted from a file either.
pub const MAX_OBJECT: usize = 1_572_864;
/// Largest file.
pub const MAX_FILE: usize = 64 << 20;

/// A document of a file.
#[derive(Debug)]
pub struct Document {
    /// Its first line with content, 1-based.
    pub line: u32,
    /// What it says, or why that is not known.
    pub value: Result<Value, Problem>,
}

/// Reads all documents; empty ones are passed over.
pub fn parse_documents(bytes: &[u8]) -> Result<Vec<Document>, Problem> {
    if bytes.len() > MAX_FILE {
        return Err(too_large("the file", bytes.len(), MAX_FILE));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        malformed(format!(
            "this is not UTF-8 text: byte 0x{:02x} at offset {offset} (line {line})",
            bytes.get(offset).copied().unwrap_or_default()
        ))
        .hint("save the file as UTF-8")
    })?;
    Ok(split(text)
        .into_iter()
        .filter_map(|(line, text)| {
            let value = guard(|| parse_text(text)).flatten().map_err(|problem| on_line(problem, line));
            match value {
                Ok(Value::Null) => None,
                value => Some(Document { line: line + leading_lines(text), value }),
            }
        })
        .collect())
}

/// Cuts at `---` and `...`, which YAML reserves at the beginning of a line, even within texts. Gives the 1-based line on
/// which each part begins.
fn split(text: &str) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line) = (0, 1);
    let (mut offset, mut line) = (0, 1);
    for content in text.split_inclusive('\n') {
        let is_marker = |marker: &str| {
            content
                .strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        if is_marker("---") || is_marker("...") {
            parts.push((begin_line, &text[begin..offset]));
            // What follows on the marker's own line belongs to the document.
            begin = offset + 3;
            begin_line = line;
        }
        offset += content.len();
        line += 1;
    }
    parts.push((begin_line, &text[begin..]));
    parts
}

/// Lines before the first that is neither empty nor a comment.
fn leading_lines(text: &str) -> u32 {
    let lines = text.lines().take_while(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    });
    lines.count() as u32
}

/// Reads one document. Lines in the problem count from the beginning of `text`.
pub fn parse_text(text: &str) -> Result<Value, Problem> {
    // A list is many objects, each of which is looked at when it is taken out.
    let scale = if is_list(text) { MAX_FILE / MAX_OBJECT } else { 1 };
    if text.len() > scale * MAX_OBJECT {
        return Err(too_large("the document", text.len(), MAX_OBJECT)
            .hint("a cluster could not hold it either; split it into several objects"));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_documents: 1,
            max_nodes: scale * 200_000,
            max_events: scale * 500_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: scale * 2 * MAX_OBJECT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line() as u32).filter(|line| *line > 0);
        let column = error.location().map(|location| location.column()).unwrap_or_default();
        let error = error.without_snippet();
        let (told, hint) =
            explain(error).map_or_else(|| (error.to_string(), None), |(message, hint)| (message, Some(hint)));
        let message = tidy(&told);
        let problem = match line {
            Some(line) => malformed(format!("line {line}, column {column}: {message}")),
            None => malformed(message),
        };
        let tab = line.is_some_and(|line| {
            let near = text.lines().skip(line.saturating_sub(2) as usize).take(2);
            near.into_iter().any(|line| line.trim_start_matches(' ').starts_with('\t'))
        });
        if let Some(hint) = hint {
            return problem.hint(hint);
        }
        match () {
            () if tab => problem.hint("indent with spaces; YAML does not allow tabs"),
            () if message.contains("alias") => problem.hint("write out what the aliases stand for"),
            () if message.contains("depth") || message.contains("recursion") => {
                problem.hint("no object of the mesh is nested more than 64 levels deep")
            }
            () if text.contains("{{") => problem.hint("render the template first, as `helm template` does"),
            () => problem.hint(usual_slip(message)),
        }
    })
}

/// What people mostly wrote where YAML cannot be read.
fn usual_slip(message: &str) -> &'static str {
    match () {
        () if message.contains("unclosed bracket") => {
            "close it, or put the text in quotes if the bracket is a part of it"
        }
        () if message.contains("quot") => "end the text with the quote that it begins with",
        () if message.contains("anchor") => {
            "write what is meant in place of the `*name`, or put a text that begins with `*` in quotes"
        }
        () => "look at the indentation, and put texts with `: `, ` #`, `*`, `{` or `[` in quotes",
    }
}

/// Whether this looks like the output of `kubectl get -o yaml` (or json) for several objects.
fn is_list(text: &str) -> bool {
    text.lines().any(|line| {
        let kind = line.strip_prefix("kind:").or_else(|| line.trim_start().strip_prefix("\"kind\":"));
        kind.is_some_and(|kind| kind.trim().trim_matches([',', '"', '\'']).ends_with("List"))
    })
}

/// How large an object is, about as large as it would be as JSON.
pub fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 2
        }
    }
}

/// What is said of an object of a list that is too large.
pub fn check_size(value: &Value) -> Result<(), Problem> {
    match size(value) {
        found if found > MAX_OBJECT => Err(too_large("the object", found, MAX_OBJECT)),
        _ => Ok(()),
    }
}

/// What the reader says in words that are for those who call it: in ours, and what to write instead.
fn explain(error: &serde_saphyr::Error) -> Option<(String, &'static str)> {
    use serde_saphyr::Error as Slip;
    let (message, hint) = match error {
        Slip::AliasError { error, .. } => return explain(error),
        Slip::DuplicateMappingKey { key: Some(key), .. } => {
            let hint = "keep one of them: which of both is meant, nobody knows";
            return Some((format!("`{key}` is here twice"), hint));
        }
        Slip::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            ("it is nested too deep", "no object of the mesh is nested more than 64 levels deep")
        }
        Slip::Budget { .. } => (
            "it has more fields, text or aliases than an object may have",
            "write out what the aliases stand for, and split what is too large",
        ),
        Slip::AliasReplayCounterOverflow { .. }
        | Slip::AliasReplayLimitExceeded { .. }
        | Slip::AliasExpansionLimitExceeded { .. }
        | Slip::AliasReplayStackDepthExceeded { .. } => {
            ("its aliases stand for more than an object may have", "write out what the aliases stand for")
        }
        Slip::RecursiveReferencesRequireWeakTypes { .. } => {
            ("an alias stands for something that it is a part of", "write out what the alias stands for")
        }
        _ => return None,
    };
    Some((message.to_owned(), hint))
}

/// The reader's words without the positions: the one that counts is said in front.
fn tidy(message: &str) -> &str {
    let message = message.lines().next().unwrap_or_default();
    message.find(" at line ").map_or(message, |cut| &message[..cut])
}

/// Makes a line within a document one of the file.
fn on_line(mut problem: Problem, begin: u32) -> Problem {
    if begin > 1
        && let Some(rest) = problem.message.strip_prefix("line ")
        && let Some((line, rest)) = rest.split_once(',')
        && let Ok(line) = line.parse::<u32>()
    {
        problem.message = format!("line {},{rest}", line + begin - 1);
    }
    problem
}

fn malformed(message: impl Into<String>) -> Problem {
    Problem::error(Reason::Malformed, "", message)
}

pub fn too_large(what: &str, found: usize, allowed: usize) -> Problem {
    malformed(format!("{what} has {found} bytes; at most {allowed} are read"))
        .hint("split it into several files or objects")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bytes: &[u8]) -> Vec<String> {
        match parse_documents(bytes) {
            Err(problem) => vec![problem.to_string()],
            Ok(documents) => documents
                .into_iter()
                .map(|document| match document.value {
                    Ok(value) => format!("{}: {value}", document.line),
                    Err(problem) => format!("{}: ERROR {problem}", document.line),
                })
                .collect(),
        }
    }

    #[test]
    fn documents_know_their_lines() {
        let text = b"# first\na: 1\n---\n\nb: 2\n--- {c: 3}\n...\n---\n";
        assert_eq!(messages(text), [r#"2: {"a":1}"#, r#"5: {"b":2}"#, r#"6: {"c":3}"#]);
    }

    #[test]
    fn a_bad_document_leaves_its_neighbours() {
        let found = messages(b"a: 1\n---\nb: [1\n---\nc: 3\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], r#"1: {"a":1}"#);
        assert!(
            found[1].starts_with("3: ERROR line 4") || found[1].starts_with("3: ERROR line 3"),
            "{}",
            found[1]
        );
        assert_eq!(found[2], r#"5: {"c":3}"#);
    }

    #[test]
    fn limits_are_messages() {
        let found = messages(b"a: \xff\n");
        assert!(found[0].contains("byte 0xff at offset 3 (line 1)"), "{found:?}");
        let found =
            messages("a: ".bytes().chain(std::iter::repeat_n(b'x', 5 << 20)).collect::<Vec<_>>().as_slice());
        assert!(found[0].contains("5242883 bytes; at most 1572864"), "{found:?}");
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for (name, above) in ('b'..='i').zip('a'..) {
            bomb.push_str(&format!("{name}: &{name} [*{above},*{above},*{above},*{above},*{above},*{above},*{above},*{above},*{above}]\n"));
        }
        let found = messages(bomb.as_bytes());
        assert!(
            found[0].contains("its aliases stand for more than an object may have (write out"),
            "{found:?}"
        );
        let found = messages("[".repeat(100_000).as_bytes());
        assert!(found[0].contains("nested more than 64 levels deep"), "{found:?}");
        let found = messages(b"a: &a {b: *a}\n");
        assert!(found[0].contains("an alias stands for something that it is a part of (write"), "{found:?}");
    }

    #[test]
    fn a_list_may_be_larger_than_an_object() {
        let item = |size: usize| format!("- {{a: {}}}\n", "x".repeat(size));
        let list = format!("kind: List\nitems:\n{}", item(1 << 20).repeat(3));
        let documents = parse_documents(list.as_bytes()).unwrap();
        let value = documents[0].value.as_ref().unwrap();
        assert!(check_size(&value["items"][0]).is_ok());
        let list = format!("kind: List\nitems:\n{}", item(2 << 20));
        let documents = parse_documents(list.as_bytes()).unwrap();
        assert!(check_size(&documents[0].value.as_ref().unwrap()["items"][0]).is_err());
    }

    #[test]
    fn slips_are_explained() {
        let found = messages(b"a: 1\nb: 2\na: 3\n");
        assert_eq!(
            found,
            [
                "1: ERROR line 3, column 1: `a` is here twice (keep one of them: which of both is meant, nobody knows)"
            ]
        );
        let found = messages(b"a: {{ .Values.a }}\n");
        assert!(found[0].ends_with("(render the template first, as `helm template` does)"), "{found:?}");
        let found = messages(b"a:\n\tb: 1\n");
        assert!(found[0].contains("spaces"), "{found:?}");
    }
}
