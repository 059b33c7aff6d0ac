//! The machine: which core runs what, how many connections a process may have, and what to call it in a report.
//!
//! In: nothing. Out: settings of this process. A child inherits the cores of the moment at which it is started.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

/// The core of the control plane.
pub const SERVER_CORE: usize = 0;

/// The core of the proxies.
pub const FLEET_CORE: usize = 1;

/// Runs this thread, and children that it starts from now on, on one core only, if the machine has that many.
pub fn pin(core: usize) -> Result<()> {
    if core >= cores() {
        return Ok(());
    }
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("cannot run on core {core}"))
}

/// Runs this thread, and children that it starts from now on, on any core.
pub fn unpin() -> Result<()> {
    let mut all = CpuSet::new();
    for core in 0..cores() {
        all.set(core)?;
    }
    sched_setaffinity(Pid::from_raw(0), &all).context("cannot run on all cores")
}

fn cores() -> usize {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count()
}

/// Lets this process have as many open files as the system allows.
pub fn raise_file_limit(needed: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(needed), hard)
            .with_context(|| format!("cannot have {needed} open files; see `ulimit -n`"))?;
    }
    Ok(())
}

/// Processor time of this process so far.
pub fn own_cpu() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}

/// What the figures were measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Number of cores.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let processor = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = meminfo.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor,
            cores: cores(),
            memory_mib: total.unwrap_or_default() / 1024,
            kernel: kernel.trim().to_owned(),
        }
    }
}
