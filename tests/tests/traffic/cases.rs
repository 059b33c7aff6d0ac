//! The cases below `cases/`: a field of the API, and what requests do because of it.

use mesh_tests::traffic::case;
use std::path::Path;

fn run(directory: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traffic/cases").join(directory);
    super::run(async |traffic| case::run(traffic, super::CLIENT, &directory).await);
}

#[test]
fn matching() {
    run("matching");
}

#[test]
fn splitting() {
    run("splitting");
}

#[test]
fn redirecting() {
    run("redirecting");
}

#[test]
fn headers() {
    run("headers");
}

#[test]
fn faults() {
    run("faults");
}

#[test]
fn resilience() {
    run("resilience");
}

#[test]
fn balancing() {
    run("balancing");
}

#[test]
fn services() {
    run("services");
}
