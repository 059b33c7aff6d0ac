//! What the code reads: each field that it takes out of an object, and each label and annotation that it knows, has a row.
//!
//! In: sources, as text. Out: what has no row. Parse functions take structs apart without `..`, so their patterns are lists of fields.

use super::rows::Row;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A list of rows: the kind, what is said of it, and its fields.
type Rows = (&'static str, &'static str, &'static [Row]);

/// Where the fields of a kind are listed in code: the file below `pilot/ingest/src/kinds`, the line that begins the list, the kind, and where
/// these fields stand in it.
const READ: &[(&str, &str, &str, &str)] = &[
    ("service.rs", "let ServiceSpec {", "Service", "spec."),
    ("service.rs", "let ApiPort {", "Service", "spec.ports[]."),
    ("endpoint_slice.rs", "struct ApiSlice {", "EndpointSlice", ""),
    ("endpoint_slice.rs", "let api::EndpointPort {", "EndpointSlice", "ports[]."),
    ("endpoint_slice.rs", "let api::Endpoint {", "EndpointSlice", "endpoints[]."),
    ("endpoint_slice.rs", "let api::EndpointConditions {", "EndpointSlice", "endpoints[].conditions."),
    ("pod.rs", "struct Status {", "Pod", "status."),
    ("pod.rs", "struct PodIp {", "Pod", "status.podIPs[]."),
    ("deployment.rs", "struct Spec {", "Deployment", "spec."),
    ("deployment.rs", "pub struct PodSpec {", "Pod", "spec."),
    ("deployment.rs", "pub struct Container {", "Pod", "spec.containers[]."),
    ("deployment.rs", "pub struct ContainerPort {", "Pod", "spec.containers[].ports[]."),
    ("secret.rs", "const PAIRS:", "Secret", "data["),
    ("secret.rs", "const AUTHORITIES:", "Secret", "data["),
    ("secret.rs", "const REVOKED:", "Secret", "data["),
    ("secret.rs", "const AUTHORITIES:", "ConfigMap", "data["),
    ("secret.rs", "const REVOKED:", "ConfigMap", "data["),
];

/// Crates whose code names labels and annotations.
const CRATES: &[&str] = &[
    "agent",
    "citadel",
    "local",
    "mesh/api",
    "mesh/model",
    "pilot",
    "pilot/envoy",
    "pilot/ingest",
    "pilot/status",
    "pilot/view",
];

/// What the prefixes of names are; what is behind a slash in a text of code may be a path or an API group, too.
const PREFIXES: &[&str] = &["istio.io/", "kubernetes.io/"];

/// What looks like one of these names, and is none.
const NO_NAMES: &[&str] = &[
    // Types of Secrets, groups of kinds, links, and what a Service's appProtocol may say.
    "istio.io/ca-root",
    "/apis/networking.istio.io/v1/namespaces/",
    "networking.istio.io/v1",
    "security.istio.io/v1",
    "kubernetes.io/h2c",
    "kubernetes.io/ws",
    // What reviews of tokens tell.
    "authentication.kubernetes.io/",
    // Of kinds that are not read.
    "istio.io/dry-run",
    // What is written by us on objects of ours, and by others on pods, where an agent leaves it out.
    "istio.io/config",
    "app.kubernetes.io/managed-by",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/config.",
];

/// What has no row.
pub(super) fn unlisted(kinds: &[Rows]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for (file, begin, kind, place) in READ {
        let path = root.join("pilot/ingest/src/kinds").join(file);
        let text = fs::read_to_string(&path).expect("a source");
        let names =
            if begin.starts_with("const") { literals_after(&text, begin) } else { fields(&text, begin) };
        assert!(!names.is_empty(), "{file} has no list that begins with `{begin}`");
        for name in names {
            let field = format!("{place}{name}").to_lowercase();
            let is_it = |row: &Row| row.path.to_lowercase().trim_end_matches(']') == field;
            if !kinds.iter().any(|(of, _, rows)| of == kind && rows.iter().any(is_it)) {
                missing.push(format!("{kind} {place}{name}, which {file} reads"));
            }
        }
    }
    let listed = |name: &str| {
        kinds.iter().any(|(.., rows)| rows.iter().any(|row| row.path.contains(&format!("[{name}]"))))
    };
    let known = pilot_ingest::known_annotations().chain(names_in(&root));
    missing.extend(
        known
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|name| !listed(name))
            .map(|name| format!("[{name}], which code names")),
    );
    missing
}

/// The fields of the pattern or struct that begins so, in small letters and without underscores.
fn fields(text: &str, begin: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(begin) else { return Vec::new() };
    // Patterns and structs here have no braces of their own within.
    let block = rest.split('}').next().unwrap_or_default();
    let mut names = Vec::new();
    let mut renamed = None;
    for line in block.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if line.starts_with("#[") {
            renamed = line.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next()).or(renamed);
            continue;
        }
        for part in line.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let name = part.trim_start_matches("pub ").split(':').next().unwrap_or_default();
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
            if is_name {
                names.push(renamed.take().map_or_else(|| name.replace('_', ""), str::to_owned));
            }
        }
    }
    names
}

/// The texts in the constant that begins so.
fn literals_after(text: &str, begin: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(begin) else { return Vec::new() };
    literals(rest.split(';').nth(1).unwrap_or_default()).map(str::to_owned).collect()
}

/// What stands in quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Labels and annotations by their whole names, wherever code that is no test names them.
fn names_in(root: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for name in CRATES {
        sources(&root.join(name).join("src"), &mut files);
    }
    let mut names = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let whole = |text: &&str| {
                let has_prefix = PREFIXES.iter().any(|prefix| text.contains(prefix));
                let is_name = |letter: char| letter.is_ascii_alphanumeric() || "./-_".contains(letter);
                has_prefix && text.chars().all(is_name) && !text.ends_with('/')
            };
            let found =
                literals(line).filter(whole).filter(|name| !NO_NAMES.iter().any(|no| name.starts_with(no)));
            names.extend(found.map(str::to_owned));
        }
    }
    names
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("sources") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, found),
            false
                if path.extension().is_some_and(|extension| extension == "rs")
                    && !path.ends_with("tests.rs") =>
            {
                found.push(path)
            }
            false => {}
        }
    }
}
