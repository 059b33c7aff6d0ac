//! Repeated measurements and what is said of them.
//!
//! In: durations. Out: percentiles by nearest rank: each is a value that was measured.

use std::time::Duration;

/// Measurements of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    values: Vec<Duration>,
}

impl Samples {
    /// Adds one.
    pub fn add(&mut self, value: Duration) {
        self.values.push(value);
    }

    /// The value that `per_cent` of all do not exceed; zero if there are none.
    pub fn percentile(&self, per_cent: usize) -> Duration {
        let mut sorted = self.values.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * per_cent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// The one in the middle.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), Duration::ZERO);
        (1..=100).rev().map(Duration::from_millis).for_each(|value| samples.add(value));
        assert_eq!(samples.median(), Duration::from_millis(50));
        assert_eq!(samples.percentile(99), Duration::from_millis(99));
        assert_eq!(samples.percentile(100), Duration::from_millis(100));
    }
}
