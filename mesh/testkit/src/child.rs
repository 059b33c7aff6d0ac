//! In: a command. Out: a child whose output goes to a file and that dies with this process, however it ends.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{self, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
};

use anyhow::{Context, Result, anyhow};
use nix::{
    fcntl::{OFlag, open, readlink},
    sched::{CloneFlags, setns},
    sys::{prctl, signal::Signal, stat::Mode},
};

/// So many of the last lines are shown when something went wrong.
const TAIL_LINES: usize = 40;

/// A child that is killed when this is dropped.
pub(crate) struct Child {
    name: &'static str,
    process: process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; what it writes is appended to the file `log`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("open {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_owned();
        let process = spawn(command).with_context(|| format!("start {}", program.display()))?;
        Ok(Self { name, process, log })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait().with_context(|| format!("ask after {}", self.name))
    }

    /// An error with the last lines of the log, if it has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("{} ended: {status}\n{}", self.name, self.log_tail())),
        }
    }

    /// The end of its log, indented, under a line that names it.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(unreadable: {error})"));
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        let indented: String = tail.iter().map(|line| format!("  | {line}\n")).collect();
        format!("the last lines of {}'s log:\n{indented}", self.name)
    }

    /// All it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, and wait until it is gone.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

type Spawned = std::io::Result<process::Child>;
/// A command to spawn, and where its outcome goes.
type Job = (Command, mpsc::Sender<Spawned>);

/// Spawns on a thread that lives as long as the process: the parent-death signal is sent when the *thread* that
/// spawned ends, and a test's thread ends with the test.
fn spawn(command: Command) -> Result<process::Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    spawn_by(SPAWNER.get_or_init(start_spawner), command)
}

fn start_spawner() -> mpsc::Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::spawn(move || {
        // A thread begins where the one is that started it, and that may be a test inside a network namespace of its own.
        // The children of all later tests would run there as well, out of reach.
        let at_home = return_home();
        for (command, answer) in jobs {
            let spawned = match at_home {
                Ok(()) => spawn_bound(command),
                Err(errno) => Err(errno.into()),
            };
            let _ = answer.send(spawned);
        }
    });
    sender
}

fn spawn_by(spawner: &mpsc::Sender<Job>, command: Command) -> Result<process::Child> {
    let (sender, answer) = mpsc::channel();
    spawner.send((command, sender)).map_err(|_| anyhow!("the spawning thread is gone"))?;
    Ok(answer.recv().context("the spawning thread is gone")??)
}

/// Enters the network namespace of this process, if this thread is in another one.
fn return_home() -> nix::Result<()> {
    let (home, here) = ("/proc/self/ns/net", "/proc/thread-self/ns/net");
    if readlink(home)? == readlink(here)? {
        return Ok(());
    }
    setns(open(home, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?, CloneFlags::CLONE_NEWNET)
}

fn spawn_bound(mut command: Command) -> Spawned {
    let parent = process::id();
    let die_with_parent = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above; then nothing would ever kill this child.
        if std::os::unix::process::parent_id() != parent {
            return Err(std::io::Error::other("the test process has ended"));
        }
        Ok(())
    };
    // SAFETY: the closure runs in the child between fork and exec. It makes two system calls, and neither it nor the
    // errors that it returns on the way allocate before the child is bound; it takes no lock.
    #[expect(unsafe_code, reason = "std has no other way to bind a child to its parent")]
    unsafe {
        command.pre_exec(die_with_parent);
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::available;

    fn shell(script: &str, directory: &tempfile::TempDir) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("shell", command, directory.path().join("log")).unwrap()
    }

    #[test]
    fn the_log_is_shown_when_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = shell("echo out; echo err >&2; exit 3", &directory);
        child.process.wait().unwrap();
        let error = child.check_running().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("| out\n  | err\n"), "{error}");
    }

    #[test]
    fn children_are_at_home_wherever_the_first_was_asked_for() {
        let inside = thread::spawn(|| {
            let entered = nix::sched::unshare(CloneFlags::CLONE_NEWNET);
            let spawner = start_spawner();
            let mut command = Command::new("readlink");
            command.arg("/proc/self/ns/net").stdout(Stdio::piped());
            let child = spawn_by(&spawner, command).unwrap();
            (entered, child.wait_with_output().unwrap().stdout)
        });
        let (entered, namespace) = inside.join().unwrap();
        if available::or_skip("a network namespace", entered.map_err(|error| error.to_string())).is_some() {
            let home = readlink("/proc/self/ns/net").unwrap();
            assert_eq!(String::from_utf8(namespace).unwrap().trim(), home.to_str().unwrap());
        }
    }

    #[test]
    fn killed_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let child = shell("exec sleep 1000", &directory);
        let id = child.process.id();
        drop(child);
        assert!(!PathBuf::from(format!("/proc/{id}")).exists());
    }
}
