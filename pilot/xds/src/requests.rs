//! Requests off a gRPC stream: an HTTP body in, decoded messages out.
//!
//! Own framing instead of `tonic::Streaming`: its buffer keeps the size of the largest message for the life of the stream, and the first
//! request after a reconnect is 300 KB. Here nothing is kept between messages.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::Stream;
use http_body::Body;
use tonic::Status;

use crate::transport::Partial;

/// Length of the gRPC frame header: a compression flag and the length of the message.
pub(crate) const HEADER: usize = 5;

/// The messages of a request body.
pub(crate) struct Requests<M> {
    body: tonic::body::Body,
    /// What arrived last, as far as it is not taken.
    piece: Bytes,
    /// The beginning of a frame of which more has come since. A copy, so that the connection may read into its buffer again: held pieces
    /// would have it take another for each.
    begun: BytesMut,
    partial: Partial,
    limit: usize,
    trailers: Option<Box<http::HeaderMap>>,
    message: PhantomData<fn() -> M>,
}

impl<M: prost::Message + Default> Requests<M> {
    pub(crate) fn new(body: tonic::body::Body, limit: usize, partial: Partial) -> Self {
        let (piece, begun) = (Bytes::new(), BytesMut::new());
        Self { body, piece, begun, partial, limit, trailers: None, message: PhantomData }
    }

    /// The status that followed the messages, if the body was a response and has ended.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn trailers(&self) -> Option<Status> {
        Status::from_header_map(self.trailers.as_ref()?)
    }

    /// A complete message, if one is here.
    fn decode(&mut self) -> Result<Option<M>, Status> {
        let Some(mut frame) = self.frame()? else { return Ok(None) };
        frame.advance(HEADER);
        let message = M::decode(frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Some(message))
    }

    /// A complete frame, if one is here.
    fn frame(&mut self) -> Result<Option<Bytes>, Status> {
        if self.begun.is_empty() {
            let Some(header) = self.piece.first_chunk() else { return Ok(None) };
            let length = self.length(*header)?;
            return Ok((self.piece.len() >= length).then(|| self.piece.split_to(length)));
        }
        if !self.fill(HEADER) {
            return Ok(None);
        }
        let Some(header) = self.begun.first_chunk() else { return Ok(None) };
        let length = self.length(*header)?;
        Ok(self.fill(length).then(|| std::mem::take(&mut self.begun).freeze()))
    }

    /// `data` comes after what is here.
    fn add(&mut self, data: Bytes) {
        let before = std::mem::replace(&mut self.piece, data);
        if !before.is_empty() {
            let length = before.first_chunk().and_then(|header| self.length(*header).ok());
            self.begun.reserve(length.unwrap_or(before.len()));
            self.begun.extend_from_slice(&before);
        }
    }

    /// Takes as much of the piece as is missing to `length`. Returns whether it is all here.
    fn fill(&mut self, length: usize) -> bool {
        let missing = length.saturating_sub(self.begun.len());
        self.begun.reserve(missing);
        self.begun.extend_from_slice(&self.piece.split_to(missing.min(self.piece.len())));
        self.begun.len() >= length
    }

    /// How long the frame with this header is, with the header.
    fn length(&self, header: [u8; HEADER]) -> Result<usize, Status> {
        let [compressed, length @ ..] = header;
        if compressed != 0 {
            return Err(Status::unimplemented("compressed requests are not supported"));
        }
        let (length, limit) = (u32::from_be_bytes(length) as usize, self.limit);
        if length > limit {
            let message = format!("a request of {length} bytes is more than the limit of {limit}");
            return Err(Status::resource_exhausted(message));
        }
        Ok(HEADER + length)
    }
}

impl<M: prost::Message + Default> Stream for Requests<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(decoded) = self.decode().transpose() {
                return Poll::Ready(Some(decoded));
            }
            self.partial.set(!(self.piece.is_empty() && self.begun.is_empty()));
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                // The connection went away: for a stream without end that is the normal end.
                Some(Err(_)) => return Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.add(data),
                    Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
                },
            }
        }
    }
}
