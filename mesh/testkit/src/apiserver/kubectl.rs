//! In: arguments, perhaps an input. Out: what kubectl printed.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// kubectl, bound to one API server.
pub(super) struct Kubectl {
    pub(super) binary: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) cache: PathBuf,
}

impl Kubectl {
    /// Runs off the runtime: the API server may be calling a webhook that the test's own, single thread must answer.
    pub(super) async fn run(&self, args: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache).args(args);
        let (line, input) = (args.join(" "), input.map(str::to_owned));
        tokio::task::spawn_blocking(move || run(command, input))
            .await?
            .with_context(|| format!("kubectl {line}"))
    }
}

fn run(mut command: Command, input: Option<String>) -> Result<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn()?;
    let writer = child.stdin.take().zip(input).map(|(mut stdin, input)| {
        // On a thread: kubectl prints while it reads, and both pipes are small.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()))
    });
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    if let Some(Ok(written)) = writer.map(std::thread::JoinHandle::join) {
        written.context("write its input")?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
