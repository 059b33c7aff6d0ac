//! A test process that is killed leaves no child and no directory. The process to kill is this binary with a role.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::ensure;
use mesh_testkit::{Envoy, eventually};

const ROLE: &str = "MELTEMI_TEST_KILLED_ROLE";
const BOOTSTRAP: &str = "static_resources: {}";

/// Not a test of its own: what the test below starts and kills.
#[tokio::test]
async fn child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let envoy = Envoy::start(BOOTSTRAP).await.unwrap();
    println!("\nadmin: {}", envoy.admin_address());
    std::future::pending::<()>().await;
}

/// Envoys whose command line names a directory of ours, as (process, directory).
fn envoys_of(parent: u32) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
        let Ok(status) = std::fs::read_to_string(process.join("status")) else { continue };
        let Ok(arguments) = std::fs::read_to_string(process.join("cmdline")) else { continue };
        let ours = status.lines().any(|line| line == format!("PPid:\t{parent}"));
        let config = arguments.split('\0').find(|argument| argument.ends_with("/bootstrap.yaml"));
        if let (true, Some(directory)) = (ours, config.and_then(|config| Path::new(config).parent())) {
            found.push((process, directory.to_owned()));
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_test_process() {
    if Envoy::available().is_err() {
        // Says so, or fails where nothing may be skipped.
        assert!(Envoy::launch(BOOTSTRAP).await.is_none());
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("admin: ")), "the child ended early");
    let envoys = envoys_of(test.id());
    assert_eq!(envoys.len(), 1, "{envoys:?}");
    let (process, directory) = &envoys[0];

    test.kill().unwrap();
    test.wait().unwrap();
    eventually(Duration::from_secs(20), async || {
        // Who reaps orphans may take its time: a zombie is dead.
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        ensure!(stat.is_empty() || stat.contains(") Z "), "Envoy still runs: {stat}");
        ensure!(!directory.exists(), "{} is still there", directory.display());
        Ok(())
    })
    .await
    .unwrap();
}
