//! In: a command. Out: a child process that can't outlive this one, however this one ends.
//!
//! The kernel kills a child with `PR_SET_PDEATHSIG` when the *thread* that forked it ends. Threads of a runtime come and
//! go, so all children are forked from one thread that lives as long as the last [`Spawner`].

use std::{io, sync::mpsc, thread, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::{Pid, getpid, getppid},
};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    time::timeout,
};

struct Request {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts children that die with this process. Cheap to clone; children die with the last clone, too.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread that will be every child's parent. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start() -> io::Result<Self> {
        let (requests, received) = mpsc::channel::<Request>();
        let runtime = Handle::current();
        thread::Builder::new().name("parent-of-envoys".to_owned()).spawn(move || {
            // tokio watches over the child from the runtime whose context it was spawned in.
            let _context = runtime.enter();
            for Request { mut command, reply } in received {
                die_with_parent(&mut command, getpid());
                // Nobody waits for it any more: the child is dropped, and with it killed.
                let _ = reply.send(command.kill_on_drop(true).spawn());
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a child, killed when it is dropped.
    ///
    /// # Errors
    /// When it can't be started.
    pub async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.requests.send(Request { command, reply }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

#[expect(unsafe_code, reason = "the death signal has to be set in the child, between fork and exec")]
fn die_with_parent(command: &mut Command, parent: Pid) {
    // A group of its own: Ctrl-C on the terminal must reach us only, so that we end our children in order.
    command.process_group(0);
    // SAFETY: the closure makes two system calls and neither allocates nor locks, as is required after fork.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have ended before the signal was set: then nothing would ever send it.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
}

/// Asks a child to end, and kills it when it does not.
pub async fn terminate(mut child: Child, within: Duration) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid {
        // It can't be another process: its id is not free before we have waited for it.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if timeout(within, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
