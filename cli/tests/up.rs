//! `meltemi up` as a user runs it: real Envoys, real requests, and nothing left behind, however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

#[path = "up/running.rs"]
mod running;
#[path = "up/shop.rs"]
mod shop;

use running::{PATIENCE, Up, assert_closed, http_get};
use std::{io::Read as _, net::TcpStream};

#[test]
fn requests_do_what_the_example_says() {
    let namespace = "up-requests";
    let mut up = Up::start(namespace, &[]);
    up.wait_until_ready(namespace);

    let report = up.ask_json(&["call", "hello", "http://hello/", "-n", "20"]);
    assert_eq!(report["codes"], serde_json::json!([{"code": "200", "count": 20, "text": ""}]), "{report:#}");
    assert_eq!(
        (&report["answeredBy"][0]["workload"], &report["answeredBy"][0]["pods"]),
        (&"hello".into(), &2.into())
    );
    let report = up.ask_json(&["call", "hello", "http://hello/teapot", "-n", "1"]);
    assert_eq!(report["codes"][0]["code"], "418");
    assert_eq!(report["codes"][0]["text"], "short and stout");
    let report = up.ask_json(&["call", "hello", "http://hello/?delay=2s", "-n", "1"]);
    assert_eq!(report["codes"][0]["code"], "504");

    // A Service without a port name is sniffed: the same port takes TCP and HTTP.
    let service = std::fs::read_to_string(up.files.path().join("service.yaml")).unwrap();
    let sniffed = service
        .replace("name: hello\n", "name: any\n")
        .replace("- name: http\n      port: 80", "- port: 9090");
    std::fs::write(up.files.path().join("sniffed.yaml"), sniffed).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let report = up.ask_json(&["call", "hello", "tcp://any:9090", "-n", "4"]);
        if report["codes"] == serde_json::json!([{"code": "TCP", "count": 4, "text": ""}]) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{report:#}");
    }

    let output = up.ask(&["explain", "route", "--from", "hello", "http://hello/?delay=2s"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "the client asks the HTTP proxy",
        "not spec.http[0].match[0] of VirtualService",
        "(virtual-service.yaml:",
        "  path / does not begin with /teapot\n",
        "rule spec.http[1] of",
        "timeout: 1s",
        " hello-1.",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }

    let proxies = up.ask_json(&["proxy", "list"]);
    assert_eq!(proxies.as_array().unwrap().len(), 2);
    assert_eq!(proxies[0]["synced"], true);
    let name = format!("hello-0.{namespace}");
    let text = String::from_utf8(up.ask(&["proxy", "config", &name]).stdout).unwrap();
    for part in ["CLUSTER", "LISTENER", "VIRTUAL HOST", "/teapot*", "answer 418", "ENDPOINT"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let yaml =
        String::from_utf8(up.ask(&["proxy", "config", &name, "clusters", "-o", "yaml"]).stdout).unwrap();
    assert!(yaml.starts_with("cds:\n"), "{yaml}");
}

#[test]
fn an_edit_takes_effect_and_a_mistake_is_named() {
    let namespace = "up-edit";
    let mut up = Up::start(namespace, &[]);
    up.wait_until_ready(namespace);
    let file = up.files.path().join("virtual-service.yaml");
    let good = std::fs::read_to_string(&file).unwrap();

    std::fs::write(&file, good.replace("timeout: 1s", "timout: 1s")).unwrap();
    let line = loop {
        let line = up.next_line();
        if line.contains("timout") {
            break line;
        }
    };
    let object = format!("VirtualService {namespace}/hello");
    assert!(line.contains("virtual-service.yaml:") && line.contains(&object), "{line}");
    assert!(line.contains("timeout"), "the hint is missing: {line}");
    std::fs::write(&file, good.replace("status: 418", "status: 200")).unwrap();
    while !up.next_line().starts_with("solved: ") {}
    // It is read; what is left is a push, and that has no line of its own.
    let deadline = std::time::Instant::now() + PATIENCE;
    while up.ask_json(&["call", "hello", "http://hello/teapot", "-n", "1"])["codes"][0]["code"] != "200" {
        assert!(std::time::Instant::now() < deadline, "the edit had no effect");
    }
}

#[test]
fn sidecars_prove_who_they_are_and_plaintext_is_refused() {
    let namespace = "up-mtls";
    let mut up = Up::start_example("mtls", namespace, &[]);
    up.wait_for_pods(&["web-0", "orders-0", "orders-1"], namespace);
    let report = up.ask_json(&["call", "web", "http://orders/", "-n", "20"]);
    assert_eq!(report["codes"], serde_json::json!([{"code": "200", "count": 20, "text": ""}]), "{report:#}");
    let id = |account: &str| format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
    assert_eq!(report["answeredBy"][0]["identity"], id("orders"), "{report:#}");
    assert_eq!(report["calledAs"], serde_json::json!([id("web")]), "{report:#}");

    let body = http_get(up.debug.parse().unwrap(), "/debug/workloads");
    let entries: serde_json::Value = serde_json::from_str(&body).unwrap();
    let pod = entries.as_array().unwrap().iter().find(|entry| entry["workload"] == "orders");
    let address = pod.unwrap()["podAddress"].as_str().unwrap().to_owned();
    let plaintext = || plain_request(&format!("{address}:8080"));
    assert_eq!(plaintext(), "", "STRICT refuses plaintext");
    let file = up.files.path().join("peer-authentication.yaml");
    let strict = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, strict.replace("STRICT", "PERMISSIVE")).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !plaintext().starts_with("HTTP/1.1 200") {
        assert!(std::time::Instant::now() < deadline, "PERMISSIVE takes plaintext: {:?}", plaintext());
    }
    let report = up.ask_json(&["call", "web", "http://orders/", "-n", "5"]);
    assert_eq!(report["answeredBy"][0]["identity"], id("orders"), "{report:#}");
}

/// What `make run` runs: nothing in it speaks of certificates.
#[test]
fn the_shop_shows_identities_and_speaks_mutual_tls_out_of_the_box() {
    let makefile = include_str!("../../Makefile");
    assert!(makefile.contains("-- up examples/shop\n"), "`make run` runs something else");
    let namespace = "up-shop";
    let mut up = Up::start_example("shop", namespace, &[]);
    let id = |account: &str| format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
    let pods = ["frontend-0", "catalog-v1-0", "cart-0", "ratings-0"];
    up.wait_for_pods(&pods, namespace);
    let shown = pods.map(|pod| {
        let account = pod.split('-').next().unwrap();
        format!("{pod}.{namespace}: is {}", id(account))
    });
    up.wait_for(&shown);
    let report = up.ask_json(&["call", "frontend", "http://catalog/", "-n", "20"]);
    assert_eq!(report["codes"], serde_json::json!([{"code": "200", "count": 20, "text": ""}]), "{report:#}");
    for answered in report["answeredBy"].as_array().unwrap() {
        assert_eq!(answered["identity"], id("catalog"), "{report:#}");
    }
    assert_eq!(report["calledAs"], serde_json::json!([id("frontend")]), "{report:#}");
    let output = up.ask(&["call", "frontend", "http://cart/", "-n", "5"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&id("cart")) && said.contains(&id("frontend")), "{said}");
    shop::does_what_its_readme_says(&mut up);
}

#[test]
fn identities_are_of_the_trust_domain_that_the_files_name() {
    let namespace = "up-domain";
    let settings = |text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {text}\n"
        )
    };
    let first = settings("trustDomain: first.example");
    let mut up = Up::start_files("mtls", namespace, &[("mesh.yaml", &first)], &[]);
    up.wait_for_pods(&["web-0", "orders-0", "orders-1"], namespace);
    let ids = |domain: &str| {
        let id = |account: &str| format!("spiffe://{domain}/ns/{namespace}/sa/{account}");
        (serde_json::json!(id("orders")), serde_json::json!([id("web")]))
    };
    let calls = |up: &Up, count: &str| {
        let report = up.ask_json(&["call", "web", "http://orders/", "-n", count]);
        let seen = (report["answeredBy"][0]["identity"].clone(), report["calledAs"].clone());
        (seen, report)
    };
    let (seen, report) = calls(&up, "5");
    assert_eq!(seen, ids("first.example"), "{report:#}");
    // Renamed with the old name as an alias, and then at once: workloads get new certificates without a restart.
    for (text, domain) in [
        ("{trustDomain: second.example, trustDomainAliases: [first.example]}", "second.example"),
        ("trustDomain: third.example", "third.example"),
    ] {
        std::fs::write(up.files.path().join("mesh.yaml"), settings(text)).unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let (seen, report) = calls(&up, "1");
            if seen == ids(domain) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{domain}: {report:#}");
        }
    }
}

/// What comes back, if anything does.
fn plain_request(address: &str) -> String {
    use std::io::Write;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    if write!(stream, "GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n").is_ok() {
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn nothing_is_left_after_an_interrupt() {
    let namespace = "up-interrupt";
    let mut up = Up::start(namespace, &[]);
    up.wait_until_ready(namespace);
    let envoys = up.envoys();
    assert_eq!(envoys.len(), 2);
    up.signal("INT");
    assert_eq!(up.process.wait().unwrap().code(), Some(0));
    assert_closed(envoys);
}

#[test]
fn nothing_is_left_after_a_kill() {
    let namespace = "up-kill";
    let mut up = Up::start(namespace, &[]);
    up.wait_until_ready(namespace);
    let envoys = up.envoys();
    assert_eq!(envoys.len(), 2);
    up.signal("KILL");
    assert_closed(envoys);
    // There are keys in it; the next that is started removes it.
    up.process.wait().unwrap();
    assert!(up.run_directory.join("hello-0.up-kill/state").is_dir());
    let mut next = Up::start("up-killed", &["--no-workloads", "--once-ready"]);
    assert_eq!(next.process.wait().unwrap().code(), Some(0));
    assert!(!up.run_directory.exists(), "{}", up.run_directory.display());
}

#[test]
fn once_ready_ends_with_success() {
    let mut up = Up::start("up-once", &["--once-ready"]);
    assert_eq!(up.process.wait().unwrap().code(), Some(0));
}

#[test]
fn without_workloads_only_the_control_plane_runs() {
    let mut up = Up::start("up-without", &["--no-workloads", "--once-ready"]);
    assert_eq!(up.process.wait().unwrap().code(), Some(0));
    assert!(up.lines.iter().all(|line| !line.contains("Envoy")));
}
