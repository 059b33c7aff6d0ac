//! The newest snapshot, as it is handed from the publisher to streams.
//!
//! In: snapshots. Out: the newest one, to readers that are woken when there is another. What `tokio::sync::watch` does, but with a single look
//! for each side: one edit sets thousands of these, each of them has one reader, and `watch` goes through eight lists of waiting tasks and
//! registers a new one for each change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::snapshot::Snapshot;

/// Sets the newest snapshot. When it is dropped, there will be no more.
#[derive(Debug)]
pub struct Sender(Arc<Cell>);

/// Reads the newest snapshot.
#[derive(Debug)]
pub struct Receiver {
    cell: Arc<Cell>,
    /// Where its task is among those to be woken.
    place: usize,
}

#[derive(Debug)]
struct Cell(Mutex<State>);

#[derive(Debug)]
struct State {
    newest: Arc<Snapshot>,
    /// There will be none any more.
    ended: bool,
    /// The tasks of the readers, in the order in which these came; mostly there is one.
    readers: Vec<Option<Waker>>,
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&self) {
        self.readers.iter().flatten().for_each(Waker::wake_by_ref);
    }
}

impl Sender {
    /// A cell with this snapshot in it.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self(Arc::new(Cell(Mutex::new(State { newest: snapshot, ended: false, readers: Vec::new() }))))
    }

    /// One more reader.
    pub fn subscribe(&self) -> Receiver {
        let mut state = self.0.lock();
        state.readers.reserve_exact(1);
        state.readers.push(None);
        Receiver { cell: self.0.clone(), place: state.readers.len() - 1 }
    }

    /// Sets the newest snapshot, and wakes the readers.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        let mut state = self.0.lock();
        let before = std::mem::replace(&mut state.newest, snapshot);
        state.wake();
        // Whoever holds the last of a snapshot has much to do to let go of it.
        drop(state);
        drop(before);
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Arc<Snapshot> {
        self.0.lock().newest.clone()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.wake();
    }
}

impl Receiver {
    /// The newest snapshot, or the last one there was.
    pub fn current(&self) -> Arc<Snapshot> {
        self.cell.lock().newest.clone()
    }

    /// The newest snapshot, or `None` if there will be none any more. The task is woken when there is another.
    pub(crate) fn newest(&mut self, cx: &mut Context<'_>) -> Option<Arc<Snapshot>> {
        let mut state = self.cell.lock();
        if let Some(reader) = state.readers.get_mut(self.place)
            && reader.as_ref().is_none_or(|reader| !reader.will_wake(cx.waker()))
        {
            *reader = Some(cx.waker().clone());
        }
        (!state.ended).then(|| state.newest.clone())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(reader) = self.cell.lock().readers.get_mut(self.place) {
            *reader = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn readers_are_woken_for_each_snapshot_and_for_the_end() {
        let sender = Sender::new(Snapshot::empty());
        let mut readers = [sender.subscribe(), sender.subscribe()];
        let counts = [Arc::<Count>::default(), Arc::<Count>::default()];
        let look = |readers: &mut [Receiver; 2]| {
            let each = readers.iter_mut().zip(&counts);
            let look = |(reader, count): (&mut Receiver, &Arc<Count>)| {
                reader.newest(&mut Context::from_waker(&count.clone().into()))
            };
            each.map(look).collect::<Vec<_>>()
        };
        let woken = || counts.each_ref().map(|count| count.0.load(Ordering::SeqCst));
        assert!(look(&mut readers).iter().all(Option::is_some));
        assert_eq!(woken(), [0, 0]);
        let next = Snapshot::empty();
        sender.set(next.clone());
        assert_eq!(woken(), [1, 1]);
        let same = |seen: &Option<Arc<Snapshot>>| seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &next));
        assert!(look(&mut readers).iter().all(same));
        drop(sender);
        assert_eq!(woken(), [2, 2]);
        assert!(look(&mut readers).iter().all(Option::is_none));
    }

    #[test]
    fn a_reader_that_went_is_not_woken() {
        let sender = Sender::new(Snapshot::empty());
        let mut reader = sender.subscribe();
        let count = Arc::<Count>::default();
        reader.newest(&mut Context::from_waker(&count.clone().into()));
        drop(reader);
        sender.set(Snapshot::empty());
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }
}
