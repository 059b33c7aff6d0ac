//! A histogram of atomics: to observe something is two additions, and no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much of a unit is counted in sums: times are summed up in nanoseconds, so that short ones do not vanish.
const PARTS_OF_A_SECOND: f64 = 1e9;

/// Observations by size, and their sum.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What was observed so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Upper bounds, the last of them infinite, each with the observations that are not in those before it.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all observations.
    pub sum: f64,
}

impl Observed {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Something took this long; bounds are seconds.
    pub(super) fn took(&self, time: Duration) {
        self.add(time.as_secs_f64(), u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Something was this large.
    pub(super) fn measured(&self, size: usize) {
        self.add(size as f64, size as u64);
    }

    fn add(&self, value: f64, parts: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(parts, Ordering::Relaxed);
    }

    /// How many observations there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The sum of what was [measured](Self::measured).
    pub(super) fn total(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    pub(super) fn sizes(&self) -> Observed {
        Observed { buckets: self.buckets(), sum: self.total() as f64 }
    }

    pub(super) fn times(&self) -> Observed {
        Observed { buckets: self.buckets(), sum: self.total() as f64 / PARTS_OF_A_SECOND }
    }

    fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_in_its_bucket_and_what_is_above_all_in_the_last() {
        let sizes = Histogram::new(&[1.0, 100.0]);
        [0, 1, 2, 100, 101].into_iter().for_each(|size| sizes.measured(size));
        assert_eq!(
            sizes.sizes(),
            Observed { buckets: vec![(1.0, 2), (100.0, 2), (f64::INFINITY, 1)], sum: 204.0 }
        );
        assert_eq!((sizes.count(), sizes.sizes().count()), (5, 5));
    }

    #[test]
    fn short_times_add_up() {
        let times = Histogram::new(&[0.01]);
        (0..4000).for_each(|_| times.took(Duration::from_nanos(250)));
        assert_eq!(times.times(), Observed { buckets: vec![(0.01, 4000), (f64::INFINITY, 0)], sum: 0.001 });
    }
}
