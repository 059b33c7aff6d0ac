//! From a query to what becomes of it.
//!
//! In: a packet and the names. Out: a reply, or that the query is to be passed on. No IO.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
    serialize::binary::{BinEncodable as _, BinEncoder},
};

use super::{
    Names,
    lookup::{Found, canonical},
    names::Entry,
};

/// Clients come back for new addresses this often, in seconds.
const TTL: u32 = 30;

/// What a client takes over UDP that does not say how much.
const PLAIN_UDP: u16 = 512;

/// What we take over UDP: no network on the way splits it.
const OUR_UDP: u16 = 1232;

/// Length of a header.
const HEADER: usize = 12;

/// What becomes of a packet.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is answered with this.
    Reply(Vec<u8>),
    /// It is passed on.
    Forward(Forward),
    /// It is no query.
    Drop,
}

/// A query that others may answer.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    /// The query as it came.
    pub(super) packet: Vec<u8>,
    /// Its number.
    pub(super) id: u16,
    /// What it asks.
    pub(super) query: Query,
    /// How large a reply may be.
    pub(super) room: usize,
    metadata: Metadata,
    edns: bool,
}

/// Over which protocol a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Answers queries from the names.
#[derive(Debug)]
pub(super) struct Answerer<'a> {
    pub(super) names: &'a Names,
    /// Counts answers: each begins with another address.
    pub(super) turn: &'a AtomicUsize,
}

impl Answerer<'_> {
    /// Decides about a packet.
    pub(super) fn decide(&self, packet: &[u8], transport: Transport) -> Verdict {
        // Too short for a header, or a response: whoever answers these can be made to answer itself for ever.
        let Some([high, low, flags]) = packet.first_chunk::<3>().filter(|_| packet.len() >= HEADER) else {
            return Verdict::Drop;
        };
        if flags & 0x80 != 0 {
            return Verdict::Drop;
        }
        let Ok(request) = Message::from_vec(packet) else {
            let mut failed = Message::response(u16::from_be_bytes([*high, *low]), OpCode::Query);
            failed.metadata.response_code = ResponseCode::FormErr;
            return reply(&failed, PLAIN_UDP);
        };
        let edns = request.edns.is_some();
        let room = match transport {
            Transport::Udp => {
                request.edns.as_ref().map_or(PLAIN_UDP, |edns| edns.max_payload().max(PLAIN_UDP))
            }
            Transport::Tcp => u16::MAX,
        };
        let refuse = |code| reply(&respond(&request.metadata, &request.queries, edns, code), room);
        if request.metadata.op_code != OpCode::Query || request.metadata.message_type != MessageType::Query {
            return refuse(ResponseCode::NotImp);
        }
        let [query] = &*request.queries else { return refuse(ResponseCode::FormErr) };
        let forward = || {
            Verdict::Forward(Forward {
                packet: packet.to_vec(),
                id: request.metadata.id,
                query: query.clone(),
                room: room.into(),
                metadata: request.metadata,
                edns,
            })
        };
        let addresses = matches!(query.query_type, RecordType::A | RecordType::AAAA);
        if !addresses || query.query_class != DNSClass::IN {
            return forward();
        }
        let asked = query.name.to_ascii();
        let (alias, entry) = match self.names.find(&canonical(&asked)) {
            // Whoever asked outside now would be told for minutes that there is no such name.
            Found::NotYet => return refuse(ResponseCode::ServFail),
            Found::No => return forward(),
            Found::Here(entry) => (None, entry),
            Found::Alias(meant, entry) => (Some(meant), entry),
        };
        let mut response = respond(&request.metadata, &request.queries, edns, ResponseCode::NoError);
        response.metadata.authoritative = true;
        response.answers = self.records(query, alias.as_deref(), &entry);
        reply(&response, room)
    }

    /// The addresses of the kind that is asked for. There may be none: that is not the same as that there is no such name.
    fn records(&self, query: &Query, alias: Option<&str>, entry: &Entry) -> Vec<Record> {
        let mut data: Vec<RData> = match query.query_type {
            RecordType::A => entry.v4.iter().map(|address| RData::A(A(*address))).collect(),
            RecordType::AAAA => entry.v6.iter().map(|address| RData::AAAA(AAAA(*address))).collect(),
            _ => Vec::new(),
        };
        if data.is_empty() {
            return Vec::new();
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % data.len();
        data.rotate_left(first);
        // It was part of a name that came in a packet.
        let target = alias.and_then(|meant| Name::from_ascii(format!("{meant}.")).ok());
        let owner = target.as_ref().unwrap_or(&query.name);
        let addresses = data.into_iter().map(|data| Record::from_rdata(owner.clone(), TTL, data));
        let alias = target
            .as_ref()
            .map(|target| Record::from_rdata(query.name.clone(), TTL, RData::CNAME(CNAME(target.clone()))));
        alias.into_iter().chain(addresses).collect()
    }
}

impl Forward {
    /// That nobody answered it.
    pub(super) fn failure(&self) -> Vec<u8> {
        let response =
            respond(&self.metadata, std::slice::from_ref(&self.query), self.edns, ResponseCode::ServFail);
        encode(&response, PLAIN_UDP)
    }

    /// That the answer is too long for this protocol.
    pub(super) fn truncated(&self) -> Vec<u8> {
        let mut response =
            respond(&self.metadata, std::slice::from_ref(&self.query), self.edns, ResponseCode::NoError);
        response.metadata.truncation = true;
        encode(&response, PLAIN_UDP)
    }
}

fn respond(request: &Metadata, queries: &[Query], edns: bool, code: ResponseCode) -> Message {
    let mut response = Message::response(request.id, request.op_code);
    response.metadata = Metadata::response_from_request(request);
    response.metadata.recursion_available = true;
    response.metadata.response_code = code;
    response.queries = queries.to_vec();
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(OUR_UDP);
        response.edns = Some(edns);
    }
    response
}

fn reply(response: &Message, room: u16) -> Verdict {
    match encode(response, room) {
        bytes if bytes.is_empty() => Verdict::Drop,
        bytes => Verdict::Reply(bytes),
    }
}

/// The message in at most so many bytes: records that do not fit are left out, and it says so. Empty when not even the question fits.
fn encode(response: &Message, room: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(room);
    match response.emit(&mut encoder) {
        Ok(()) => bytes,
        Err(error) => {
            tracing::debug!(%error, "a reply can't be written");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
