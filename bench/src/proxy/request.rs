//! A delta request, encoded without a copy of each name.
//!
//! In: numbers of names. Out: a gRPC message. A reconnect states thousands of names and versions: as owned strings they
//! would cost the fleet more than the server. Field numbers are those of `DeltaDiscoveryRequest`.

use bytes::{BufMut, Bytes, BytesMut};
use pilot_xds::wire::Node;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::catalog::{Catalog, Kind, NameId, Version};

/// A request of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The type.
    pub kind: Kind,
    /// Who asks, on the first request of a stream.
    pub node: Option<Node>,
    /// Names to add.
    pub subscribe: Vec<NameId>,
    /// Names to drop.
    pub unsubscribe: Vec<NameId>,
    /// What is held from an earlier stream.
    pub initial: Vec<(NameId, Version)>,
    /// The response that is acknowledged; empty for none.
    pub nonce: String,
}

impl Request {
    /// A request that says nothing but its type.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            node: None,
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            initial: Vec::new(),
            nonce: String::new(),
        }
    }

    /// The gRPC message.
    pub fn encode(&self, catalog: &Catalog) -> Bytes {
        let Self { kind, node, subscribe, unsubscribe, initial, nonce } = self;
        let mut buffer = BytesMut::new();
        // Flag and length, which is known at the end.
        buffer.put_slice(&[0; 5]);
        if let Some(node) = node {
            delimited(1, &node.encode_to_vec(), &mut buffer);
        }
        delimited(2, kind.url().as_bytes(), &mut buffer);
        for name in subscribe {
            delimited(3, catalog.text(*kind, *name).as_bytes(), &mut buffer);
        }
        for name in unsubscribe {
            delimited(4, catalog.text(*kind, *name).as_bytes(), &mut buffer);
        }
        for (name, version) in initial {
            let name = catalog.text(*kind, *name).as_bytes();
            let version = catalog.version_text(*version).as_bytes();
            let length = [name, version].map(|text| 1 + encoded_len_varint(text.len() as u64) + text.len());
            encode_key(5, WireType::LengthDelimited, &mut buffer);
            encode_varint(length.iter().sum::<usize>() as u64, &mut buffer);
            delimited(1, name, &mut buffer);
            delimited(2, version, &mut buffer);
        }
        if !nonce.is_empty() {
            delimited(6, nonce.as_bytes(), &mut buffer);
        }
        let length = u32::try_from(buffer.len() - 5).unwrap_or(u32::MAX);
        buffer[1..5].copy_from_slice(&length.to_be_bytes());
        buffer.freeze()
    }
}

fn delimited(number: u32, value: &[u8], buffer: &mut BytesMut) {
    encode_key(number, WireType::LengthDelimited, buffer);
    encode_varint(value.len() as u64, buffer);
    buffer.put_slice(value);
}

#[cfg(test)]
mod tests {
    use pilot_xds::wire::{DeltaDiscoveryRequest, NameVersion};

    use super::*;

    #[test]
    fn it_is_the_message_that_it_says_it_is() {
        let mut catalog = Catalog::default();
        let [one, two] = ["one", "two"].map(|name| catalog.name(Kind::Endpoints, name.as_bytes()).unwrap());
        let version = catalog.version(b"v7").unwrap();
        let node = Node { id: "me".into(), ..Node::default() };
        let request = Request {
            node: Some(node.clone()),
            subscribe: vec![one],
            unsubscribe: vec![two],
            initial: vec![(two, version)],
            nonce: "n".into(),
            ..Request::new(Kind::Endpoints)
        };
        let bytes = request.encode(&catalog);
        assert_eq!(bytes.len(), 5 + usize::from(bytes[4]));
        let expected = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: Kind::Endpoints.url().into(),
            resource_names_subscribe: vec!["one".into()],
            resource_names_unsubscribe: vec!["two".into()],
            initial_resource_versions: vec![NameVersion::encoded("two", "v7")],
            response_nonce: "n".into(),
            error_detail: None,
        };
        assert_eq!(DeltaDiscoveryRequest::decode(&bytes[5..]).unwrap(), expected);
    }
}
