//! The DNS proxy as a client meets it, with resolvers behind it: real sockets, and nothing that waits for time to pass.

#![allow(clippy::unwrap_used)] // Only tests are in here.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use meltemi_agent::dns::{DnsMetrics, Names, ResolvConf, Sockets, Upstream, Zone, serve};
use mesh_proto::istio::networking::nds::v1::{NameTable, name_table::NameInfo};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Something that takes this long has gone wrong.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A resolver that says what it is told to say.
struct Resolver {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Message>>>,
    _end: DropGuard,
}

impl Resolver {
    /// Answers each query with this many addresses, over UDP at most 20 of them.
    async fn start(addresses: u8) -> Self {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let end = CancellationToken::new();
        let notes = heard.clone();
        let run = async move {
            let answer = |packet: &[u8], most: u8| {
                let query = Message::from_vec(packet).unwrap();
                let reply = reply(&query, addresses, most);
                notes.lock().unwrap().push(query);
                reply.to_vec().unwrap()
            };
            let mut buffer = [0; 4096];
            loop {
                tokio::select! {
                    received = udp.recv_from(&mut buffer) => {
                        let (length, from) = received.unwrap();
                        udp.send_to(&answer(&buffer[..length], 20), from).await.unwrap();
                    }
                    accepted = tcp.accept() => {
                        let (mut stream, _) = accepted.unwrap();
                        let packet = read(&mut stream).await;
                        write(&mut stream, &answer(&packet, u8::MAX)).await;
                    }
                }
            }
        };
        tokio::spawn(end.clone().run_until_cancelled_owned(run));
        Self { address, heard, _end: end.drop_guard() }
    }

    fn heard(&self) -> Vec<Message> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn reply(query: &Message, addresses: u8, most: u8) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.metadata.truncation = addresses > most;
    reply.queries = query.queries.clone();
    for last in 0..addresses.min(most) {
        reply.add_answer(Record::from_rdata(
            query.queries[0].name.clone(),
            5,
            RData::A(A::new(192, 0, 2, last)),
        ));
    }
    reply
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u16().await.unwrap();
    let mut packet = vec![0; length.into()];
    stream.read_exact(&mut packet).await.unwrap();
    packet
}

async fn write(stream: &mut TcpStream, packet: &[u8]) {
    stream.write_u16(packet.len().try_into().unwrap()).await.unwrap();
    stream.write_all(packet).await.unwrap();
}

/// The proxy, in front of these resolvers.
struct Proxy {
    address: SocketAddr,
    metrics: DnsMetrics,
    _end: DropGuard,
}

impl Proxy {
    async fn start(servers: &[SocketAddr]) -> Self {
        let names = Names::new(Zone::new("shop", "shop.svc.cluster.local", None));
        let info = NameInfo { ips: vec!["240.240.0.1".into()], ..NameInfo::default() };
        let name = NameTable { name_info: Some(info), ..NameTable::default() }.encode_to_vec();
        names.update([("db.test", &*name)], []).unwrap();
        let sockets = Sockets::bind(&[(Ipv4Addr::LOCALHOST, 0).into()]).await.unwrap();
        let own = sockets.addresses().unwrap();
        let resolv_conf = ResolvConf { servers: [servers, &own].concat(), search: Vec::new() };
        let metrics = DnsMetrics::default();
        let upstream = Upstream::new(&resolv_conf, &own, metrics.clone());
        let end = CancellationToken::new();
        tokio::spawn(serve(sockets, Arc::new(names), upstream, end.clone()));
        Self { address: own[0], metrics, _end: end.drop_guard() }
    }

    async fn udp(&self, query: &Message) -> Message {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.send_to(&query.to_vec().unwrap(), self.address).await.unwrap();
        let mut buffer = [0; 4096];
        let (length, from) = timeout(TOO_LONG, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(from, self.address);
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn tcp(&self, queries: &[Message]) -> Vec<Message> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for query in queries {
            write(&mut stream, &query.to_vec().unwrap()).await;
        }
        let mut replies = Vec::new();
        for _ in queries {
            replies.push(Message::from_vec(&timeout(TOO_LONG, read(&mut stream)).await.unwrap()).unwrap());
        }
        replies
    }

    /// The value of a counter.
    fn counted(&self, name: &str) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().to_owned()
    }
}

fn query(id: u16, name: &str) -> Message {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message
}

#[tokio::test]
async fn names_of_the_mesh_are_answered_and_others_passed_on() {
    let resolver = Resolver::start(2).await;
    let proxy = Proxy::start(&[resolver.address]).await;
    let own = proxy.udp(&query(7, "db.test.")).await;
    assert_eq!(own.answers[0].data, RData::A(A::new(240, 240, 0, 1)));
    assert!(resolver.heard().is_empty());

    let mut asked = query(8, "Example.COM.");
    let mut edns = Edns::new();
    edns.set_max_payload(1400).set_dnssec_ok(true);
    asked.set_edns(edns);
    let passed = proxy.udp(&asked).await;
    assert_eq!((passed.metadata.id, passed.answers.len()), (8, 2));
    let heard = resolver.heard();
    assert_eq!((heard.len(), &heard[0].queries, &heard[0].edns), (1, &asked.queries, &asked.edns));

    // Both over one connection, in order.
    let replies = proxy.tcp(&[query(9, "example.com."), query(10, "db.test.")]).await;
    let summary: Vec<_> = replies.iter().map(|reply| (reply.metadata.id, reply.answers.len())).collect();
    assert_eq!(summary, [(9, 2), (10, 1)]);
    assert_eq!(proxy.counted("dns_requests_total"), "4");
    assert_eq!(proxy.counted("dns_upstream_requests_total"), "2");
}

#[tokio::test]
async fn a_long_answer_is_fetched_over_tcp_and_cut_for_those_who_do_not_take_it() {
    let resolver = Resolver::start(60).await;
    let proxy = Proxy::start(&[resolver.address]).await;
    let short = proxy.udp(&query(1, "long.test.")).await;
    assert!(short.metadata.truncation && short.metadata.id == 1);
    assert_eq!(resolver.heard().len(), 2, "over UDP, and over TCP");
    let mut takes_more = query(2, "long.test.");
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    takes_more.set_edns(edns);
    let whole = proxy.udp(&takes_more).await;
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 60));
    let over_tcp = proxy.tcp(&[query(3, "long.test.")]).await;
    assert_eq!(over_tcp[0].answers.len(), 60);
}

#[tokio::test]
async fn the_next_resolver_is_asked_when_one_is_not_there_and_nobody_asks_itself() {
    // Nothing listens where something did.
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let resolver = Resolver::start(1).await;
    let proxy = Proxy::start(&[nobody, resolver.address]).await;
    assert_eq!(proxy.udp(&query(1, "example.com.")).await.answers.len(), 1);

    // The proxy is in its own list of resolvers in all of these tests.
    let alone = Proxy::start(&[nobody]).await;
    let failed = alone.udp(&query(2, "example.com.")).await;
    assert_eq!((failed.metadata.id, failed.metadata.response_code), (2, ResponseCode::ServFail));
    assert_eq!(alone.counted("dns_requests_total"), "1");
    assert_eq!(alone.counted("dns_upstream_failures_total"), "1");
}

#[tokio::test]
async fn only_the_answer_to_the_question_counts() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(&[server.local_addr().unwrap()]).await;
    let liar = async {
        let mut buffer = [0; 4096];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        let asked = Message::from_vec(&buffer[..length]).unwrap();
        let good = reply(&asked, 1, 1);
        let mut numbered = good.clone();
        numbered.metadata.id ^= 1;
        let mut other = good.clone();
        other.queries[0].set_name(Name::from_ascii("other.test.").unwrap());
        let mut question = good.clone();
        question.metadata.message_type = MessageType::Query;
        for lie in [numbered, other, question] {
            server.send_to(&lie.to_vec().unwrap(), from).await.unwrap();
        }
        server.send_to(b"nonsense", from).await.unwrap();
        server.send_to(&good.to_vec().unwrap(), from).await.unwrap();
    };
    let asked = query(5, "example.com.");
    let (answer, ()) = tokio::join!(proxy.udp(&asked), liar);
    assert_eq!((answer.metadata.id, &answer.queries), (5, &asked.queries));
}
