//! Fractions without floats.

use serde::{Serialize, Serializer};
use std::fmt;

/// A percentage in millionths of the whole: 100% is 1,000,000, so that 0.0001% is the smallest step. It maps to Envoy's
/// `type.v3.FractionalPercent` with denominator `MILLION` exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// Nothing of it.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self(1_000_000);

    /// From a percentage such as `12.5`, rounded to the nearest millionth; `None` unless it is within 0..=100.
    pub fn from_f64(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then(|| Self((percent * 10_000.0).round() as u32))
    }

    /// From whole percents, at most 100.
    pub const fn from_whole(percent: u32) -> Option<Self> {
        if percent <= 100 { Some(Self(percent * 10_000)) } else { None }
    }

    /// From whole percents that are known to be at most 100; more is all of it.
    pub const fn whole(percent: u32) -> Self {
        match Self::from_whole(percent) {
            Some(percent) => percent,
            None => Self::ALL,
        }
    }

    /// Millionths of the whole.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
