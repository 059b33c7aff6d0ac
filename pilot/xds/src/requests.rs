//! Requests off a gRPC stream: an HTTP body in, decoded messages out.
//!
//! Own framing instead of `tonic::Streaming`: its buffer keeps the size of the largest message for the life of the stream, and the first
//! request after a reconnect is 300 KB. Here nothing is kept between messages.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::Stream;
use http_body::Body;
use tonic::Status;

/// Length of the gRPC frame header: a compression flag and the length of the message.
pub(crate) const HEADER: usize = 5;

/// The messages of a request body.
pub(crate) struct Requests<M> {
    body: tonic::body::Body,
    pieces: VecDeque<Bytes>,
    have: usize,
    limit: usize,
    trailers: Option<http::HeaderMap>,
    message: PhantomData<fn() -> M>,
}

impl<M: prost::Message + Default> Requests<M> {
    pub(crate) fn new(body: tonic::body::Body, limit: usize) -> Self {
        Self { body, pieces: VecDeque::new(), have: 0, limit, trailers: None, message: PhantomData }
    }

    /// The status that followed the messages, if the body was a response and has ended.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn trailers(&self) -> Option<Status> {
        Status::from_header_map(self.trailers.as_ref()?)
    }

    /// A complete message, if one is here.
    fn decode(&mut self) -> Result<Option<M>, Status> {
        if self.have < HEADER {
            return Ok(None);
        }
        let mut header = self.pieces.iter().flat_map(|piece| piece.iter().copied());
        let compressed = header.next().unwrap_or_default() != 0;
        let length = header.take(4).fold(0, |length, byte| length << 8 | usize::from(byte));
        if compressed {
            return Err(Status::unimplemented("compressed requests are not supported"));
        }
        if length > self.limit {
            let limit = self.limit;
            let message = format!("a request of {length} bytes is more than the limit of {limit}");
            return Err(Status::resource_exhausted(message));
        }
        if self.have < HEADER + length {
            return Ok(None);
        }
        let mut frame = self.take(HEADER + length);
        frame.advance(HEADER);
        let message = M::decode(frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Some(message))
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.have -= length;
        if let Some(piece) = self.pieces.front_mut()
            && piece.len() > length
        {
            return piece.split_to(length);
        }
        if self.pieces.front().is_some_and(|piece| piece.len() == length) {
            return self.pieces.pop_front().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(length);
        while let Some(mut piece) = self.pieces.pop_front() {
            let part = piece.split_to(piece.len().min(length - all.len()));
            all.extend_from_slice(&part);
            if !piece.is_empty() {
                self.pieces.push_front(piece);
            }
            if all.len() == length {
                break;
            }
        }
        self.pieces.shrink_to_fit();
        all.freeze()
    }
}

impl<M: prost::Message + Default> Stream for Requests<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(decoded) = self.decode().transpose() {
                return Poll::Ready(Some(decoded));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                // The connection went away: for a stream without end that is the normal end.
                Some(Err(_)) => return Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.have += data.len();
                        self.pieces.push_back(data);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }
}
