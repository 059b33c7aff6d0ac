//! In: SIGTERM and SIGINT. Out: a [`Drain`] for everyone who must stop, and a clean end of the process.
//!
//! The first signal drains. A second one ends the process on the spot: an operator who asks twice means it.

use std::{fmt, io, time::Duration};

use tokio::signal::unix::{self, SignalKind};
use tracing::{info, warn};

use crate::drain::{self, Drain, DrainTimeout, Trigger};

/// The signals that mean "stop".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM, what a kubelet sends.
    Terminate,
}

impl Signal {
    /// What a shell reports for a process ended by this signal.
    const fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Listens for the signals from now on; the returned drain is cloned to every server.
///
/// # Errors
/// When the handlers can't be installed.
pub fn shutdown() -> io::Result<(Shutdown, Drain)> {
    let (trigger, drain) = drain::channel();
    let signals = Signals {
        interrupt: unix::signal(SignalKind::interrupt())?,
        terminate: unix::signal(SignalKind::terminate())?,
    };
    Ok((Shutdown { trigger, signals }, drain))
}

/// The end of the process, waited for by `main`.
pub struct Shutdown {
    trigger: Trigger,
    signals: Signals,
}

impl Shutdown {
    /// Waits for a signal, then drains as [`Shutdown::drain`] does.
    ///
    /// # Errors
    /// When something was still held at the deadline.
    pub async fn wait(mut self, deadline: Duration) -> Result<(), DrainTimeout> {
        let signal = self.signal().await;
        info!(%signal, "shutting down");
        self.drain(deadline).await
    }

    /// Resolves at the next signal, without draining: for a `main` that also watches its servers for failure.
    pub async fn signal(&mut self) -> Signal {
        self.signals.next().await
    }

    /// Drains within `deadline`. A signal that comes meanwhile ends the process at once.
    ///
    /// # Errors
    /// When something was still held at the deadline.
    pub async fn drain(self, deadline: Duration) -> Result<(), DrainTimeout> {
        let Self { trigger, mut signals } = self;
        tokio::spawn(async move {
            let signal = signals.next().await;
            warn!(%signal, "second signal, leaving at once");
            std::process::exit(signal.exit_code());
        });
        trigger.drain(deadline).await
    }
}

struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}
