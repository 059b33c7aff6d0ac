//! The queue between the system's word and whoever reads files. It holds so many events and no more.
//!
//! In: events, from a thread that must not wait. Out: the same, or, where some had no room, that something happened to files that are not known:
//! then everything is looked at again, which finds whatever they were about.

use super::burst::{Burst, Event};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

/// More than a checkout of a large repository makes in the time in which files are read; a burst of more is read as a whole anyway.
const ROOM: usize = 4096;

/// Where events come in.
#[derive(Debug)]
pub(super) struct Sender {
    events: mpsc::Sender<Event>,
    lost: Arc<AtomicBool>,
}

/// Where they come out.
#[derive(Debug)]
pub(super) struct Receiver {
    events: mpsc::Receiver<Event>,
    lost: Arc<AtomicBool>,
}

/// An empty queue.
pub(super) fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(ROOM);
    let lost = Arc::<AtomicBool>::default();
    (Sender { events: sender, lost: lost.clone() }, Receiver { events: receiver, lost })
}

impl Sender {
    /// Never waits.
    pub(super) fn send(&self, event: Event) {
        // Nobody listens any more: the process is ending.
        let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) else { return };
        self.lost.store(true, Ordering::SeqCst);
        // Still full: something is yet to be received, after which the loss is seen. If it has been emptied meanwhile, nothing else might come.
        let _ = self.events.try_send(Event::unknown());
    }
}

impl Receiver {
    /// Adds the next event to a burst; `None` when no more can come. Cancel-safe.
    pub(super) async fn add_next(&mut self, burst: &mut Burst) -> Option<()> {
        burst.add(self.events.recv().await?);
        // Whoever looks from here on sees what those were about that had no room so far.
        if self.lost.swap(false, Ordering::SeqCst) {
            burst.add(Event::unknown());
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::burst::What, *};

    fn touched(name: usize) -> Event {
        Event { paths: vec![name.to_string().into()], what: What::Whole }
    }

    async fn receive(receiver: &mut Receiver, count: usize) -> Burst {
        let mut burst = Burst::default();
        for _ in 0..count {
            receiver.add_next(&mut burst).await.unwrap();
        }
        burst
    }

    #[tokio::test]
    async fn what_has_no_room_is_known_to_have_happened() {
        let (sender, mut receiver) = queue();
        (0..ROOM).for_each(|name| sender.send(touched(name)));
        let burst = receive(&mut receiver, ROOM).await;
        assert_eq!((burst.unknown, burst.touched.len()), (false, ROOM), "all had room");
        (0..ROOM + 3).for_each(|name| sender.send(touched(name)));
        let burst = receive(&mut receiver, ROOM).await;
        assert_eq!((burst.unknown, burst.touched.len()), (true, ROOM));
        sender.send(touched(1));
        assert!(!receive(&mut receiver, 1).await.unknown, "it is told once");
        drop(sender);
        assert_eq!(receiver.add_next(&mut Burst::default()).await, None);
    }
}
