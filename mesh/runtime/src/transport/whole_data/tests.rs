//! Random frames in random portions: in come DATA frames cut anywhere, out has to come what means the same, each DATA frame whole.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// Gives what it has in the portions that it is told, and says in between that there is nothing.
struct Portions {
    bytes: VecDeque<u8>,
    sizes: VecDeque<usize>,
}

impl AsyncRead for Portions {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.sizes.pop_front() {
            // Whoever reads it looks again by himself.
            Some(0) => Poll::Pending,
            size => {
                let size = size.unwrap_or(usize::MAX).min(self.bytes.len()).min(buffer.remaining());
                let portion: Vec<u8> = self.bytes.drain(..size).collect();
                buffer.put_slice(&portion);
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn is_cut(&self) -> bool {
        self.kind == DATA && self.flags & PADDED == 0
    }
}

fn encode(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = vec![b'P'; PREFACE];
    for Frame { kind, flags, stream, payload } in frames {
        bytes.extend(of_length([0, 0, 0, *kind, *flags, 0, 0, 0, *stream], payload.len()));
        bytes.extend(payload);
    }
    bytes
}

fn decode(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = &bytes[PREFACE..];
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let (payload, after) = after.split_at(length(header));
        frames.push(Frame {
            kind: header[3],
            flags: header[4],
            stream: header[8],
            payload: payload.to_vec(),
        });
        rest = after;
    }
    assert!(rest.is_empty());
    frames
}

/// What the frames mean: pieces of a DATA frame are one again.
fn joined(frames: Vec<Frame>) -> Vec<Frame> {
    let mut joined: Vec<Frame> = Vec::new();
    let mut open = false;
    for frame in frames {
        let ends = frame.flags & END_STREAM != 0;
        match joined.last_mut() {
            Some(last) if open && frame.is_cut() && last.stream == frame.stream => {
                last.payload.extend(&frame.payload);
                last.flags |= frame.flags;
            }
            _ => joined.push(frame.clone()),
        }
        open = frame.is_cut() && !ends;
    }
    joined
}

fn whole(bytes: Vec<u8>, sizes: Vec<usize>) -> WholeData<Portions> {
    let large = Arc::new(Semaphore::new(LARGE));
    WholeData::new(Portions { bytes: bytes.into(), sizes: sizes.into() }, large, Partial::default())
}

/// Reads all into `room` bytes at a time. Holds that whatever is passed on ends outside of a DATA frame that can be cut.
fn read(bytes: Vec<u8>, sizes: Vec<usize>, room: usize) -> Vec<u8> {
    let mut reader = whole(bytes, sizes);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut all = Vec::new();
    loop {
        let mut space = vec![0; room];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut reader).poll_read(&mut cx, &mut buffer) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => return all,
            Poll::Ready(Ok(())) => all.extend(buffer.filled()),
            Poll::Ready(Err(error)) => panic!("{error}"),
        }
        if reader.rest.is_empty() {
            assert!(!begins_data(&all), "a DATA frame is begun and not here");
        }
    }
}

fn begins_data(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.get(PREFACE..) else { return false };
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let Some((_, after)) = after.split_at_checked(length(header)) else {
            return header[3] == DATA && header[4] & PADDED == 0;
        };
        rest = after;
    }
    false
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (
        prop_oneof![3 => Just(DATA), 1 => 1..10u8],
        prop_oneof![Just(0), Just(END_STREAM), Just(PADDED), Just(END_STREAM | 0x4)],
        1..4u8,
        prop_oneof![0..30usize, 0..3000usize],
    );
    proptest::collection::vec(frame, 0..12).prop_map(|frames| {
        let frame = |(number, (kind, flags, stream, length)): (usize, (u8, u8, u8, usize))| {
            let payload = (0..length).map(|at| (at + number) as u8).collect();
            Frame { kind, flags, stream, payload }
        };
        frames.into_iter().enumerate().map(frame).collect()
    })
}

proptest! {
    #[test]
    fn what_comes_out_means_what_went_in(
        frames in frames(),
        sizes in proptest::collection::vec(prop_oneof![0..12usize, 0..2000usize], 0..200),
        room in prop_oneof![1..80usize, Just(8192)],
    ) {
        let passed = decode(&read(encode(&frames), sizes, room));
        prop_assert_eq!(joined(passed), joined(frames));
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4000), room in 1..9000usize) {
        let mut reader = whole(bytes, vec![7; 20]);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut space = vec![0; room];
            let mut buffer = ReadBuf::new(&mut space);
            let polled = Pin::new(&mut reader).poll_read(&mut cx, &mut buffer);
            if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().is_empty() {
                break;
            }
        }
    }
}

#[test]
fn a_large_frame_is_passed_on_as_it_arrives_and_ends_the_stream_once() {
    let large = Frame { kind: DATA, flags: END_STREAM, stream: 1, payload: vec![7; 16_384] };
    let passed = decode(&read(encode(std::slice::from_ref(&large)), Vec::new(), 8192));
    assert_eq!(passed.iter().map(|frame| frame.payload.len()).collect::<Vec<_>>(), [8192 - 33, 8183, 42]);
    assert_eq!(passed.iter().map(|frame| frame.flags).collect::<Vec<_>>(), [0, 0, END_STREAM]);
    assert_eq!(joined(passed), [large]);
}

#[tokio::test]
async fn who_has_much_to_say_waits_for_a_place_and_gives_it_back() {
    let large = Arc::new(Semaphore::new(1));
    let bytes = encode(&[Frame { kind: DATA, flags: 0, stream: 1, payload: vec![7; 4 * TURN] }]);
    // Each says no more than that before the rest comes.
    let partial = Partial::default();
    let client = |sizes: &[usize], partial| {
        let portions = Portions { bytes: bytes.clone().into(), sizes: sizes.to_vec().into() };
        WholeData::new(portions, large.clone(), partial)
    };
    let mut first = client(&[TURN, 100, 0, 0, 0, 0, 0], partial.clone());
    let mut second = client(&[TURN, 100, 0], Partial::default());
    let poll = |client: &mut WholeData<Portions>| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut space = vec![0; 2 * TURN];
        let mut buffer = ReadBuf::new(&mut space);
        Pin::new(client)
            .poll_read(&mut cx, &mut buffer)
            .map(|done| done.map(|()| buffer.filled().len()).unwrap())
    };
    for client in [&mut first, &mut second] {
        assert_eq!(poll(client), Poll::Ready(TURN), "the first turn needs no place");
    }
    assert_eq!(poll(&mut first), Poll::Pending, "it pauses when it gets the place");
    assert!(poll(&mut first).is_ready());
    assert_eq!(
        (poll(&mut second), poll(&mut second)),
        (Poll::Pending, Poll::Pending),
        "there is no other place"
    );

    partial.set(true);
    assert_eq!(poll(&mut first), Poll::Pending);
    assert_eq!(poll(&mut second), Poll::Pending, "the rest of a request is waited for");
    std::future::poll_fn(|cx| {
        let mut space = [0; TURN];
        assert!(Pin::new(&mut first).poll_read(cx, &mut ReadBuf::new(&mut space)).is_pending());
        if matches!(first.place, Place::None) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(large.available_permits(), 0, "the one who waited is next");
    assert_eq!(poll(&mut second), Poll::Pending);
    assert!(poll(&mut second).is_ready());
    assert_eq!(poll(&mut second), Poll::Pending, "it has nothing to read and no request is half here");
    assert_eq!(large.available_permits(), 1);
}
