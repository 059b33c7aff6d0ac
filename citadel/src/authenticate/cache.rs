//! What was found out about tokens a short while ago.
//!
//! In: hashes of tokens, never tokens. Out: callers. Many requests with one token at a time are one question: the first asks, the others
//! wait for its answer. Bounded: when it is full, what has expired goes, and if that is not enough nothing new is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::Refusal;
use crate::caller::Caller;

/// How long a token counts as good without asking again. A deleted service account keeps getting certificates for so long.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// How long a token counts as bad.
const BAD_FOR: Duration = Duration::from_secs(5);
const CAPACITY: usize = 32 * 1024;

pub(super) type Key = [u8; 32];
type Answer = Result<Caller, Refusal>;

struct Entry {
    answer: Arc<OnceCell<Answer>>,
    until: Instant,
}

#[derive(Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<Key, Entry>>,
}

/// A name for a token of a cluster; of the API server that goes by that name now.
pub(super) fn key(cluster: &str, generation: u64, token: &str) -> Key {
    let mut hash = Sha256::new();
    hash.update(generation.to_be_bytes());
    hash.update(cluster.len().to_be_bytes());
    hash.update(cluster);
    hash.update(token);
    hash.finalize().into()
}

impl Cache {
    /// The answer kept for `key`, or that of `ask`.
    pub(super) async fn get_or_ask(&self, key: Key, ask: impl Future<Output = Answer>) -> Answer {
        let cell = self.cell(key);
        let mut asked = false;
        let answer = cell
            .get_or_init(|| {
                asked = true;
                ask
            })
            .await
            .clone();
        if asked {
            self.keep(key, &answer);
        }
        answer
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Answer>> {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key)
            && entry.until > now
        {
            return entry.answer.clone();
        }
        if entries.len() >= CAPACITY {
            entries.retain(|_, entry| entry.until > now);
        }
        let answer = Arc::<OnceCell<Answer>>::default();
        if entries.len() < CAPACITY {
            // While it is being asked, whoever comes with the same token waits with the first.
            entries.insert(key, Entry { answer: answer.clone(), until: now + GOOD_FOR });
        }
        answer
    }

    fn keep(&self, key: Key, answer: &Answer) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match answer {
            Ok(_) => GOOD_FOR,
            Err(Refusal::Unavailable(_)) => Duration::ZERO,
            Err(_) => BAD_FOR,
        };
        if kept.is_zero() {
            entries.remove(&key);
        } else if let Some(entry) = entries.get_mut(&key) {
            entry.until = Instant::now() + kept;
        }
    }
}
