//! In: where something listens. Out: another address of it, by way of which connections can fall silent or be cut, as networks do it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Silent,
    Cut,
}

/// Passes connections on, as long as it lives.
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    // Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Link {
    /// A link to `target`, on a free port of `target`'s own IP address: certificates fit.
    ///
    /// # Errors
    /// When the address is not of this machine.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((target.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let (state, is) = watch::channel(State::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, is));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing gets through, and nobody is told: a machine that is gone, or a cable.
    pub fn fall_silent(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Ends all connections, and every new one.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// From now on connections get through.
    pub fn mend(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else {
            // Out of file descriptors: they come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if *state.borrow() == State::Cut {
            continue;
        }
        let Ok(far) = TcpStream::connect(target).await else { continue };
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let (there, back) = (state.clone(), state.clone());
        connections.spawn(async move {
            // Whichever ends first ends both.
            tokio::select! {
                () = pass(near_in, far_out, there) => {}
                () = pass(far_in, near_out, back) => {}
            }
        });
    }
}

/// Passes on what comes, while it may.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if state.wait_for(|state| *state != State::Silent).await.is_err() || *state.borrow() == State::Cut {
            return;
        }
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(length) if length > 0 && *state.borrow() == State::Open => {
                    if to.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                // What came just as it fell silent is lost, and so is whatever comes after it.
                Ok(length) if length > 0 => std::future::pending().await,
                _ => return,
            },
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}
