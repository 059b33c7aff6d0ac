//! Signals are a matter of the whole process, so each test here is a process: this binary, run again with a role.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, and a child that talks to it by stdout"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const ROLE: &str = "MELTEMI_TEST_SIGNAL_ROLE";

/// Not a test of its own: what the other tests start. It drains, but a hold is kept for good when the role says so.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(async {
        let (shutdown, drain) = mesh_runtime::signals::shutdown().unwrap();
        let hold = drain.hold("work");
        let stuck = role == "stuck";
        tokio::spawn(async move {
            hold.signaled().await;
            say("draining");
            if stuck {
                std::future::pending::<()>().await;
            }
        });
        say("started");
        i32::from(shutdown.wait(Duration::from_secs(600)).await.is_err())
    });
    std::process::exit(code);
}

/// The harness prints the name of the test without a line end first, hence the new line in front.
fn say(word: &str) {
    println!("\nchild: {word}");
}

struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.until("started");
        process
    }

    fn until(&mut self, word: &str) {
        let wanted = format!("child: {word}");
        assert!(self.lines.any(|line| line.unwrap() == wanted), "the child ended before it said `{word}`");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

#[test]
fn a_signal_drains() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut process = Process::start("clean");
        process.signal(signal);
        process.until("draining");
        assert_eq!(process.end().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_the_process() {
    let mut process = Process::start("stuck");
    process.signal(Signal::SIGTERM);
    process.until("draining");
    process.signal(Signal::SIGINT);
    assert_eq!(process.end().code(), Some(130));
}
