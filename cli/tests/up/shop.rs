//! What `examples/shop/README.md` says that requests do. Shares are of many requests, and held to what they are but in one of a million runs.

use std::path::Path;

use serde_json::Value;

use crate::running::{PATIENCE, Up};

/// How many of the answers have this code.
fn with_code(report: &Value, code: &str) -> u64 {
    let codes = report["codes"].as_array().unwrap().iter();
    codes.filter(|found| found["code"] == code).map(|found| found["count"].as_u64().unwrap()).sum()
}

/// How many answers are of this version.
fn of_version(report: &Value, version: &str) -> u64 {
    let shares = report["answeredBy"].as_array().unwrap().iter();
    shares.filter(|share| share["version"] == version).map(|share| share["count"].as_u64().unwrap()).sum()
}

fn call(up: &Up, arguments: &[&str]) -> Value {
    up.ask_json(&[&["call", "frontend"], arguments].concat())
}

pub fn does_what_its_readme_says(up: &mut Up) {
    let report = call(up, &["http://catalog/", "-n", "1000", "-c", "8"]);
    let (old, new) = (of_version(&report, "v1"), of_version(&report, "v2"));
    assert!(old + new == 1000 && (50..=150).contains(&new), "90 : 10 is {old} : {new}: {report:#}");
    let report = call(up, &["http://catalog/", "-n", "20", "-H", "x-canary: yes"]);
    assert_eq!(of_version(&report, "v2"), 20, "testers get v2: {report:#}");

    let report = call(up, &["http://ratings/", "-n", "1000", "-c", "8"]);
    let failed = with_code(&report, "503");
    assert!(
        (135..=265).contains(&failed) && failed + with_code(&report, "200") == 1000,
        "a fifth: {report:#}"
    );
    let milliseconds = |part: &str| report["latency"][part].as_f64().unwrap();
    // A tenth is delayed by 300 ms: most are not, and the slowest hundredth is.
    assert!(milliseconds("p50") < 300.0 && milliseconds("p99") >= 300.0, "a tenth are slow: {report:#}");

    let report = call(up, &["http://cart/", "-n", "100", "-c", "4"]);
    assert_eq!(with_code(&report, "200"), 100, "{report:#}");
    let report = call(up, &["http://cart/?delay=1s", "-n", "3"]);
    assert_eq!(with_code(&report, "504"), 3, "each try has 500 ms: {report:#}");
    let least = report["latency"]["min"].as_f64().unwrap();
    assert!((1900.0..10_000.0).contains(&least), "it is tried again, until two seconds are over: {report:#}");

    // The control plane's own port stands for the outside world; in a test it is another one.
    let file = up.files.path().join("payments.yaml");
    let payments = std::fs::read_to_string(&file).unwrap();
    let (_, port) = up.debug.rsplit_once(':').unwrap();
    std::fs::write(&file, payments.replace("15014", port)).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while with_code(&call(up, &["http://payments.example.com/"]), "200") == 0 {
        assert!(std::time::Instant::now() < deadline, "{:#}", call(up, &["http://payments.example.com/"]));
    }

    // The weights are moved, and no request fails; then a mistake, which changes nothing.
    let file = up.files.path().join("catalog.yaml");
    let catalog = std::fs::read_to_string(&file).unwrap();
    let moved = catalog.replace("weight: 90", "weight: 0").replace("weight: 10\n", "weight: 100\n");
    assert_ne!(moved, catalog);
    std::fs::write(&file, &moved).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let report = call(up, &["http://catalog/", "-n", "50", "-c", "4"]);
        assert_eq!(with_code(&report, "200"), 50, "{report:#}");
        if of_version(&report, "v2") == 50 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the weights had no effect: {report:#}");
    }
    tell(up, &file, &moved.replace("weight: 100", "weight: ten"), ["catalog.yaml:", "].weight", "ten"]);
    let report = call(up, &["http://catalog/", "-n", "50", "-c", "4"]);
    assert_eq!(
        (with_code(&report, "200"), of_version(&report, "v2")),
        (50, 50),
        "requests go on: {report:#}"
    );
    tell(
        up,
        &file,
        &moved.replace("subset: v2", "subset: v3"),
        ["catalog.yaml:", "].destination.subset", "v1"],
    );
}

/// Writes a mistake, and waits until it is told in these words.
fn tell(up: &mut Up, file: &Path, mistake: &str, words: [&str; 3]) {
    std::fs::write(file, mistake).unwrap();
    loop {
        let line = up.next_line();
        if words.iter().all(|word| line.contains(word)) {
            return;
        }
    }
}
