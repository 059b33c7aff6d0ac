//! Random edits that a seed makes again.

use super::shop::Shop;
use std::time::{SystemTime, UNIX_EPOCH};

/// splitmix64.
pub struct Random(u64);

/// `MELTEMI_SEED`, or another one each time.
pub fn seed() -> u64 {
    let given = std::env::var("MELTEMI_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| u64::from(now.subsec_nanos()))
    })
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Sets one thing to some value, which may be the one it has.
    pub fn edit(&mut self, shop: &mut Shop) {
        match self.below(7) {
            0 => shop.service = self.of(&["first", "second"]),
            1 => shop.port = self.of(&[80, 8088, 8089]),
            2 => shop.target_port = self.of(&[8080, 8081]),
            3 => shop.subsets = self.of(&[None, Some("blue"), Some("green")]),
            4 => shop.further = self.of(&[None, Some("red"), Some("yellow")]),
            5 => shop.weight = self.of(&[0, 10, 50, 100]),
            _ => shop.tight = !shop.tight,
        }
    }
}
