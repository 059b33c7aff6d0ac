//! A `meltemi up` that runs, and what its tests ask of it.

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
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `meltemi up` on a copy of an example.
pub struct Up {
    pub process: Child,
    pub lines: mpsc::Receiver<String>,
    /// `--address` for other commands.
    pub debug: String,
    /// Where bootstraps and keys are.
    pub run_directory: std::path::PathBuf,
    pub seen: BTreeSet<String>,
    pub files: tempfile::TempDir,
}

/// Tests run at the same time, and addresses follow from names: each test has a namespace of its own.
pub fn copy_example(example: &str, namespace: &str, to: &Path) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in std::fs::read_dir(examples.join(example)).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let text = match text.contains("\n  namespace: ") {
            true => text.replace(&format!("namespace: {example}\n"), &format!("namespace: {namespace}\n")),
            false => text.replace("\nmetadata:\n", &format!("\nmetadata:\n  namespace: {namespace}\n")),
        };
        std::fs::write(to.join(entry.file_name()), text).unwrap();
    }
}

impl Up {
    pub fn start(namespace: &str, more: &[&str]) -> Self {
        Self::start_example("smallest", namespace, more)
    }

    pub fn start_example(example: &str, namespace: &str, more: &[&str]) -> Self {
        Self::start_files(example, namespace, &[], more)
    }

    /// An example with more files.
    pub fn start_files(example: &str, namespace: &str, added: &[(&str, &str)], more: &[&str]) -> Self {
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
        let (_, run_directory) = title.rsplit_once("logs ").unwrap();
        let run_directory = run_directory.into();
        Self { process, lines, debug, run_directory, seen: BTreeSet::new(), files }
    }

    pub fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error} after {:#?}", self.seen));
        self.seen.insert(line.clone());
        line
    }

    /// Reads lines until these have been among them.
    pub fn wait_for(&mut self, wanted: &[String]) {
        while !wanted.iter().all(|line| self.seen.contains(line)) {
            self.next_line();
        }
    }

    pub fn wait_until_ready(&mut self, namespace: &str) {
        self.wait_for_pods(&["hello-0", "hello-1"], namespace);
    }

    pub fn wait_for_pods(&mut self, pods: &[&str], namespace: &str) {
        let facts = ["Envoy is ready", "has its configuration"];
        let wanted = pods.iter().flat_map(|pod| facts.map(|fact| format!("{pod}.{namespace}: {fact}")));
        self.wait_for(&wanted.collect::<Vec<_>>());
    }

    pub fn ask(&self, arguments: &[&str]) -> Output {
        let meltemi = Command::new(env!("CARGO_BIN_EXE_meltemi"))
            .args(arguments)
            .args(["--address", &self.debug])
            .output();
        meltemi.unwrap()
    }

    pub fn ask_json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.ask(&[arguments, &["-o", "json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Connections to the Envoys' admin ports: each ends when its Envoy does.
    pub fn envoys(&self) -> Vec<TcpStream> {
        let body = http_get(self.debug.parse().unwrap(), "/debug/workloads");
        let entries: serde_json::Value = serde_json::from_str(&body).unwrap();
        let admins = entries.as_array().unwrap().iter().map(|entry| entry["admin"].as_str().unwrap());
        admins.map(|admin| TcpStream::connect(admin).unwrap()).collect()
    }

    pub fn signal(&self, signal: &str) {
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

pub fn http_get(address: SocketAddr, path: &str) -> String {
    use std::io::Write;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

pub fn assert_closed(connections: Vec<TcpStream>) {
    for mut connection in connections {
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        match connection.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => panic!("an Envoy is left: {other:?}"),
        }
    }
}
