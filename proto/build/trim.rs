//! Cuts a descriptor set down to what is wanted of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Files that only declare options: imported everywhere, but no message has a field of their types.
const OPTIONS_ONLY: &[&str] = &[
    "envoy/annotations/",
    "google/protobuf/descriptor.proto",
    "udpa/annotations/",
    "validate/",
    "xds/annotations/",
];

/// The files that `roots` names and all that they import, imports first.
pub fn closure(set: FileDescriptorSet, roots: &str) -> Result<FileDescriptorSet> {
    let files: BTreeMap<String, FileDescriptorProto> =
        set.file.into_iter().map(|file| (file.name().to_owned(), file)).collect();
    let mut done = BTreeSet::new();
    let mut out = Vec::new();
    for root in roots.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let matches = |name: &str| if root.ends_with('/') { name.starts_with(root) } else { name == root };
        let mut named = files.keys().filter(|name| matches(name)).peekable();
        if named.peek().is_none() {
            bail!("roots.txt names {root}, which this Envoy's API does not have");
        }
        for name in named {
            add(&files, name, &mut done, &mut out);
        }
    }
    Ok(FileDescriptorSet { file: out })
}

fn add<'a>(
    files: &'a BTreeMap<String, FileDescriptorProto>,
    name: &'a str,
    done: &mut BTreeSet<&'a str>,
    out: &mut Vec<FileDescriptorProto>,
) {
    let Some(file) = files.get(name) else { return };
    if OPTIONS_ONLY.iter().any(|prefix| name.starts_with(prefix)) || !done.insert(name) {
        return;
    }
    for import in &file.dependency {
        add(files, import, done, out);
    }
    out.push(file.clone());
}
