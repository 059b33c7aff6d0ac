//! What the program says without a control plane: usage, version, completion, errors.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::process::{Command, Output};

fn meltemi(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meltemi")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn version_names_the_envoy_it_was_made_for() {
    let output = meltemi(&["version"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\nenvoy 1."), "{}", stdout(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&meltemi(&["version", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["meltemi"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn completion_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = meltemi(&["completion", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("control-plane"), "{shell}");
    }
}

#[test]
fn wrong_usage_is_two_and_says_what_is_right() {
    let output = meltemi(&["call", "cart", "cart:8080"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("http://ratings:9080/"), "{}", stderr(&output));
    let output = meltemi(&["control-plane", "--grpc-addr", "15010"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("127.0.0.1:15010"), "{}", stderr(&output));
}

#[test]
fn nobody_to_ask_is_one_and_says_why() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for arguments in
        [&["call", "cart", "http://cart/"][..], &["proxy", "list"], &["proxy", "config", "cart-0.shop"]]
    {
        let output = meltemi(&[arguments, &["--address", &address]].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        assert!(
            text.starts_with("error: is ") && text.contains(&format!("nothing answers at {address}")),
            "{text}"
        );
    }
}

#[test]
fn up_needs_a_directory_that_is_there() {
    let output = meltemi(&["up", "/nowhere/shop"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "error: there is no file or directory /nowhere/shop\n");
}

#[test]
fn analyze_fails_on_errors_and_only_on_errors() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop");
    let output = meltemi(&["analyze", shop]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("payments.yaml");
    let good = std::fs::read_to_string(format!("{shop}/payments.yaml")).unwrap();
    std::fs::write(&file, good.replace("MESH_EXTERNAL", "MESH_INTERNET")).unwrap();
    let output = meltemi(&["analyze", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("payments.yaml:") && text.contains("ServiceEntry shop/payments"), "{text}");
    assert!(text.contains("spec.location") && text.contains("MESH_EXTERNAL"), "{text}");
    let output = meltemi(&["analyze", "-o", "json", file.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["entries"][0]["problems"][0]["severity"], "Error", "{report:#}");
}
