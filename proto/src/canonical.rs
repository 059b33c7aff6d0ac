//! Encoded messages with their map entries in order.
//!
//! A dynamic message keeps maps in hash maps and writes their entries in any order. Here the entries are sorted by key,
//! in nested messages and in `Any`s too, so that equal messages have equal bytes. All else stays as it is.

use bytes::Buf;
use prost::encoding::{self, WireType};
use prost_reflect::{Kind, MessageDescriptor};

use crate::reflect;

/// The same message with sorted map entries. Bytes that are not a message of that type are returned as they are.
pub(crate) fn encode(descriptor: &MessageDescriptor, bytes: &[u8]) -> Vec<u8> {
    if descriptor.full_name() == "google.protobuf.Any" {
        return encode_any(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    // Entries of the map field that is being read, by key. The writer keeps a field's entries together.
    let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut entries_of = 0;
    let mut rest = bytes;
    while rest.has_remaining() {
        let Some((number, wire_type, content)) = take_field(&mut rest) else { return bytes.to_vec() };
        if number != entries_of {
            flush(entries_of, &mut entries, &mut out);
            entries_of = number;
        }
        let field = descriptor.get_field(number);
        let nested = field.as_ref().and_then(|field| match field.kind() {
            Kind::Message(nested) if wire_type == WireType::LengthDelimited => Some(nested),
            _ => None,
        });
        match nested {
            Some(nested) if nested.is_map_entry() => {
                let entry = encode(&nested, content);
                entries.push((key_of(&entry), entry));
            }
            Some(nested) => write(number, &encode(&nested, content), &mut out),
            None if wire_type == WireType::LengthDelimited => write(number, content, &mut out),
            None => {
                encoding::encode_key(number, wire_type, &mut out);
                out.extend_from_slice(content);
            }
        }
    }
    flush(entries_of, &mut entries, &mut out);
    out
}

fn encode_any(bytes: &[u8]) -> Vec<u8> {
    let mut type_url = "";
    let mut value: &[u8] = &[];
    let mut rest = bytes;
    while rest.has_remaining() {
        match take_field(&mut rest) {
            Some((1, WireType::LengthDelimited, content)) => {
                type_url = std::str::from_utf8(content).unwrap_or_default()
            }
            Some((2, WireType::LengthDelimited, content)) => value = content,
            _ => return bytes.to_vec(),
        }
    }
    let Ok(descriptor) = reflect::message_type(type_url) else { return bytes.to_vec() };
    let mut out = Vec::with_capacity(bytes.len());
    write(1, type_url.as_bytes(), &mut out);
    let value = encode(&descriptor, value);
    if !value.is_empty() {
        write(2, &value, &mut out);
    }
    out
}

/// Takes one field off the front: number, wire type, and its content (without the length, if it has one).
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u32, WireType, &'a [u8])> {
    let (number, wire_type) = encoding::decode_key(rest).ok()?;
    let length = match wire_type {
        WireType::Varint => {
            let mut after = *rest;
            encoding::decode_varint(&mut after).ok()?;
            rest.len() - after.len()
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(encoding::decode_varint(rest).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((number, wire_type, content))
}

/// What an entry is sorted by: the content of its key field. Strings, the usual keys, are so in alphabetical order.
fn key_of(entry: &[u8]) -> Vec<u8> {
    let mut rest = entry;
    while rest.has_remaining() {
        match take_field(&mut rest) {
            Some((1, _, content)) => return content.to_vec(),
            Some(_) => {}
            None => break,
        }
    }
    Vec::new()
}

fn flush(number: u32, entries: &mut Vec<(Vec<u8>, Vec<u8>)>, out: &mut Vec<u8>) {
    entries.sort();
    for (_, entry) in entries.drain(..) {
        write(number, &entry, out);
    }
}

fn write(number: u32, content: &[u8], out: &mut Vec<u8>) {
    encoding::encode_key(number, WireType::LengthDelimited, out);
    encoding::encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::envoy::config::core::v3::TypedExtensionConfig;
    use crate::google::protobuf::{Any, Struct};
    use crate::string_struct;

    /// The same `Struct` with its entries in the other order.
    fn backwards(message: &Struct) -> Vec<u8> {
        let entries = message.fields.iter().rev();
        let one = |(key, value): (&String, &crate::google::protobuf::Value)| Struct {
            fields: [(key.clone(), value.clone())].into(),
        };
        entries.flat_map(|entry| one(entry).encode_to_vec()).collect()
    }

    #[test]
    fn entries_are_sorted_within_anys_too() {
        let sorted = string_struct([("a", "1"), ("b", "2"), ("c", "3")]);
        let wrap = |value: Vec<u8>| TypedExtensionConfig {
            name: "x".to_owned(),
            typed_config: Some(Any {
                type_url: "type.googleapis.com/google.protobuf.Struct".to_owned(),
                value: value.into(),
            }),
        };
        let mixed = wrap(backwards(&sorted)).encode_to_vec();
        let expected = wrap(sorted.encode_to_vec()).encode_to_vec();
        assert_ne!(mixed, expected);
        let descriptor = reflect::message_type("envoy.config.core.v3.TypedExtensionConfig").unwrap();
        assert_eq!(encode(&descriptor, &mixed), expected);
        assert_eq!(encode(&descriptor, &expected), expected);
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        let descriptor = reflect::message_type("google.protobuf.Struct").unwrap();
        for bytes in [&b"\x0a\x7f"[..], b"\xff", b"\x0b\x0c", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
        {
            assert_eq!(encode(&descriptor, bytes), bytes);
        }
    }
}
