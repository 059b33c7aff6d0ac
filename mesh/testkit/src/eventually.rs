//! In: a question to an outside process. Out: its first good answer, or the last bad one when time is up.
//!
//! Only for what tells nothing by itself (Envoy, kube-apiserver). In our own code a test waits on a sequence number or
//! an event.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks until the answer is `Ok` or `within` has passed.
///
/// # Errors
/// When time is up: with the last error, or with a word when the question itself hung.
pub async fn eventually<T, F>(within: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    // Not `AsyncFnMut`: callers' futures would then not be `Send`, and tests spawn them.
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    let mut last = anyhow!("the first attempt did not end");
    for attempt in 1.. {
        match timeout_at(deadline, ask()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => {
                return Err(
                    last.context(format!("not within {within:?}; attempt {attempt} hung; before that"))
                );
            }
        }
        if Instant::now() + pause >= deadline {
            return Err(last.context(format!("not within {within:?}, {attempt} attempts; the last said")));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_last_error_is_told() {
        let asked = Cell::new(0);
        let error = eventually(Duration::from_millis(30), async || -> Result<()> {
            asked.set(asked.get() + 1);
            Err(anyhow!("attempt {} failed", asked.get()))
        })
        .await
        .unwrap_err();
        assert_eq!(error.root_cause().to_string(), format!("attempt {} failed", asked.get()));
        assert!(asked.get() > 1 && format!("{error:#}").starts_with("not within 30ms"), "{error:#}");
    }

    #[tokio::test]
    async fn a_question_that_hangs_is_cut_off() {
        let error =
            eventually(Duration::from_millis(10), std::future::pending::<Result<()>>).await.unwrap_err();
        assert!(format!("{error:#}").contains("attempt 1 hung"), "{error:#}");
    }

    #[tokio::test]
    async fn the_first_good_answer_ends_it() {
        let left = Cell::new(3);
        let value = eventually(Duration::from_secs(60), async || {
            left.set(left.get() - 1);
            if left.get() == 0 { Ok("done") } else { Err(anyhow!("not yet")) }
        });
        assert_eq!(value.await.unwrap(), "done");
    }
}
