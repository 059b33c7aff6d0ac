//! In: one decision to stop. Out: everyone told at once, and the moment when the last of them has finished.
//!
//! A server takes a [`Hold`] for as long as it has work that must end well. [`Trigger::drain`] tells all holds to wind
//! up and waits until they are dropped, but no longer than its deadline; it names those that did not make it.
//! It knows nothing of signals or of what the servers do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::watch;

#[derive(Default)]
struct State {
    draining: bool,
    /// Open holds by name: only for telling the operator what a shutdown waits for.
    held: BTreeMap<&'static str, usize>,
}

/// Makes the pair: the trigger stays with whoever decides about the end, drains go to those who must hear of it.
pub fn channel() -> (Trigger, Drain) {
    let state = Arc::new(watch::Sender::new(State::default()));
    (Trigger { state: state.clone() }, Drain { state })
}

/// Starts the drain, once.
pub struct Trigger {
    state: Arc<watch::Sender<State>>,
}

/// Hears of the drain. Cheap to clone; a clone keeps nothing waiting (a [`Hold`] does).
#[derive(Clone)]
pub struct Drain {
    state: Arc<watch::Sender<State>>,
}

/// While this lives, a drain waits for it (up to the deadline). Drop it when the work has ended.
#[must_use = "a hold that is dropped at once holds nothing"]
pub struct Hold {
    name: &'static str,
    drain: Drain,
}

/// The deadline passed while work was still held.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped after {deadline:?} without waiting for: {}", pending.join(", "))]
pub struct DrainTimeout {
    /// How long it was waited.
    pub deadline: Duration,
    /// Names of the holds that were still open.
    pub pending: Vec<&'static str>,
}

impl Trigger {
    /// Tells every drain, and waits until all holds are dropped or `deadline` has passed.
    ///
    /// # Errors
    /// When the deadline passes first.
    pub async fn drain(self, deadline: Duration) -> Result<(), DrainTimeout> {
        let mut changes = self.state.subscribe();
        self.state.send_modify(|state| state.draining = true);
        // The sender is alive in `self`, so `wait_for` ends only when the condition holds.
        match tokio::time::timeout(deadline, changes.wait_for(|state| state.held.is_empty())).await {
            Ok(_) => Ok(()),
            Err(_) => Err(DrainTimeout { deadline, pending: self.pending() }),
        }
    }

    /// What a drain would wait for now.
    pub fn pending(&self) -> Vec<&'static str> {
        self.state.borrow().held.keys().copied().collect()
    }
}

impl Drain {
    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.state.borrow().draining
    }

    /// Resolves when the drain begins; at once if it has. The future owns what it needs, so it can be spawned.
    pub fn signaled(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let state = self.state.clone();
        async move {
            let mut changes = state.subscribe();
            // An error would mean that the sender is gone, but `state` is the sender.
            let _ = changes.wait_for(|state| state.draining).await;
        }
    }

    /// Makes a drain wait until the hold is dropped. `name` is what the operator reads when it takes too long.
    pub fn hold(&self, name: &'static str) -> Hold {
        self.state.send_modify(|state| *state.held.entry(name).or_default() += 1);
        Hold { name, drain: self.clone() }
    }
}

impl Hold {
    /// Resolves when the drain begins.
    pub fn signaled(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.drain.signaled()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.drain.state.send_modify(|state| {
            if let Some(count) = state.held.get_mut(self.name) {
                *count -= 1;
                if *count == 0 {
                    state.held.remove(self.name);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn waits_for_every_hold() {
        let (trigger, drain) = channel();
        let (first, second) = (drain.hold("streams"), drain.hold("streams"));
        assert!(!drain.is_draining());

        let all = tokio::spawn(trigger.drain(LONG));
        first.signaled().await;
        assert!(drain.is_draining());
        drop(first);
        assert!(!all.is_finished());
        drop(second);
        assert_eq!(all.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn names_what_did_not_end() {
        let (trigger, drain) = channel();
        let _streams = drain.hold("streams");
        drop(drain.hold("admin"));
        let timeout = trigger.drain(Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(timeout.to_string(), "stopped after 10ms without waiting for: streams");
    }

    #[tokio::test]
    async fn nothing_held_ends_at_once_and_latecomers_hear_of_it() {
        let (trigger, drain) = channel();
        let late = drain.clone();
        assert_eq!(trigger.drain(LONG).await, Ok(()));
        late.signaled().await;
    }
}
