//! The cases below `cases/`: a field of the API, and what requests do because of it.

use mesh_tests::traffic::case::{
    self,
    measure::{Measured, measure},
};
use std::{fs, path::Path};

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

/// What each case shows, held against what `docs/reference/api.md` takes from it. `MELTEMI_CASES` is a part of the names of those that are
/// looked at; with `UPDATE_GOLDEN=1` what comes out is written down.
#[test]
#[ignore = "takes minutes: each case is played again without each of its fields"]
fn measured() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = std::env::var("MELTEMI_CASES").unwrap_or_default();
    super::run(async |traffic| {
        let cases = root.join("tests/traffic/cases");
        let found = measure(traffic, super::CLIENT, &cases, &wanted).await?;
        let path = root.join("tests/reference/measured.txt");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let head: String = text.split_inclusive('\n').filter(|line| line.starts_with('#')).collect();
        let committed = Measured::parse(&text)?;
        let mut current = committed.clone();
        current.0.retain(|case, _| !case.contains(&wanted));
        current.0.extend(found.0);
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(&path, head + &current.render())?;
            return Ok(());
        }
        anyhow::ensure!(committed == current, "other cases notice other fields:\n{}", current.render());
        Ok(())
    });
}
