//! Passes queries on to the pod's own resolvers.
//!
//! In: a query. Out: the answer of the first server that gives one. It goes out from a port and under a number that nobody can guess, and
//! an answer counts only if it comes from the server that was asked, with that number, to that question.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use hickory_proto::{
    op::{Header, Message, MessageType, Metadata},
    serialize::binary::{BinDecodable as _, BinDecoder},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    DnsMetrics, ResolvConf,
    answer::{Forward, Transport},
};

/// Resolvers in workloads wait this long themselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server gets this long at least, however many there are.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// Queries that are passed on at one time. Each has a socket.
const MOST_AT_ONCE: usize = 256;

/// What is taken of an answer over UDP at least, also from a server that sends more than it should.
const ROOM: usize = 4096;

/// Where the number of a message stands.
const ID: usize = 2;

/// The servers that know all other names.
#[derive(Debug)]
pub struct Upstream {
    servers: Vec<SocketAddr>,
    patience: Duration,
    at_once: Arc<Semaphore>,
    pub(super) metrics: DnsMetrics,
}

impl Upstream {
    /// The servers of a `resolv.conf`, but for `own`, where we listen ourselves: to ask these would never end.
    pub fn new(resolv_conf: &ResolvConf, own: &[SocketAddr], metrics: DnsMetrics) -> Self {
        let others = resolv_conf.servers.iter().filter(|server| !own.contains(server));
        let servers: Vec<SocketAddr> = others.copied().collect();
        let share = PATIENCE / u32::try_from(servers.len().max(1)).unwrap_or(u32::MAX);
        Self {
            servers,
            patience: share.max(LEAST_PATIENCE),
            at_once: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            metrics,
        }
    }

    /// The answer to a query; that nobody answers is an answer, too.
    pub(super) async fn ask(&self, query: &Forward, transport: Transport) -> Vec<u8> {
        let Self { servers, patience, at_once, metrics } = self;
        metrics.upstream_requests.inc();
        let begun = Instant::now();
        if let Ok(_permit) = at_once.try_acquire() {
            for server in servers {
                match timeout(*patience, ask_one(*server, query, transport)).await {
                    Ok(Ok(answer)) => {
                        metrics.upstream_seconds.observe(begun.elapsed().as_secs_f64());
                        return answer;
                    }
                    Ok(Err(error)) => tracing::debug!(%server, %error, "a resolver can't be asked"),
                    Err(_) => tracing::debug!(%server, "a resolver does not answer"),
                }
            }
        }
        metrics.upstream_failures.inc();
        query.failure()
    }
}

async fn ask_one(server: SocketAddr, query: &Forward, transport: Transport) -> io::Result<Vec<u8>> {
    let mut asked = query.packet.clone();
    let number = unguessable();
    asked.get_mut(..ID).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&number.to_be_bytes());
    let mut answer = match transport {
        Transport::Tcp => over_tcp(server, &asked, number, query).await?,
        Transport::Udp => {
            let (answer, truncated) = over_udp(server, &asked, number, query).await?;
            match truncated {
                false => answer,
                // All of it may well fit: servers also cut what they would have to split for the network on their side.
                true => over_tcp(server, &asked, number, query).await.unwrap_or(answer),
            }
        }
    };
    if answer.len() > query.room {
        return Ok(query.truncated());
    }
    answer.get_mut(..ID).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&query.id.to_be_bytes());
    Ok(answer)
}

/// The answer, and whether it is cut.
async fn over_udp(
    server: SocketAddr,
    asked: &[u8],
    number: u16,
    query: &Forward,
) -> io::Result<(Vec<u8>, bool)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // From now on the kernel drops what others send.
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut buffer = vec![0; query.room.max(ROOM)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let packet = &buffer[..length];
        if let Some(metadata) = answers(packet, number, query) {
            return Ok((packet.to_vec(), metadata.truncation));
        }
    }
}

async fn over_tcp(server: SocketAddr, asked: &[u8], number: u16, query: &Forward) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_message(&mut stream, asked).await?;
    let length = stream.read_u16().await?;
    let mut packet = vec![0; length.into()];
    stream.read_exact(&mut packet).await?;
    match answers(&packet, number, query) {
        Some(_) => Ok(packet),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "it answers another question")),
    }
}

/// Writes a message as it goes over a stream: its length first, and both at once, so that they travel together.
pub(super) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

/// The head of the packet, if it is an answer to this question. What the answer is only its reader has to understand.
fn answers(packet: &[u8], number: u16, query: &Forward) -> Option<Metadata> {
    let mut decoder = BinDecoder::new(packet);
    let Header { metadata, counts } = Header::read(&mut decoder).ok()?;
    let queries = Message::read_queries(&mut decoder, counts.queries.into()).ok()?;
    let asked = match &*queries {
        // Letters' case is the server's own business.
        [repeated] => *repeated == query.query,
        // Errors may come without the question.
        [] => counts.answers == 0,
        _ => false,
    };
    let is_response = metadata.message_type == MessageType::Response;
    (is_response && metadata.id == number && asked).then_some(metadata)
}

/// A number that others can't foresee: hashers are seeded by the system's randomness.
fn unguessable() -> u16 {
    let [high, low, ..] = RandomState::new().hash_one(Instant::now()).to_be_bytes();
    u16::from_be_bytes([high, low])
}
