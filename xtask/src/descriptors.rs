//! Finds the protobuf descriptors that a C++ program carries.
//!
//! In: the bytes of a binary. Out: the `FileDescriptorProto`s in it, byte for byte as they were serialised: decoding
//! and encoding them again would lose the options that are extensions, such as Envoy's validation rules. It must not
//! know which of the files anybody needs.
//!
//! protoc writes each file's descriptor into the program as one serialised string. Nothing marks where it ends, but
//! the fields of a serialised message are in ascending order, so the end is where a field comes that cannot follow.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use memchr::memmem;
use prost::Message;
use prost_types::FileDescriptorProto;

/// One file of an API.
#[derive(Debug, Clone)]
pub struct File {
    /// As it was serialised.
    pub bytes: Vec<u8>,
    /// Names of the files it imports.
    pub imports: Vec<String>,
}

/// The files by name.
pub type Files = BTreeMap<String, File>;

/// All the descriptors in a binary.
pub fn extract(binary: &[u8]) -> Files {
    let mut files = Files::new();
    for dot in memmem::find_iter(binary, b".proto") {
        let Some(start) = start_of_message(binary, dot + ".proto".len()) else { continue };
        let end = end_of_message(binary, start);
        let bytes = &binary[start..end];
        let Ok(file) = FileDescriptorProto::decode(bytes) else { continue };
        let is_empty = file.message_type.is_empty()
            && file.enum_type.is_empty()
            && file.service.is_empty()
            && file.extension.is_empty()
            && file.dependency.is_empty();
        if is_empty {
            continue;
        }
        // Some other string may look like the beginning of the same file: the longest is the real one.
        let name = file.name().to_owned();
        if files.get(&name).is_none_or(|known| known.bytes.len() < bytes.len()) {
            files.insert(name, File { bytes: bytes.to_vec(), imports: file.dependency });
        }
    }
    files
}

/// Fails if there are none, or if one imports a file that is not there.
pub fn check(files: &Files) -> Result<()> {
    if files.is_empty() {
        bail!("it has none: is it a stripped build, or not Envoy?");
    }
    for (name, file) in files {
        if let Some(missing) = file.imports.iter().find(|import| !files.contains_key(*import)) {
            bail!("{name} imports {missing}, which is not in it");
        }
    }
    Ok(())
}

/// A serialised `FileDescriptorSet` in which each file comes after its imports.
pub fn encode(files: &Files) -> Vec<u8> {
    let mut done = BTreeSet::new();
    let mut out = Vec::new();
    for name in files.keys() {
        encode_after_imports(files, name, &mut done, &mut out);
    }
    out
}

fn encode_after_imports<'a>(
    files: &'a Files,
    name: &'a str,
    done: &mut BTreeSet<&'a str>,
    out: &mut Vec<u8>,
) {
    let Some(file) = files.get(name) else { return };
    if !done.insert(name) {
        return;
    }
    for import in &file.imports {
        encode_after_imports(files, import, done, out);
    }
    prost::encoding::bytes::encode(1, &file.bytes, out);
}

/// The longest name of a file that is looked for.
const LONGEST_NAME: usize = 255;

/// Where the message starts whose first field, the name, ends at `name_end`.
fn start_of_message(binary: &[u8], name_end: usize) -> Option<usize> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-".contains(byte);
    // A byte of the length may itself look like a part of the name, so each beginning is tried.
    for length in ".proto".len()..=LONGEST_NAME.min(name_end.checked_sub(2)?) {
        let name_start = name_end - length;
        if !is_name(&binary[name_start]) {
            return None;
        }
        let prefix_start = name_start.checked_sub(if length < 0x80 { 2 } else { 3 })?;
        let prefix = &binary[prefix_start..name_start];
        let fits = match *prefix {
            [tag, low] => tag == 0x0a && usize::from(low) == length,
            [tag, low, high] => tag == 0x0a && usize::from(low) == length & 0x7f | 0x80 && high == 1,
            _ => false,
        };
        if fits {
            return Some(prefix_start);
        }
    }
    None
}

/// The wire type of a field of `FileDescriptorProto`, and whether it may come more than once.
fn shape(field: u64) -> Option<(u64, bool)> {
    const VARINT: u64 = 0;
    const BYTES: u64 = 2;
    match field {
        1 | 2 | 8 | 9 | 12 => Some((BYTES, false)),
        3..=7 => Some((BYTES, true)),
        10 | 11 => Some((VARINT, true)),
        14 => Some((VARINT, false)),
        _ => None,
    }
}

/// Where the message ends: before the first byte that cannot belong to it.
fn end_of_message(binary: &[u8], start: usize) -> usize {
    let mut end = start;
    let mut last_field = 0;
    while let Some((field, next)) = read_field(binary, end) {
        let repeated = shape(field).is_some_and(|(_, repeated)| repeated);
        if field < last_field || (field == last_field && !repeated) {
            break;
        }
        last_field = field;
        end = next;
    }
    end
}

/// The number of the field at `at` and where the next one is; `None` if it is not a field of a file descriptor.
fn read_field(binary: &[u8], at: usize) -> Option<(u64, usize)> {
    let (tag, at) = read_varint(binary, at)?;
    let (wire_type, _) = shape(tag >> 3)?;
    if tag & 7 != wire_type {
        return None;
    }
    let (value, at) = read_varint(binary, at)?;
    if wire_type == 0 {
        return Some((tag >> 3, at));
    }
    let next = at.checked_add(usize::try_from(value).ok()?)?;
    (next <= binary.len()).then_some((tag >> 3, next))
}

fn read_varint(binary: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in binary.get(at..)?.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;

    fn file(name: &str, imports: &[&str], message: &str) -> FileDescriptorProto {
        FileDescriptorProto {
            name: Some(name.to_owned()),
            package: Some("test".to_owned()),
            dependency: imports.iter().map(|&import| import.to_owned()).collect(),
            message_type: vec![DescriptorProto { name: Some(message.to_owned()), ..Default::default() }],
            syntax: Some("proto3".to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn descriptors_are_found_among_other_bytes() {
        let long_name = format!("{}/long.proto", "n".repeat(150));
        let first = file("a/first.proto", &[&long_name], "First");
        let second = file(&long_name, &[], "Second");
        let mut blob = b"\x7fELF some code, a string that names a/first.proto, \x0a\x05x.proto".to_vec();
        blob.extend(first.encode_to_vec());
        blob.extend(b"\x00\x00padding \x0a\x0da/first.proto\xff");
        blob.extend(second.encode_to_vec());
        blob.extend(b"\x0a\x0a\x0a");

        let files = extract(&blob);
        assert_eq!(files.len(), 2);
        assert_eq!(files["a/first.proto"].bytes, first.encode_to_vec());
        assert_eq!(files[&long_name].bytes, second.encode_to_vec());
        check(&files).unwrap();

        let set = FileDescriptorSet::decode(&*encode(&files)).unwrap();
        assert_eq!(set.file, [second, first], "imports come first");
    }

    #[test]
    fn two_descriptors_side_by_side_are_two() {
        let first = file("b.proto", &[], "B");
        let second = file("c.proto", &[], "C");
        let files = extract(&[first.encode_to_vec(), second.encode_to_vec()].concat());
        assert_eq!(files.into_keys().collect::<Vec<_>>(), ["b.proto", "c.proto"]);
    }

    #[test]
    fn unknown_fields_within_options_survive() {
        // Options with an extension (field 1071, a message): prost-types does not know it, the bytes must keep it.
        let mut bytes = file("d.proto", &[], "D").encode_to_vec();
        bytes.truncate(bytes.len() - "\x62\x06proto3".len());
        bytes.extend([0x42, 0x05, 0xfa, 0x42, 0x02, 0x08, 0x01]);
        bytes.extend(b"\x62\x06proto3");
        assert_eq!(extract(&bytes)["d.proto"].bytes, bytes);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        assert!(check(&extract(b"no descriptors here.proto")).is_err());
        let lonely = file("e.proto", &["f.proto"], "E").encode_to_vec();
        let error = check(&extract(&lonely)).unwrap_err().to_string();
        assert!(error.contains("e.proto imports f.proto"), "{error}");
    }
}
