//! Protobuf by hand, where `prost` would copy: parts of the wire format that more than one file writes or reads.

use bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Writes a string field without the owned `String` that prost's encoder wants.
pub(crate) fn encode_str(tag: u32, value: &str, buf: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(value.len() as u64, buf);
    buf.put_slice(value.as_bytes());
}

/// How many bytes the varint at the start of `bytes` takes.
pub(crate) fn varint_len_at(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1
}
