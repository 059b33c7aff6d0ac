//! Tests across crates: flow, traffic, cluster.
