//! Random choices that a seed makes again.

use anyhow::{Context, Result};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Another one each time.
pub fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64)
}

/// What makes values of strategies.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// A value that can be made simpler.
pub type Simpler<T> = Box<dyn ValueTree<Value = T>>;

/// The next value of a strategy.
pub fn next<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> Result<Simpler<S::Value>>
where
    S::Tree: 'static,
{
    let tree = strategy.new_tree(runner).map_err(|reason| anyhow::anyhow!("{reason}"));
    Ok(Box::new(tree.context("make a value")?))
}
