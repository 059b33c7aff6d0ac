//! In: /proc/self. Out: the process metrics that every Prometheus dashboard knows.
//! Read at each scrape; what can't be read (no /proc) is left out rather than guessed.

use std::{fmt::Error, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// The kernel reports CPU times in these ticks on every Linux that this runs on (`getconf CLK_TCK`).
const TICKS_PER_SECOND: i64 = 100;

#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        if let Some((resident, virtual_memory)) = memory_bytes() {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory in bytes", resident)?;
            gauge(&mut encoder, "process_virtual_memory_bytes", "Virtual memory in bytes", virtual_memory)?;
        }
        if let Some(open) = open_files() {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", open)?;
        }
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            let Stat { cpu_seconds, threads, started_after_boot } = stat;
            gauge(&mut encoder, "process_threads", "Operating system threads", threads)?;
            if let Some(boot) = boot_time() {
                let (name, help) = ("process_start_time_seconds", "Start time in seconds since 1970");
                gauge(&mut encoder, name, help, boot + started_after_boot)?;
            }
            let cpu = ConstCounter::new(cpu_seconds);
            let help = "User and system CPU time in seconds";
            cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> Result<(), Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn memory_bytes() -> Option<(i64, i64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = |field: &str| -> Option<i64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.parse::<i64>().ok()
    };
    Some((kibibytes("VmRSS:")? * 1024, kibibytes("VmSize:")? * 1024))
}

fn open_files() -> Option<i64> {
    // One of them is the directory that is being read.
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok().map(|count| count - 1)
}

/// In seconds since 1970.
fn boot_time() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: i64,
    /// In whole seconds.
    started_after_boot: i64,
}

impl Stat {
    /// Fields are counted after the command, which is in parentheses and may hold anything, spaces included.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // proc(5) counts from 1 and the state is field 3: utime 14, stime 15, num_threads 20, starttime 22.
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are three million years")]
        let cpu_seconds = (number(14)? + number(15)?) as f64 / TICKS_PER_SECOND as f64;
        Some(Self { cpu_seconds, threads: number(20)?, started_after_boot: number(22)? / TICKS_PER_SECOND })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 12 0 4242 1000 2000";
        assert_eq!(Stat::parse(stat), Some(Stat { cpu_seconds: 2.0, threads: 12, started_after_boot: 42 }));
    }
}
