//! Envoy's command line.
//!
//! In: settings that come from flags and from the mesh. Out: a command for [`super::Spawner`].

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

/// How Envoy is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The binary.
    pub binary: PathBuf,
    /// Worker threads; `None`: one for each processor.
    pub concurrency: Option<u32>,
    /// What is logged.
    pub log_level: String,
    /// The same by part of Envoy, such as `misc:error`.
    pub component_log_level: String,
    /// How long listeners that change or end go on serving.
    pub drain: Duration,
    /// How often logs are written into their files.
    pub flush_interval: Duration,
    /// How much of a log, in KiB, is written before that; `None`: as Envoy has it.
    pub flush_size: Option<u32>,
    /// Whether the pod has IPv6 addresses only.
    pub only_ipv6: bool,
}

/// How often logs are written into their files where nobody says it. Istio's.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl CommandLine {
    /// The command for a bootstrap at `config`. Where its output goes is left to the caller.
    pub fn command(&self, config: &Path) -> Command {
        let Self {
            binary,
            concurrency,
            log_level,
            component_log_level,
            drain,
            flush_interval,
            flush_size,
            only_ipv6,
        } = self;
        let mut command = Command::new(binary);
        command
            .arg("--config-path")
            .arg(config)
            .args(["--drain-time-s", &drain.as_secs().to_string()])
            .args(["--drain-strategy", "immediate"])
            .args(["--local-address-ip-version", if *only_ipv6 { "v6" } else { "v4" }])
            .args(["--file-flush-interval-msec", &flush_interval.as_millis().to_string()])
            // Nothing restarts hot here, and the shared memory for it would collide between proxies of one host.
            .arg("--disable-hot-restart")
            .arg("--allow-unknown-static-fields")
            .args(["--log-level", log_level]);
        if !component_log_level.is_empty() {
            command.args(["--component-log-level", component_log_level]);
        }
        if let Some(size) = flush_size {
            command.args(["--file-flush-min-size-kb", &size.to_string()]);
        }
        if let Some(concurrency) = concurrency {
            command.args(["--concurrency", &concurrency.to_string()]);
        }
        command
    }
}
