//! Reads a stream of delta responses without decoding what is inside the resources.
//!
//! In: chunks of a gRPC body as they arrive. Out: calls with names, versions, type and nonce. Content is skipped without
//! being looked at or copied, unless the visitor asks for it: two thousand clients that decoded what they get
//! would measure themselves. Field numbers are those of `DeltaDiscoveryResponse` and `Resource` in
//! `envoy/service/discovery/v3/discovery.proto`.

use anyhow::{Result, bail};

/// What is told of a response, in the order in which it comes.
pub trait Visitor {
    /// The response is of this type. Comes before its resources.
    fn kind(&mut self, type_url: &[u8]) -> Result<()>;
    /// Whether to keep the content of a resource.
    fn wants(&mut self, name: &[u8], version: &[u8]) -> bool;
    /// A resource; with its content, an encoded `Any`, if it was wanted.
    fn resource(&mut self, name: &[u8], version: &[u8], content: Option<&[u8]>) -> Result<()>;
    /// A name exists no more.
    fn removed(&mut self, name: &[u8]) -> Result<()>;
    /// The response is over; it had that many bytes.
    fn end(&mut self, nonce: &[u8], length: usize) -> Result<()>;
}

/// State between two chunks.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The start of something whose end has not arrived.
    carry: Vec<u8>,
    /// Bytes of the message.
    length: usize,
    /// Bytes left of it.
    message: usize,
    /// Bytes left of the resource.
    resource: usize,
    /// Bytes left of its content.
    content: usize,
    kept: Option<Vec<u8>>,
    name: Vec<u8>,
    version: Vec<u8>,
    nonce: Vec<u8>,
}

/// Header of a gRPC message: a flag and the length.
const HEADER: usize = 5;

/// Fields of `DeltaDiscoveryResponse`.
const RESOURCES: u64 = 2;
const TYPE_URL: u64 = 4;
const NONCE: u64 = 5;
const REMOVED: u64 = 6;

/// Fields of `Resource`.
const VERSION: u64 = 1;
const CONTENT: u64 = 2;
const NAME: u64 = 3;

impl Scanner {
    /// Reads a chunk.
    pub fn feed(&mut self, chunk: &[u8], visitor: &mut impl Visitor) -> Result<()> {
        if self.carry.is_empty() {
            let used = self.read(chunk, visitor)?;
            self.carry.extend_from_slice(&chunk[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(chunk);
        let used = self.read(&joined, visitor)?;
        joined.drain(..used);
        self.carry = joined;
        Ok(())
    }

    /// Reads as far as `input` goes; returns how far.
    fn read(&mut self, input: &[u8], visitor: &mut impl Visitor) -> Result<usize> {
        let mut at = 0;
        while at < input.len() {
            match self.step(&input[at..], visitor)? {
                0 => break,
                used => at += used,
            }
        }
        Ok(at)
    }

    /// Reads one thing; returns its length, or 0 when its end has not arrived.
    fn step(&mut self, input: &[u8], visitor: &mut impl Visitor) -> Result<usize> {
        if self.message == 0 {
            return self.start_message(input, visitor);
        }
        if self.content > 0 {
            let here = self.content.min(input.len());
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(&input[..here]);
            }
            self.content -= here;
            self.advance(here, visitor)?;
            return Ok(here);
        }
        let Some(Field { number, at, length }) = field(input)? else { return Ok(0) };
        let inside = self.resource > 0;
        let nested = match inside {
            true => number == CONTENT,
            false => number == RESOURCES,
        };
        if nested {
            if inside {
                self.content = length;
                self.kept = visitor.wants(&self.name, &self.version).then(|| Vec::with_capacity(length));
                self.advance(at, visitor)?;
            } else {
                self.name.clear();
                self.version.clear();
                self.kept = None;
                self.message -= at;
                self.resource = length;
            }
            return Ok(at);
        }
        let Some(value) = input.get(at..at + length) else { return Ok(0) };
        match (inside, number) {
            (true, NAME) => self.name.extend_from_slice(value),
            (true, VERSION) => self.version.extend_from_slice(value),
            (false, TYPE_URL) => visitor.kind(value)?,
            (false, NONCE) => self.nonce.extend_from_slice(value),
            (false, REMOVED) => visitor.removed(value)?,
            _ => {}
        }
        self.advance(at + length, visitor)?;
        Ok(at + length)
    }

    fn start_message(&mut self, input: &[u8], visitor: &mut impl Visitor) -> Result<usize> {
        let Some((&[flag, length @ ..], _)) = input.split_first_chunk::<HEADER>() else { return Ok(0) };
        if flag != 0 {
            bail!("a response is compressed, which was not offered");
        }
        self.length = usize::try_from(u32::from_be_bytes(length))?;
        self.message = self.length;
        self.nonce.clear();
        if self.message == 0 {
            visitor.end(b"", 0)?;
        }
        Ok(HEADER)
    }

    /// Counts down, and tells what is complete.
    fn advance(&mut self, used: usize, visitor: &mut impl Visitor) -> Result<()> {
        let Some(message) = self.message.checked_sub(used) else {
            bail!("a field is longer than its message")
        };
        self.message = message;
        if self.resource > 0 {
            let Some(resource) = self.resource.checked_sub(used) else {
                bail!("a field is longer than its resource")
            };
            self.resource = resource;
            if resource == 0 {
                visitor.resource(&self.name, &self.version, self.kept.take().as_deref())?;
            }
        }
        if self.message == 0 {
            visitor.end(&self.nonce, self.length)?;
        }
        Ok(())
    }
}

struct Field {
    number: u64,
    /// Where its value starts.
    at: usize,
    length: usize,
}

/// The head of a length-delimited field; there are no others in these messages.
fn field(input: &[u8]) -> Result<Option<Field>> {
    let Some((key, key_length)) = varint(input) else { return Ok(None) };
    if key & 7 != 2 {
        bail!("field {} is not length-delimited", key >> 3);
    }
    let Some((length, length_length)) = varint(&input[key_length..]) else { return Ok(None) };
    Ok(Some(Field { number: key >> 3, at: key_length + length_length, length: usize::try_from(length)? }))
}

fn varint(input: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in input.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::encoding::{WireType, encode_key, encode_varint};

    use super::*;

    #[derive(Default)]
    struct Told(Vec<String>);

    impl Visitor for Told {
        fn kind(&mut self, type_url: &[u8]) -> Result<()> {
            self.0.push(format!("type {}", String::from_utf8_lossy(type_url)));
            Ok(())
        }
        fn wants(&mut self, name: &[u8], _: &[u8]) -> bool {
            name == b"two"
        }
        fn resource(&mut self, name: &[u8], version: &[u8], content: Option<&[u8]>) -> Result<()> {
            let [name, version] = [name, version].map(String::from_utf8_lossy);
            self.0.push(format!("{name} at {version}, {:?} bytes", content.map(<[u8]>::len)));
            Ok(())
        }
        fn removed(&mut self, name: &[u8]) -> Result<()> {
            self.0.push(format!("no {}", String::from_utf8_lossy(name)));
            Ok(())
        }
        fn end(&mut self, nonce: &[u8], _: usize) -> Result<()> {
            self.0.push(format!("end {}", String::from_utf8_lossy(nonce)));
            Ok(())
        }
    }

    /// A length-delimited field.
    fn delimited(number: u32, value: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut field);
        encode_varint(value.len() as u64, &mut field);
        field.extend_from_slice(value);
        field
    }

    fn resource(name: &str, size: usize) -> Vec<u8> {
        let fields = [
            delimited(3, name.as_bytes()),
            delimited(1, format!("v{size}").as_bytes()),
            delimited(4, b"alias"),
            delimited(2, &vec![7; size]),
        ];
        delimited(2, &fields.concat())
    }

    fn message() -> Vec<u8> {
        let fields = [
            delimited(4, b"T"),
            delimited(5, b"n1"),
            resource("one", 300),
            resource("two", 5),
            resource("three", 0),
            delimited(6, b"gone"),
        ];
        let body = fields.concat();
        let mut framed = vec![0];
        framed.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        framed.extend(body);
        framed
    }

    #[test]
    fn it_does_not_matter_how_the_body_is_cut() {
        let body = [message(), message()].concat();
        let told = |size: usize| {
            let (mut told, mut scanner) = (Told::default(), Scanner::default());
            body.chunks(size).for_each(|chunk| scanner.feed(chunk, &mut told).unwrap());
            told.0
        };
        let whole = told(body.len());
        let once = [
            "type T",
            "one at v300, None bytes",
            "two at v5, Some(5) bytes",
            "three at v0, None bytes",
            "no gone",
            "end n1",
        ];
        assert_eq!(whole, [once, once].concat());
        for size in 1..40 {
            assert_eq!(told(size), whole, "in pieces of {size}");
        }
    }
}
