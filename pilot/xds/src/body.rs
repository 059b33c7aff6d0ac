//! Responses onto a gRPC stream, without copying what is shared.
//!
//! In: responses. Out: an HTTP body whose pieces are a small head of this stream (frame header, version, nonce, removals) and the entries
//! of the batch, which are valid because protobuf fields may be concatenated. Small entries are joined as they go out, since each piece
//! becomes an HTTP/2 frame; groups in great demand come joined already. At most one piece is held.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use http_body::{Body, Frame};
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::Status;

use crate::batch::Batch;
use crate::encoding::encode_str;
use crate::metrics::{Begun, Metrics};
use crate::requests::HEADER;
use crate::resource::{Protocol, ResourceType};
use crate::stream::Response;

/// Size of the pieces that entries are joined into as they go out: each is one write of the HTTP/2 layer.
const CHUNK: usize = 32 * 1024;

/// A gRPC response body made of responses.
pub(crate) struct ResponseBody<S> {
    responses: S,
    protocol: Protocol,
    identifier: Arc<str>,
    metrics: Arc<Metrics>,
    writing: Option<Writing>,
    /// What is written, and since when.
    timed: Option<(ResourceType, Begun)>,
    done: bool,
}

/// A response being written.
struct Writing {
    head: Option<Bytes>,
    batch: Arc<Batch>,
    /// The group that is written, and how many of its resources are.
    group: usize,
    entry: usize,
}

impl<S> ResponseBody<S> {
    pub(crate) fn new(responses: S, protocol: Protocol, identifier: Arc<str>, metrics: Arc<Metrics>) -> Self {
        Self { responses, protocol, identifier, metrics, writing: None, timed: None, done: false }
    }

    fn begin(&mut self, response: Response, begun: Begun) {
        self.timed = Some((response.kind, begun));
        let head = encode_head(&response, self.protocol, &self.identifier);
        self.writing = Some(Writing::new(head, response.batch));
    }
}

impl Writing {
    fn new(head: Bytes, batch: Arc<Batch>) -> Self {
        Self { head: Some(head), batch, group: 0, entry: 0 }
    }

    /// The next piece, or `None` when all is written.
    fn next(&mut self, protocol: Protocol) -> Option<Bytes> {
        let Self { head, batch, group, entry } = self;
        let Some(current) = batch.groups().get(*group) else { return head.take() };
        // A group may be joined for another stream while it is written here by entries: it goes on as it began.
        if *entry == 0
            && let Some(joined) = current.joined()
        {
            if let Some(head) = head.take() {
                return Some(head);
            }
            *group += 1;
            return Some(joined.clone());
        }
        let rest = current.resources().get(*entry..).unwrap_or_default();
        let mut length = head.as_ref().map_or(0, Bytes::len);
        let mut count = 0;
        for resource in rest {
            length += resource.entry_len(protocol);
            count += 1;
            if length >= CHUNK {
                break;
            }
        }
        let mut piece = BytesMut::with_capacity(length);
        piece.extend_from_slice(head.take().as_deref().unwrap_or_default());
        for resource in &rest[..count] {
            piece.extend_from_slice(resource.entry(protocol));
        }
        *entry += count;
        if count == rest.len() {
            *group += 1;
            *entry = 0;
        }
        Some(piece.freeze())
    }
}

/// The frame header and all fields but the resources.
fn encode_head(response: &Response, protocol: Protocol, identifier: &str) -> Bytes {
    let Response { kind, nonce, version, batch, removed } = response;
    let removed_len: usize = removed.iter().map(|name| name.len() + 4).sum();
    let mut head = BytesMut::with_capacity(HEADER + 128 + identifier.len() + removed_len);
    head.put_bytes(0, HEADER);
    encode_str(1, &version.to_string(), &mut head);
    encode_str(4, kind.type_url(), &mut head);
    encode_str(5, &nonce.to_string(), &mut head);
    let control_plane = match protocol {
        Protocol::Delta => 7,
        Protocol::Sotw => 6,
    };
    if !identifier.is_empty() {
        let mut message = BytesMut::with_capacity(identifier.len() + 4);
        encode_str(1, identifier, &mut message);
        encode_key(control_plane, WireType::LengthDelimited, &mut head);
        encode_varint(message.len() as u64, &mut head);
        head.put_slice(&message);
    }
    if protocol == Protocol::Delta {
        for name in removed {
            encode_str(6, name, &mut head);
        }
    }
    let length = head.len() - HEADER + batch.len();
    // A gRPC message has 32 bits for its length; 4 GiB of configuration for one proxy is out of the question.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    head[1..HEADER].copy_from_slice(&length.to_be_bytes());
    head.freeze()
}

impl<S: Stream<Item = Result<(Response, Begun), Status>> + Unpin> Body for ResponseBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let protocol = self.protocol;
            if let Some(writing) = &mut self.writing {
                if let Some(piece) = writing.next(protocol) {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                self.writing = None;
                if let Some((kind, begun)) = self.timed.take() {
                    self.metrics.sent(kind, begun);
                }
            }
            if self.done {
                return Poll::Ready(None);
            }
            let end = match ready!(Pin::new(&mut self.responses).poll_next(cx)) {
                Some(Ok((response, begun))) => {
                    self.begin(response, begun);
                    continue;
                }
                Some(Err(status)) => status,
                None => Status::ok(""),
            };
            self.done = true;
            let mut trailers = HeaderMap::new();
            if end.add_header(&mut trailers).is_err() {
                // The message has bytes that a header cannot carry: the code alone must do.
                trailers = HeaderMap::new();
                trailers.insert("grpc-status", http::HeaderValue::from(end.code() as i32));
            }
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Budget, Group};
    use crate::resource::{Resource, ResourceType};

    #[test]
    fn a_group_that_is_joined_meanwhile_is_still_written_whole() {
        let resources: Vec<_> = (0..100)
            .map(|number| {
                let message = [number; 5000];
                Resource::new(ResourceType::Cluster, format!("c{number}"), &message, &[], Arc::new([]))
            })
            .collect();
        let group = Group::new(Protocol::Delta, resources.into(), Some(Budget::of(usize::MAX)));
        let batch = Batch::of_groups(vec![group.clone(), group.clone()]);
        let wanted = 2 * group.len() + 4;
        let mut first = Writing::new(Bytes::from_static(b"head"), batch.clone());
        let mut written = first.next(Protocol::Delta).unwrap().len();
        group.used();
        group.used();
        assert!(group.joined().is_some(), "the second use is the one that joins");
        while let Some(piece) = first.next(Protocol::Delta) {
            written += piece.len();
        }
        assert_eq!(written, wanted);
        let mut second = Writing::new(Bytes::from_static(b"head"), batch);
        let pieces: Vec<_> = std::iter::from_fn(|| second.next(Protocol::Delta)).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [4, group.len(), group.len()]);
    }

    #[test]
    fn an_empty_response_is_its_head() {
        for batch in [Batch::of(Protocol::Delta, Vec::new()), Arc::default()] {
            let mut writing = Writing::new(Bytes::from_static(b"head"), batch);
            assert_eq!(writing.next(Protocol::Delta).as_deref(), Some(b"head".as_slice()));
            assert_eq!(writing.next(Protocol::Delta), None);
        }
    }
}
