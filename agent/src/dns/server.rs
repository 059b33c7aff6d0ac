//! Takes queries in over UDP and TCP.
//!
//! In: packets. Out: replies. What is answered from the names is answered at once, one after the other; what is passed on waits by itself.
//! Connections, and the time that they may be silent, are bounded.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Names, Upstream,
    answer::{Answerer, Forward, Transport, Verdict},
    upstream::write_message,
};

/// The largest query over UDP.
const LARGEST_QUERY: usize = 4096;

/// Connections at one time.
const MOST_CONNECTIONS: usize = 128;

/// A connection on which nothing comes for so long ends.
const SILENCE: Duration = Duration::from_secs(10);

/// Sockets that listen at the same addresses over UDP and TCP.
#[derive(Debug)]
pub struct Sockets {
    pairs: Vec<(UdpSocket, TcpListener)>,
}

impl Sockets {
    /// Listens at all of `addresses`. Port 0 is any, the same for both protocols.
    ///
    /// # Errors
    /// When the system refuses one.
    pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut pairs = Vec::new();
        for address in addresses {
            let tcp = TcpListener::bind(address).await?;
            let udp = UdpSocket::bind(tcp.local_addr()?).await?;
            pairs.push((udp, tcp));
        }
        Ok(Self { pairs })
    }

    /// Where they listen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.pairs.iter().map(|(udp, _)| udp.local_addr()).collect()
    }
}

/// What all queries are answered with.
struct Shared {
    names: Arc<Names>,
    upstream: Upstream,
    turn: AtomicUsize,
    connections: Arc<Semaphore>,
}

impl Shared {
    fn decide(&self, packet: &[u8], transport: Transport) -> Verdict {
        let Self { names, upstream, turn, connections: _ } = self;
        upstream.metrics.requests.inc();
        Answerer { names, turn }.decide(packet, transport)
    }
}

/// Answers queries until `shutdown`.
pub async fn serve(sockets: Sockets, names: Arc<Names>, upstream: Upstream, shutdown: CancellationToken) {
    let shared = Arc::new(Shared {
        names,
        upstream,
        turn: AtomicUsize::new(0),
        connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
    });
    let mut serving = JoinSet::new();
    for (udp, tcp) in sockets.pairs {
        serving.spawn(serve_udp(Arc::new(udp), shared.clone()));
        serving.spawn(serve_tcp(tcp, shared.clone()));
    }
    // Dropped, the set ends all that it has.
    shutdown.cancelled().await;
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; LARGEST_QUERY];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            Some(_) = waiting.join_next() => continue,
        };
        // What the kernel reports here is that somebody did not take an earlier reply.
        let Ok((length, from)) = received else {
            tokio::task::yield_now().await;
            continue;
        };
        match shared.decide(&buffer[..length], Transport::Udp) {
            Verdict::Reply(reply) => send(&socket, &reply, from).await,
            Verdict::Forward(query) => {
                let (socket, shared) = (socket.clone(), shared.clone());
                waiting.spawn(async move {
                    let reply = shared.upstream.ask(&query, Transport::Udp).await;
                    send(&socket, &reply, from).await;
                });
            }
            Verdict::Drop => {}
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(reply, to).await {
        tracing::debug!(%error, %to, "a DNS reply is lost");
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        let Ok(permit) = shared.connections.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no DNS connection can be taken in");
                // Out of files, most likely: others have to end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let shared = shared.clone();
        open.spawn(async move {
            let _permit = permit;
            if let Err(error) = converse(stream, &shared).await {
                tracing::debug!(%error, "a DNS connection ended");
            }
        });
        while open.try_join_next().is_some() {}
    }
}

/// Answers the queries of one connection in their order.
async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let read = timeout(SILENCE, async {
            let length = stream.read_u16().await?;
            let mut packet = vec![0; length.into()];
            stream.read_exact(&mut packet).await?;
            Ok::<_, io::Error>(packet)
        });
        let Ok(Ok(packet)) = read.await else { return Ok(()) };
        let reply = match shared.decide(&packet, Transport::Tcp) {
            Verdict::Reply(reply) => reply,
            Verdict::Forward(query) => ask(shared, &query).await,
            Verdict::Drop => return Ok(()),
        };
        timeout(SILENCE, write_message(&mut stream, &reply)).await??;
    }
}

async fn ask(shared: &Shared, query: &Forward) -> Vec<u8> {
    shared.upstream.ask(query, Transport::Tcp).await
}
