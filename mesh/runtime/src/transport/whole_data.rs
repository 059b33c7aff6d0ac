//! HTTP/2 DATA frames cut to what has arrived, so that reading them takes a small buffer.
//!
//! In: the bytes of a client. Out: bytes that mean the same, where no DATA frame begins before all of it is here, with a pause now and then.
//! `h2` makes room for a whole frame when it sees the beginning of one, reads on into another buffer while somebody holds what it read, and
//! never takes a smaller buffer again: with the 16 KiB frames of a first request each connection kept 20 KiB for good, where 8 do. HTTP/2 gives the
//! borders of DATA frames no meaning, and flow control counts their bytes (RFC 9113, 6.1).
//!
//! When thousands of clients come back at once, each with a first request of 300 KB, a few are read at a time: requests that are half here
//! took more memory than everything else.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tokio_util::sync::PollSemaphore;

use super::Partial;

/// Length of what a client says before its first frame.
const PREFACE: usize = 24;
/// Length of a frame header: length (3), type, flags, stream (4).
const HEADER: usize = 9;
const DATA: u8 = 0;
const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;
/// Into less room than this is not read: a header and something after it must fit.
const ROOM: usize = 64;
/// After so many bytes whoever reads the streams has a turn: about what the buffer holds, which is then free to be read into again.
const TURN: usize = 8 << 10;
/// So many turns of a connection follow each other; then it is another's.
const TURNS: u32 = 64;
/// So many connections with more than a turn's bytes are read at once.
pub(super) const LARGE: usize = 4;
/// So long a client may leave the rest of a request to be waited for, until others have its place.
const STALL: Duration = Duration::from_millis(250);

/// A connection of a client whose DATA frames come whole.
#[derive(Debug)]
pub(super) struct WholeData<T> {
    io: T,
    next: Next,
    /// What was read and had no room.
    rest: Vec<u8>,
    /// Bytes since the last pause.
    read: usize,
    large: Arc<Semaphore>,
    place: Place,
    partial: Partial,
}

/// Where a connection stands that has much to say.
#[derive(Debug)]
enum Place {
    /// It has little to say.
    None,
    Waiting(PollSemaphore),
    Reading(Reading),
}

#[derive(Debug)]
struct Reading {
    _permit: OwnedSemaphorePermit,
    turns_left: u32,
    /// Until when the client may go on.
    stall: Option<Pin<Box<Sleep>>>,
}

/// What the next byte of the client belongs to.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// Something that is none of our business, and how many bytes of it there are still.
    Through(usize),
    /// A frame header of which so many bytes are here.
    Header([u8; HEADER], usize),
    /// A DATA frame with this header, if it began here.
    Data([u8; HEADER]),
}

impl<T> WholeData<T> {
    /// `io` is at its first byte. `large` are the places for all that have much to say; who has one keeps it while `partial` is set.
    pub(super) fn new(io: T, large: Arc<Semaphore>, partial: Partial) -> Self {
        let (next, place) = (Next::Through(PREFACE), Place::None);
        Self { io, next, rest: Vec::new(), read: 0, large, place, partial }
    }

    /// After a turn's bytes: gets a place, and lets others have their turn.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.read < TURN {
            return Poll::Ready(());
        }
        self.place = match std::mem::replace(&mut self.place, Place::None) {
            Place::Reading(reading) if reading.turns_left > 0 => {
                Place::Reading(Reading { turns_left: reading.turns_left - 1, stall: None, ..reading })
            }
            Place::None | Place::Reading(_) => Place::Waiting(PollSemaphore::new(self.large.clone())),
            waiting @ Place::Waiting(_) => waiting,
        };
        if let Place::Waiting(queue) = &mut self.place {
            // Nobody closes it; then nobody would bound it.
            let Some(permit) = ready!(queue.poll_acquire(cx)) else { return Poll::Ready(()) };
            self.place = Place::Reading(Reading { _permit: permit, turns_left: TURNS, stall: None });
        }
        self.read = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// There is nothing to read now.
    fn pause(&mut self, cx: &mut Context<'_>) {
        self.read = 0;
        if let Place::Reading(reading) = &mut self.place
            && self.partial.get()
            && reading.stall.get_or_insert_with(|| Box::pin(sleep(STALL))).as_mut().poll(cx).is_pending()
        {
            return;
        }
        self.place = Place::None;
    }
}

fn length(header: &[u8; HEADER]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

/// `header`, for `length` bytes.
fn of_length(mut header: [u8; HEADER], length: usize) -> [u8; HEADER] {
    // A length of three bytes was read from one.
    header[..3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
    header
}

/// The header of the first `here` bytes of a frame, and that of the others, of which there are some.
fn cut(header: [u8; HEADER], here: usize) -> ([u8; HEADER], Next) {
    let mut first = of_length(header, here);
    first[4] &= !END_STREAM;
    (first, Next::Data(of_length(header, length(&header) - here)))
}

/// Goes through `bytes`, which begin with what `next` says. Returns how many of them may be passed on, and what comes after them.
fn follow(bytes: &mut [u8], mut next: Next) -> (usize, Next) {
    let mut at = 0;
    loop {
        let here = bytes.len() - at;
        match next {
            Next::Through(left) if left > here => return (bytes.len(), Next::Through(left - here)),
            Next::Through(left) => at += left,
            // They were put before the others.
            Next::Header(..) | Next::Data(_) => {}
        }
        let Some(header) = bytes[at..].first_chunk::<HEADER>().copied() else {
            let mut begun = [0; HEADER];
            let some = &bytes[at..];
            begun[..some.len()].copy_from_slice(some);
            return (at, Next::Header(begun, some.len()));
        };
        let (here, length) = (bytes.len() - at - HEADER, length(&header));
        if header[3] == DATA && header[4] & PADDED == 0 && here < length {
            if here == 0 {
                return (at, Next::Data(header));
            }
            let (first, next) = cut(header, here);
            bytes[at..at + HEADER].copy_from_slice(&first);
            return (bytes.len(), next);
        }
        next = Next::Through(HEADER + length);
    }
}

impl<T: AsyncRead + Unpin> WholeData<T> {
    /// Reads where nothing is to be put before what comes: into memory as it is, which mostly stays as it is, since most reads are short.
    fn poll_through(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx));
        let start = buffer.filled().len();
        let Poll::Ready(done) = Pin::new(&mut self.io).poll_read(cx, buffer) else {
            self.pause(cx);
            return Poll::Pending;
        };
        done?;
        let here = buffer.filled().len() - start;
        self.read += here;
        let filled;
        (filled, self.next) = follow(&mut buffer.filled_mut()[start..], self.next);
        buffer.set_filled(start + filled);
        // None would mean the end.
        if here > 0 && filled == 0 { self.poll_cut(cx, buffer) } else { Poll::Ready(Ok(())) }
    }

    /// Reads where something is to be put before what comes, or only so much is to be read.
    fn poll_cut(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = ready!(self.poll_fill(cx, buffer.initialize_unfilled()))?;
        buffer.advance(filled);
        Poll::Ready(Ok(()))
    }

    /// Reads into `room`, which is no less than `ROOM`. Returns how many bytes there are now; none at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        loop {
            let (before, most) = match &self.next {
                Next::Through(_) => (&[][..], room.len()),
                Next::Header(begun, here) => (&begun[..*here], room.len()),
                Next::Data(header) => (&header[..], room.len().min(HEADER + length(header))),
            };
            let begun = before.len();
            room[..begun].copy_from_slice(before);
            let mut read = ReadBuf::new(&mut room[begun..most]);
            let Poll::Ready(done) = Pin::new(&mut self.io).poll_read(cx, &mut read) else {
                self.pause(cx);
                return Poll::Pending;
            };
            done?;
            let here = read.filled().len();
            if here == 0 {
                return Poll::Ready(Ok(0));
            }
            self.read += here;
            let filled;
            (filled, self.next) = follow(&mut room[..begun + here], self.next);
            // None would mean the end.
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WholeData<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() && buffer.remaining() >= ROOM {
            return match self.next {
                Next::Through(_) => self.poll_through(cx, buffer),
                Next::Header(..) | Next::Data(_) => self.poll_cut(cx, buffer),
            };
        }
        if self.rest.is_empty() {
            let mut room = [0; ROOM];
            let filled = ready!(self.poll_fill(cx, &mut room))?;
            self.rest.extend_from_slice(&room[..filled]);
        }
        let fits = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..fits]);
        self.rest.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WholeData<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
