//! When to ask for the next certificate, and when to try again.
//!
//! In: how long a certificate lives, and failures. Out: times. No IO and no clock: callers say what time it is.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, SystemTime},
};

use mesh_pki::Facts;

/// The first wait after a failure, at most.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// The shortest time between two certificates.
const SHORTEST: Duration = Duration::from_secs(1);

/// The part of a certificate's life that is left when it is renewed, unless somebody wants another.
pub const GRACE: f64 = 0.5;

/// When a certificate that was got at `now` is to be renewed: when `grace` is left of its life, give or take a fifth of the time until then,
/// so that workloads that started together do not ask together. What counts is what is left: authorities date certificates back.
pub fn renew_at(facts: &Facts, now: SystemTime, grace: f64, chance: f64) -> SystemTime {
    let until_then = 1.0 - grace.clamp(0.0, 1.0);
    now + facts.remaining(now).mul_f64((until_then * (0.8 + 0.4 * chance.clamp(0.0, 1.0))).min(0.95))
}

/// The same of a certificate that has just been got, which is not renewed again at once: near the end of what signs them, certificates
/// live for moments.
pub fn renew_next_at(facts: &Facts, now: SystemTime, grace: f64, chance: f64) -> SystemTime {
    renew_at(facts, now, grace, chance).max(now + SHORTEST)
}

/// Waits between failures: each up to twice as long as the one before, and at random, so that the authority is not met by all at once
/// when it comes back.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After a failure. Never less than half of the most that this wait may be.
    pub fn next(&mut self, chance: f64) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between 0 and 1, another each time. Good enough to spread load; never for secrets.
pub fn chance() -> f64 {
    // Each `RandomState` has keys of its own, which the standard library seeds from the system.
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(now: SystemTime) -> Facts {
        Facts {
            serial: String::new(),
            subject: String::new(),
            issuer: String::new(),
            not_before: now - Duration::from_secs(1000),
            not_after: now + Duration::from_secs(100),
            uris: Vec::new(),
            dns_names: Vec::new(),
            is_ca: false,
        }
    }

    #[test]
    fn half_of_what_is_left_give_or_take() {
        let now = SystemTime::now();
        let after =
            |chance| renew_at(&facts(now), now, GRACE, chance).duration_since(now).unwrap().as_secs_f64();
        for (chance, seconds) in [(0.0, 40.0), (0.5, 50.0), (1.0, 60.0)] {
            assert!((after(chance) - seconds).abs() < 0.01, "{chance}: {}", after(chance));
        }
        let early = renew_at(&facts(now), now, 0.9, 0.5).duration_since(now).unwrap();
        assert!((early.as_secs_f64() - 10.0).abs() < 0.01, "{early:?}");
        assert!(renew_at(&facts(now), now, 0.0, 1.0) < now + Duration::from_secs(100), "before it ends");
        let expired = now + Duration::from_secs(200);
        assert_eq!(renew_at(&facts(now), expired, GRACE, 1.0), expired, "at once");
    }

    #[test]
    fn certificates_that_live_for_moments_are_not_renewed_without_a_pause() {
        let now = SystemTime::now();
        assert_eq!(renew_next_at(&facts(now), now, GRACE, 0.5), renew_at(&facts(now), now, GRACE, 0.5));
        let end = now + Duration::from_millis(99_900);
        assert_eq!(renew_next_at(&facts(now), end, GRACE, 0.5), end + SHORTEST);
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(1.0), FIRST);
        assert_eq!(backoff.next(0.0), FIRST);
        for _ in 0..100 {
            assert!(backoff.next(1.0) <= LONGEST);
        }
        assert_eq!(backoff.next(1.0), LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }

    #[test]
    fn chances_differ_and_are_in_range() {
        let (one, other) = (chance(), chance());
        assert!((0.0..=1.0).contains(&one) && (0.0..=1.0).contains(&other));
        assert!((one - other).abs() > f64::EPSILON, "one time in four billion, they may be equal");
    }
}
