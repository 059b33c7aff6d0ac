//! A port at which no connection gets made: a listener that accepts nobody, and whose backlog is full.

use anyhow::{Context, Result, bail};
use mesh_testkit::ports::Loopback;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// Longer than a connection on this machine takes.
const AT_ONCE: Duration = Duration::from_millis(500);
/// More than fit into the backlog.
const ENOUGH: usize = 64;

/// Who answers nobody. Dropped, it is gone.
pub struct Deaf {
    at: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
    _loopback: Loopback,
}

impl Deaf {
    /// On an address of its own.
    ///
    /// # Errors
    /// When there is none, or connections to it are made all the same.
    pub async fn start() -> Result<Self> {
        let loopback = Loopback::claim().context("claim a loopback address")?;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(loopback.ip(), 0))?;
        let listener = socket.listen(1)?;
        let at = listener.local_addr()?;
        let mut waiting = Vec::new();
        while waiting.len() < ENOUGH {
            match timeout(AT_ONCE, TcpStream::connect(at)).await {
                Ok(stream) => waiting.push(stream?),
                Err(_) => {
                    return Ok(Self { at, _listener: listener, _waiting: waiting, _loopback: loopback });
                }
            }
        }
        bail!("a backlog of one takes {ENOUGH} connections")
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.at.ip()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.at.port()
    }
}
