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
    for arguments in [
        &["call", "cart", "http://cart/"][..],
        &["proxy", "list"],
        &["proxy", "config", "cart-0.shop"],
        &["explain", "route", "--from", "cart", "http://cart/"],
    ] {
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
fn explain_says_what_becomes_of_a_request() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop");
    let explain =
        |more: &[&str]| meltemi(&[&["explain", "route", "--from", "frontend"], more, &[shop]].concat());
    let output = explain(&["http://catalog/books"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "listener 0.0.0.0_80\n",
        "not spec.http[0].match[0] `testers` of VirtualService shop/catalog (catalog.yaml:",
        "  header x-canary is missing, not `yes`\n",
        "rule spec.http[1] `everybody` of",
        "=> 90 of 100 requests to cluster outbound|80|v1|catalog.shop.svc.cluster.local\n",
        "policy: subset v2, DestinationRule shop/catalog (catalog.yaml:",
        "catalog-v2-0.shop",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let output = explain(&["http://catalog/", "-H", "x-canary: yes", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rule"]["path"], "spec.http[0].match[0]", "{json:#}");
    assert_eq!(json["outcome"]["Forwarded"][0]["subset"], "v2", "{json:#}");
    let output = explain(&["http://cart:8080/"]);
    assert!(
        stdout(&output).contains("cart.shop.svc.cluster.local has only the port 80"),
        "{}",
        stdout(&output)
    );
    let output = explain(&["ftp://catalog/"]);
    assert_eq!(output.status.code(), Some(2));
    let output = meltemi(&["explain", "route", "--from", "nobody", "http://catalog/", shop]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there is no workload `nobody`; there are: cart-0.shop"),
        "{}",
        stderr(&output)
    );
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

#[test]
fn analyze_reads_files_as_of_the_namespace_that_they_are_applied_to() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yaml");
    let rule = |name: &str, namespace: &str| {
        format!(
            "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: {name}{namespace}}}, spec: {{host: web}}}}\n---\n"
        )
    };
    std::fs::write(&file, rule("named", ", namespace: other") + &rule("unnamed", "")).unwrap();
    let path = file.to_str().unwrap();
    for (arguments, rules) in [
        (&["analyze", path][..], ["other/named", "default/unnamed"]),
        (&["analyze", "-n", "shop", path], ["other/named", "shop/unnamed"]),
    ] {
        let text = stdout(&meltemi(arguments));
        for rule in rules {
            assert!(text.contains(&format!("DestinationRule {rule}\n")), "{text}");
        }
    }
    let output = meltemi(&["analyze", "-n", "shop", "--cluster"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn analyze_fails_on_slips_of_the_pen_and_on_warnings_when_asked() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop/catalog.yaml");
    let good = std::fs::read_to_string(shop).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("catalog.yaml");
    let path = file.to_str().unwrap();

    std::fs::write(&file, good.replace("weight: 90", "weigth: 90")).unwrap();
    let output = meltemi(&["analyze", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("weigth: unknown field; it has no effect (did you mean weight?)"));

    // Without its weight: probably not meant so, but it can be used.
    std::fs::write(&file, good.replace("          weight: 90\n", "")).unwrap();
    let output = meltemi(&["analyze", path]);
    assert!(stdout(&output).contains("one without gets no requests"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(0));
    let output = meltemi(&["analyze", "--failure-threshold", "Warning", path]);
    assert_eq!(output.status.code(), Some(1));
}
