//! In: a bootstrap configuration. Out: a real Envoy that runs it, asked through its admin port, gone with the process.
//!
//! The admin address is added here, at a port that Envoy picks itself; a bootstrap must not have one. It must not know
//! what the configuration means.

mod admin;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{available, child::Child, eventually, sweep::SweptDir};

/// Envoy itself needs well under a second; the rest is for a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(60);

/// How Envoy is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The command that runs it, such as `nsenter` with its options; empty: none.
    pub by: Vec<String>,
    /// The address of its admin port, which this process must be able to reach.
    pub admin: IpAddr,
}

impl Default for Launch {
    fn default() -> Self {
        Self { by: Vec::new(), admin: Ipv4Addr::LOCALHOST.into() }
    }
}

impl Launch {
    /// Merged over the bootstrap: port 0, and Envoy writes what it got into a file. Nothing can take it in between.
    fn admin_yaml(&self) -> String {
        format!("admin: {{address: {{socket_address: {{address: '{}', port_value: 0}}}}}}", self.admin)
    }

    fn command(&self, envoy: PathBuf) -> Command {
        let mut words = self.by.iter();
        match words.next() {
            None => Command::new(envoy),
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(envoy);
                command
            }
        }
    }
}

/// A running Envoy. When a test panics while it has one, the end of Envoy's log is printed.
pub struct Envoy {
    admin: SocketAddr,
    child: Mutex<Child>,
    // After the child: its files go when it has gone.
    _directory: SweptDir,
}

impl Envoy {
    /// Whether there is a binary.
    ///
    /// # Errors
    /// With the reason, and what to do about it.
    pub fn available() -> Result<(), String> {
        binary().map(drop)
    }

    /// The binary, for tests that have it started by the code they test. `None` means: skip this test (the reason was
    /// printed).
    ///
    /// # Panics
    /// When it is not available but `MELTEMI_REQUIRE_ALL` is set.
    pub fn binary() -> Option<PathBuf> {
        available::or_skip("a real Envoy", binary())
    }

    /// Starts Envoy and returns once it is live, which means that its first listeners are there: start the control
    /// plane first. `None` means: skip this test (the reason was printed).
    ///
    /// # Panics
    /// When it does not get there, or when it is not available but `MELTEMI_REQUIRE_ALL` is set.
    pub async fn start(bootstrap: &str) -> Option<Self> {
        let envoy = Self::launch(bootstrap).await?;
        envoy.ready().await.unwrap_or_else(|error| panic!("Envoy is not ready: {error:#}"));
        Some(envoy)
    }

    /// Starts Envoy and returns once its admin port answers, whatever it still waits for.
    ///
    /// # Panics
    /// As [`Envoy::start`].
    pub async fn launch(bootstrap: &str) -> Option<Self> {
        Self::launch_with(&Launch::default(), bootstrap).await
    }

    /// The same, in another way.
    ///
    /// # Panics
    /// As [`Envoy::start`].
    pub async fn launch_with(launch: &Launch, bootstrap: &str) -> Option<Self> {
        let binary = available::or_skip("a real Envoy", binary())?;
        let started = Self::launch_binary(binary, launch, bootstrap).await;
        Some(started.unwrap_or_else(|error| panic!("Envoy did not start: {error:#}")))
    }

    async fn launch_binary(binary: PathBuf, launch: &Launch, bootstrap: &str) -> Result<Self> {
        let directory = SweptDir::new("meltemi-envoy-")?;
        // Envoy goes by the suffix, and JSON is YAML.
        let config = directory.path().join("bootstrap.yaml");
        fs::write(&config, bootstrap)?;
        let address = directory.path().join("admin-address");
        let mut command = launch.command(binary);
        command
            .arg("--config-path")
            .arg(&config)
            .args(["--config-yaml", &launch.admin_yaml()])
            .arg("--admin-address-path")
            .arg(&address)
            // No shared memory, so that any number of them can run.
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"]);
        let child = Child::start("envoy", command, directory.path().join("envoy.log"))?;
        let child = Mutex::new(child);

        let admin = eventually(WITHIN, async || {
            // Ended: no use in asking on.
            if let Err(error) = lock(&child).check_running() {
                return Ok(Err(error));
            }
            let text = fs::read_to_string(&address).context("the admin address is not there yet")?;
            Ok(Ok(text.trim().parse::<SocketAddr>()?))
        });
        let admin = admin.await.and_then(|outcome| outcome)?;
        Ok(Self { admin, child, _directory: directory })
    }

    /// Where its admin port is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Waits until it is live.
    ///
    /// # Errors
    /// When it is not within a minute, or has ended: with what it waits for and the end of its log.
    pub async fn ready(&self) -> Result<()> {
        let live = eventually(WITHIN, async || {
            if let Err(error) = self.child().check_running() {
                return Ok(Err(error));
            }
            self.admin_get("/ready").await.map(|_| Ok(()))
        });
        live.await.and_then(|outcome| outcome).map_err(|error| error.context(self.child().log_tail()))
    }

    /// GETs a path of the admin port, such as `/clusters?format=json`.
    ///
    /// # Errors
    /// When it can't be asked, or answers with anything but 200: with the body.
    pub async fn admin_get(&self, path: &str) -> Result<String> {
        admin::request(self.admin, "GET", path).await
    }

    /// All that it is configured with, endpoints included.
    ///
    /// # Errors
    /// As [`Envoy::admin_get`].
    pub async fn config_dump(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.admin_get("/config_dump?include_eds").await?)?)
    }

    /// The value of one counter or gauge by its full name; 0 when Envoy has not made it yet.
    ///
    /// # Errors
    /// As [`Envoy::admin_get`], or when there are several values, as in a histogram.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let text = self.admin_get("/stats").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(Ok(0), |value| value.parse().with_context(|| format!("{name}: {value}")))
    }

    /// What it has logged so far, warnings and above unless the level was changed.
    pub fn log(&self) -> String {
        self.child().log()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        lock(&self.child)
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Envoy {
    #[expect(clippy::print_stderr, reason = "it belongs to the output of the test that fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.child().log_tail());
        }
    }
}

fn binary() -> Result<PathBuf, String> {
    match envoy_fetch::locate(None) {
        Ok(Some(path)) => Ok(path),
        Ok(None) => Err("it was not fetched: run `make setup`, or set MELTEMI_ENVOY".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks a bootstrap without running it: `--mode validate`.
///
/// # Errors
/// When Envoy refuses it: with its words. `Ok(None)` means: skip this test.
pub async fn validate(bootstrap: &str) -> Result<Option<()>> {
    let Some(binary) = available::or_skip("a real Envoy", binary()) else { return Ok(None) };
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    fs::write(file.path(), bootstrap)?;
    let mut command = tokio::process::Command::new(binary);
    command.args(["--mode", "validate", "--log-level", "warn", "--config-path"]).arg(file.path());
    let output = command.kill_on_drop(true).output().await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(Some(()))
}
