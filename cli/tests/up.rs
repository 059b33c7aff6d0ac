//! `meltemi up` as a user runs it: real Envoys, real requests, and nothing left behind, however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longer than anything here takes on a busy machine; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `meltemi up` on a copy of an example.
struct Up {
    process: Child,
    lines: mpsc::Receiver<String>,
    /// `--address` for other commands.
    debug: String,
    seen: BTreeSet<String>,
    files: tempfile::TempDir,
}

/// Tests run at the same time, and addresses follow from names: each test has a namespace of its own.
fn copy_example(example: &str, namespace: &str, to: &Path) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in std::fs::read_dir(examples.join(example)).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("\nmetadata:\n", &format!("\nmetadata:\n  namespace: {namespace}\n"));
        std::fs::write(to.join(entry.file_name()), text).unwrap();
    }
}

impl Up {
    fn start(namespace: &str, more: &[&str]) -> Self {
        Self::start_example("smallest", namespace, more)
    }

    fn start_example(example: &str, namespace: &str, more: &[&str]) -> Self {
        Self::start_files(example, namespace, &[], more)
    }

    /// An example with more files.
    fn start_files(example: &str, namespace: &str, added: &[(&str, &str)], more: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        copy_example(example, namespace, files.path());
        for (name, text) in added {
            std::fs::write(files.path().join(name), text).unwrap();
        }
        let mut process = Command::new(env!("CARGO_BIN_EXE_meltemi"))
            .arg("up")
            .arg(files.path())
            .args(["--grpc-addr", "127.0.0.1:0", "--monitoring-addr", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let title = lines.recv_timeout(PATIENCE).expect("it ended without a word");
        let (_, rest) = title.split_once("debug http://").unwrap();
        let debug = rest.split_whitespace().next().unwrap().to_owned();
        Self { process, lines, debug, seen: BTreeSet::new(), files }
    }

    fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error} after {:#?}", self.seen));
        self.seen.insert(line.clone());
        line
    }

    /// Reads lines until these have been among them.
    fn wait_for(&mut self, wanted: &[String]) {
        while !wanted.iter().all(|line| self.seen.contains(line)) {
            self.next_line();
        }
    }

    fn wait_until_ready(&mut self, namespace: &str) {
        self.wait_for_pods(&["hello-0", "hello-1"], namespace);
    }

    fn wait_for_pods(&mut self, pods: &[&str], namespace: &str) {
        let facts = ["Envoy is ready", "has its configuration"];
        let wanted = pods.iter().flat_map(|pod| facts.map(|fact| format!("{pod}.{namespace}: {fact}")));
        self.wait_for(&wanted.collect::<Vec<_>>());
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let meltemi = Command::new(env!("CARGO_BIN_EXE_meltemi"))
            .args(arguments)
            .args(["--address", &self.debug])
            .output();
        meltemi.unwrap()
    }

    fn ask_json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.ask(&[arguments, &["-o", "json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Connections to the Envoys' admin ports: each ends when its Envoy does.
    fn envoys(&self) -> Vec<TcpStream> {
        let body = http_get(self.debug.parse().unwrap(), "/debug/workloads");
        let entries: serde_json::Value = serde_json::from_str(&body).unwrap();
        let admins = entries.as_array().unwrap().iter().map(|entry| entry["admin"].as_str().unwrap());
        admins.map(|admin| TcpStream::connect(admin).unwrap()).collect()
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn http_get(address: SocketAddr, path: &str) -> String {
    use std::io::Write;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn assert_closed(connections: Vec<TcpStream>) {
    for mut connection in connections {
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        match connection.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => panic!("an Envoy is left: {other:?}"),
        }
    }
}

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
