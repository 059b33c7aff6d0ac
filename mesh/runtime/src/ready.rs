//! In: a handle for each thing that must be there before the process may serve. Out: ready or not, and what is missing.
//!
//! A handle that is dropped without [`InitHandle::ready`] never becomes ready: a task that died before its first list
//! was in must not open the doors. It is then listed as stopped, so that the operator sees which one it was.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio::sync::watch;

/// What one handle stands for, as listed by [`Readiness::pending`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The name given to [`Readiness::handle`].
    pub name: Arc<str>,
    /// The handle was dropped unmarked: this will not become ready any more.
    pub stopped: bool,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.stopped { f.write_str(" (stopped before it was ready)") } else { Ok(()) }
    }
}

#[derive(Default)]
struct State {
    next: u64,
    pending: BTreeMap<u64, Pending>,
}

/// The readiness of a process: the sum of its handles. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

/// One thing that must happen before the process is ready.
#[must_use = "a handle that is dropped unmarked keeps the process from ever being ready"]
pub struct InitHandle {
    id: u64,
    state: Arc<watch::Sender<State>>,
}

impl Readiness {
    /// Without handles: ready. Take the handles before anything can ask.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a thing to wait for. Names may repeat.
    pub fn handle(&self, name: impl Into<Arc<str>>) -> InitHandle {
        let mut id = 0;
        self.state.send_modify(|state| {
            id = state.next;
            state.next += 1;
            state.pending.insert(id, Pending { name: name.into(), stopped: false });
        });
        InitHandle { id, state: self.state.clone() }
    }

    /// Whether every handle was marked ready.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().pending.is_empty()
    }

    /// What is still missing, in the order in which the handles were taken.
    pub fn pending(&self) -> Vec<Pending> {
        self.state.borrow().pending.values().cloned().collect()
    }

    /// Resolves when every handle taken so far is ready. The future owns what it needs, so it can be spawned.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let state = self.state.clone();
        async move {
            let mut changes = state.subscribe();
            // An error would mean that the sender is gone, but `state` is the sender.
            let _ = changes.wait_for(|state| state.pending.is_empty()).await;
        }
    }
}

impl InitHandle {
    /// This thing is there.
    pub fn ready(self) {
        self.state.send_modify(|state| {
            state.pending.remove(&self.id);
        });
        // Dropped now; the entry is gone, so there is nothing to mark as stopped.
    }
}

impl Drop for InitHandle {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| match state.pending.get_mut(&self.id) {
            Some(pending) => {
                pending.stopped = true;
                true
            }
            None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_when_every_handle_is() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let (services, pods) = (readiness.handle("services"), readiness.handle("pods"));
        let waiting = tokio::spawn(readiness.ready());

        services.ready();
        assert!(!readiness.is_ready());
        assert_eq!(readiness.pending(), [Pending { name: "pods".into(), stopped: false }]);
        pods.ready();
        waiting.await.unwrap();
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_handle_that_dies_keeps_the_doors_shut() {
        let readiness = Readiness::new();
        drop(readiness.handle("pods"));
        assert!(!readiness.is_ready());
        assert_eq!(readiness.pending()[0].to_string(), "pods (stopped before it was ready)");
    }
}
