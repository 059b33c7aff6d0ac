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

/// The names in a list that has one a line, with comments.
pub fn parse_roots(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The files that `roots` name and all that they import, imports first.
pub fn closure<'a>(
    set: FileDescriptorSet,
    roots: impl Iterator<Item = &'a str>,
) -> Result<FileDescriptorSet> {
    let files: BTreeMap<String, FileDescriptorProto> =
        set.file.into_iter().map(|file| (file.name().to_owned(), file)).collect();
    let mut done = BTreeSet::new();
    let mut out = Vec::new();
    for root in roots {
        let matches = |name: &str| if root.ends_with('/') { name.starts_with(root) } else { name == root };
        let mut named = files.keys().filter(|name| matches(name)).peekable();
        if named.peek().is_none() {
            bail!("{root} is wanted (proto/roots.txt), but this Envoy's API does not have it");
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
