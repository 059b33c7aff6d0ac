//! The control plane that is measured: a process of its own, on a core of its own.
//!
//! In: a program and a directory of YAML. Out: its address, and what it has used of processor and memory, as the kernel counts it.
//! It is the program that users run; nothing in it knows that it is measured.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::machine::{FLEET_CORE, SERVER_CORE, pin};
use crate::secure::Secure;

/// A running control plane; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it serves proxies.
    pub xds: SocketAddr,
    /// Where it serves debug endpoints and metrics.
    pub monitoring: SocketAddr,
    /// When it was started.
    pub started: Instant,
}

/// What a process occupies.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now, in bytes.
    pub resident: u64,
    /// Resident at most so far, in bytes.
    pub peak: u64,
}

/// Time from changes to their acknowledgement by proxies, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Convergence {
    sum: f64,
    count: f64,
}

impl Convergence {
    /// The mean of what came after `earlier`.
    pub fn mean_since(&self, earlier: &Self) -> Duration {
        let Self { sum, count } = self;
        let mean = (sum - earlier.sum) / (count - earlier.count);
        Duration::try_from_secs_f64(mean).unwrap_or_default()
    }
}

/// The steps of a request for a certificate, in their order.
const STEPS: [&str; 5] = ["authenticate", "wait", "parse", "sign", "encode"];

/// Time and number of each step of requests for certificates.
#[derive(Clone, Copy, Debug)]
pub struct Steps([(f64, f64); STEPS.len()]);

impl Steps {
    /// The mean time of each step after `earlier`; none for a step that was not taken since.
    pub fn means_since(&self, earlier: &Self) -> impl Iterator<Item = (&'static str, Duration)> {
        let both = STEPS.into_iter().zip(self.0.into_iter().zip(earlier.0));
        both.filter_map(|(step, ((sum, count), (sum_before, count_before)))| {
            let mean = (sum - sum_before) / (count - count_before);
            Some((step, Duration::try_from_secs_f64(mean).ok()?))
        })
    }
}

impl Server {
    /// Starts `program` on the files below `configuration`. What it logs goes to `log`.
    pub fn start(program: &Path, configuration: &Path, log: &Path) -> Result<Self> {
        Self::start_with(program, configuration, log, None)
    }

    /// The same, and [`Server::xds`] is where it serves over TLS.
    pub fn start_secure(program: &Path, configuration: &Path, log: &Path, secure: &Secure) -> Result<Self> {
        Self::start_with(program, configuration, log, Some(secure))
    }

    fn start_with(program: &Path, configuration: &Path, log: &Path, secure: Option<&Secure>) -> Result<Self> {
        let [xds, other, monitoring, http] = free_addresses()?;
        let (plain, tls, options) = match secure {
            None => (xds.to_string(), String::new(), Vec::new()),
            Some(secure) => (other.to_string(), xds.to_string(), secure.options()),
        };
        let log = fs::File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        // A child runs where its parent does at that moment.
        pin(SERVER_CORE)?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg("control-plane")
            .args(["--configDir".into(), configuration.display().to_string()])
            .args(["--grpcAddr", &plain, "--secureGRPCAddr", &tls])
            .args(options)
            .args(["--monitoringAddr".into(), monitoring.to_string()])
            .args(["--httpAddr".into(), http.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        pin(FLEET_CORE)?;
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, xds, monitoring, started })
    }

    /// Starts the certificate authority of `program` for the cluster of `kubeconfig`, on whatever core. [`Server::xds`] is where it serves.
    pub fn start_authority(program: &Path, kubeconfig: &Path, namespace: &str, log: &Path) -> Result<Self> {
        let [secure, monitoring] = free_addresses()?;
        let log = fs::File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(["control-plane", "--components", "citadel", "--httpAddr", "", "--namespace", namespace])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--secureGRPCAddr".into(), secure.to_string()])
            .args(["--monitoringAddr".into(), monitoring.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, xds: secure, monitoring, started })
    }

    /// Returns when it says that it is ready.
    pub async fn ready(&self) {
        while !self.ask("/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The time of each step of requests for certificates so far, as the authority counts it.
    pub fn steps(&self) -> Result<Steps> {
        let metrics = self.metrics().context("the authority does not answer on its monitoring address")?;
        Ok(Steps(STEPS.map(|step| {
            let value = |part: &str| {
                let name = format!("citadel_request_step_seconds_{part}{{step=\"{step}\"}} ");
                metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok())
            };
            // A step that was never taken is not there yet.
            (value("sum").unwrap_or(0.0), value("count").unwrap_or(0.0))
        })))
    }

    /// Returns when it has ended.
    pub async fn ended(&mut self) {
        while matches!(self.child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Processor time of all its threads so far.
    pub fn cpu(&self) -> Result<Duration> {
        let clock = clock_getcpuclockid(self.pid()?)?;
        Ok(Duration::from(clock_gettime(clock)?))
    }

    /// Its memory.
    pub fn memory(&self) -> Result<Memory> {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = fs::read_to_string(&path).context("the control plane is gone")?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let [resident, peak] = ["VmRSS:", "VmHWM:"].map(field);
        let read = || Some(Memory { resident: resident? * 1024, peak: peak? * 1024 });
        read().with_context(|| format!("{} lacks VmRSS or VmHWM: did the control plane end?", path.display()))
    }

    /// What it says of the time from a change to its acknowledgement.
    pub fn convergence(&self) -> Result<Convergence> {
        let metrics =
            self.metrics().context("the control plane does not answer on its monitoring address")?;
        let value = |name: &str| {
            let line = metrics.lines().find(|line| line.split(' ').next() == Some(name))?;
            line.split(' ').nth(1)?.parse().ok()
        };
        let [sum, count] =
            ["_sum", "_count"].map(|part| value(&format!("pilot_proxy_convergence_time{part}")));
        let read = || Some(Convergence { sum: sum?, count: count? });
        read().context("there is no pilot_proxy_convergence_time in its metrics")
    }

    fn metrics(&self) -> Result<String> {
        self.ask("/metrics")
    }

    fn ask(&self, path: &str) -> Result<String> {
        let mut connection = TcpStream::connect(self.monitoring)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loopback addresses that nobody uses at this moment.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}
