//! Who may have keys: service accounts that may read the Secrets of their namespace by themselves, as Istio has it.
//!
//! In: accounts that have been proven. Out: verdicts, remembered for a while. In a cluster its API server is asked; where configuration comes
//! from files there is nobody to ask, and the rule that names a Secret for a workload is all that it takes.

use futures::{StreamExt as _, stream};
use pilot_ingest::Access;
use pilot_xds::source::Proven;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a yes holds, and how long a no. Istio's.
const YES: Duration = Duration::from_secs(300);
const NO: Duration = Duration::from_secs(60);
/// How long nobody asks again after a failure.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long answers are waited for: who waits for it waits for all else, too.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that are asked at once.
const AT_ONCE: usize = 16;

/// Verdicts about service accounts.
#[derive(Default)]
pub struct Readers {
    /// Whom to ask; `None`: everybody may.
    access: Option<Access>,
    verdicts: Mutex<HashMap<Proven, Verdict>>,
}

#[derive(Debug, Clone, Copy)]
struct Verdict {
    allowed: bool,
    until: Instant,
}

impl Readers {
    /// Asks the API server.
    pub fn of_cluster(access: Access) -> Self {
        Self { access: Some(access), verdicts: Mutex::default() }
    }

    fn verdicts(&self) -> MutexGuard<'_, HashMap<Proven, Verdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may, as far as is known. What was said last holds until something else is said: an API server that is away takes nothing
    /// from anybody.
    pub fn may_read(&self, account: &Proven) -> bool {
        self.access.is_none() || self.verdicts().get(account).is_some_and(|verdict| verdict.allowed)
    }

    /// Asks about those of whom nothing is known, or not lately. Whether anything differs by it. However many they are, it does not take
    /// longer than [`PATIENCE`]: for who is not answered about by then, what was said last holds for a moment.
    pub async fn learn(&self, accounts: impl IntoIterator<Item = Proven>) -> bool {
        let Some(access) = &self.access else { return false };
        let now = Instant::now();
        let fresh = |account: &Proven| self.verdicts().get(account).is_some_and(|held| held.until > now);
        let stale: Vec<Proven> = accounts.into_iter().filter(|account| !fresh(account)).collect();
        if stale.is_empty() {
            return false;
        }
        let mut differs = false;
        let asked =
            stream::iter(stale.clone()).map(|account| self.ask(access, account)).buffer_unordered(AT_ONCE);
        let mut asked = std::pin::pin!(asked);
        let all = async {
            while let Some(one) = asked.next().await {
                differs |= one;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!(
                "asking who may read Secrets takes too long: those who were not answered about get no keys yet"
            );
        }
        self.hold(stale);
        differs
    }

    /// Lets what was said last of these hold for a moment, where nobody has answered: whoever waits for answers does not at once wait again.
    fn hold(&self, asked: Vec<Proven>) {
        let now = Instant::now();
        let mut verdicts = self.verdicts();
        for account in asked {
            let held = verdicts.entry(account).or_insert(Verdict { allowed: false, until: now });
            held.until = held.until.max(now + ASK_AGAIN);
        }
    }

    /// Asks about one. Whether anything differs by it.
    async fn ask(&self, access: &Access, account: Proven) -> bool {
        let answer = access.may_list_secrets(&account.namespace, &account.service_account).await;
        let mut verdicts = self.verdicts();
        let before = verdicts.get(&account).is_some_and(|held| held.allowed);
        let (allowed, holds) = match answer {
            Ok(true) => (true, YES),
            Ok(false) => (false, NO),
            Err(error) => {
                let Proven { namespace, service_account } = &account;
                tracing::warn!(%namespace, account = %service_account, %error, "asking who may read Secrets");
                (before, ASK_AGAIN)
            }
        };
        verdicts.insert(account, Verdict { allowed, until: Instant::now() + holds });
        before != allowed
    }

    /// Forgets those who have gone.
    pub fn retain(&self, is_here: impl Fn(&Proven) -> bool) {
        let now = Instant::now();
        self.verdicts().retain(|account, verdict| verdict.until > now || is_here(account));
    }
}
