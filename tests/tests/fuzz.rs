//! A short run of the fuzz targets: their seeds, and what becomes of these by a few changes. `make fuzz` runs them for long.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::{fs, path::Path};

use mesh_tests::fuzz::TARGETS;
use proptest::prelude::*;

/// A change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    let few = || proptest::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, to)| Change::Set(at, to)),
        (at(), few()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1_usize..32).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1_usize..64).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let within = |at: usize, bytes: &Vec<u8>| at % (bytes.len() + 1);
    match change {
        Change::Set(at, to) => {
            let at = within(at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
        }
        Change::Insert(at, more) => {
            let at = within(at, bytes);
            bytes.splice(at..at, more);
        }
        Change::Remove(at, count) => {
            let at = within(at, bytes);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
        Change::Repeat(at, count) => {
            let at = within(at, bytes);
            let part = bytes[at..(at + count).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_target_stands_its_seeds() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
        target(&[]);
        seeds.iter().for_each(|seed| target(seed));
    }
}

proptest! {
    #[test]
    fn every_target_stands_changes_of_its_seeds(
        which in any::<usize>(),
        changes in proptest::collection::vec(change(), 0..6),
    ) {
        for (name, target) in TARGETS {
            let mut seeds = seeds(name);
            let mut bytes = seeds.swap_remove(which % seeds.len());
            changes.iter().cloned().for_each(|change| apply(&mut bytes, change));
            target(&bytes);
        }
    }
}
