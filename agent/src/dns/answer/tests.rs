//! Packets in, verdicts out.

use mesh_proto::istio::networking::nds::v1::{NameTable, name_table::NameInfo};
use proptest::prelude::*;
use prost::Message as _;

use super::{super::Zone, *};

fn names() -> Names {
    let names = Names::new(Zone::new("shop", "shop.svc.cluster.local", Some("shop.svc.cluster.local")));
    let many: Vec<String> = (0..100).map(|last| format!("10.1.0.{last}")).collect();
    let info = |ips: &[&str]| NameInfo {
        ips: ips.iter().map(ToString::to_string).collect(),
        registry: "Kubernetes".into(),
        shortname: "web".into(),
        namespace: "shop".into(),
    };
    let table = [
        ("web.shop.svc.cluster.local", info(&["10.0.0.1", "10.0.0.2", "nonsense"])),
        ("many.test", NameInfo { ips: many, ..NameInfo::default() }),
        ("six.test", info(&["fd00::1"])),
    ];
    let table = table.map(|(name, info)| (name.to_owned(), info)).into();
    let whole = NameTable { table, name_info: None }.encode_to_vec();
    names.update([("name-table", &*whole)], []).unwrap();
    names
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn decide(names: &Names, packet: &[u8], transport: Transport) -> Verdict {
    Answerer { names, turn: &AtomicUsize::new(0) }.decide(packet, transport)
}

fn answered(names: &Names, message: &Message, transport: Transport) -> Message {
    match decide(names, &message.to_vec().unwrap(), transport) {
        Verdict::Reply(reply) => Message::from_vec(&reply).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn texts(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
}

#[test]
fn addresses_of_a_name_take_turns() {
    let names = names();
    let turn = AtomicUsize::new(0);
    let packet = query("WEB.shop.", RecordType::A).to_vec().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let Verdict::Reply(reply) = (Answerer { names: &names, turn: &turn }).decide(&packet, Transport::Udp)
        else {
            panic!("it is known");
        };
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!((reply.metadata.id, reply.metadata.response_code), (4711, ResponseCode::NoError));
        assert!(
            reply.metadata.authoritative
                && reply.metadata.recursion_desired
                && reply.metadata.recursion_available
        );
        assert!(reply.answers.iter().all(|record| record.ttl == TTL));
        seen.push(texts(&reply));
    }
    assert_eq!(seen[0], ["WEB.shop. 10.0.0.1", "WEB.shop. 10.0.0.2"], "the name is repeated as it was asked");
    assert_eq!(seen[1], ["WEB.shop. 10.0.0.2", "WEB.shop. 10.0.0.1"]);
    assert_eq!(seen[2], seen[0]);
}

#[test]
fn a_name_without_addresses_of_a_kind_is_still_a_name() {
    let reply = answered(&names(), &query("web.", RecordType::AAAA), Transport::Udp);
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    let reply = answered(&names(), &query("six.test.", RecordType::AAAA), Transport::Udp);
    assert_eq!(texts(&reply), ["six.test. fd00::1"]);
}

#[test]
fn a_searched_name_is_an_alias() {
    let reply =
        answered(&names(), &query("six.test.shop.svc.cluster.local.", RecordType::AAAA), Transport::Udp);
    assert_eq!(texts(&reply), ["six.test.shop.svc.cluster.local. six.test.", "six.test. fd00::1"]);
}

#[test]
fn a_reply_over_udp_is_as_long_as_the_client_takes() {
    let names = names();
    let mut message = query("many.test.", RecordType::A);
    let cut = |message: &Message, transport| {
        let reply = answered(&names, message, transport);
        (reply.metadata.truncation, reply.answers.len())
    };
    let (truncated, count) = cut(&message, Transport::Udp);
    assert!(truncated && count < 100, "{count} addresses");
    assert_eq!(cut(&message, Transport::Tcp), (false, 100));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    message.set_edns(edns);
    assert_eq!(cut(&message, Transport::Udp), (false, 100));
    assert!(answered(&names, &message, Transport::Udp).edns.is_some());
}

#[test]
fn other_questions_are_passed_on() {
    let names = names();
    for (name, kind) in
        [("example.com.", RecordType::A), ("web.shop.", RecordType::TXT), ("web.shop.", RecordType::SRV)]
    {
        let packet = query(name, kind).to_vec().unwrap();
        let Verdict::Forward(forward) = decide(&names, &packet, Transport::Udp) else {
            panic!("{name} {kind}")
        };
        assert_eq!((forward.packet.as_slice(), forward.id), (packet.as_slice(), 4711));
        let failure = Message::from_vec(&forward.failure()).unwrap();
        assert_eq!((failure.metadata.id, failure.metadata.response_code), (4711, ResponseCode::ServFail));
    }
}

#[test]
fn before_names_are_known_nobody_is_told_that_there_are_none() {
    let reply = answered(&Names::new(Zone::default()), &query("web.", RecordType::A), Transport::Udp);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn what_is_no_query_gets_no_answer_and_what_is_none_of_ours_an_error() {
    let names = names();
    let response = query("web.", RecordType::A).into_response().to_vec().unwrap();
    assert!(matches!(decide(&names, &response, Transport::Udp), Verdict::Drop));
    assert!(matches!(decide(&names, &[0; 11], Transport::Udp), Verdict::Drop));
    let mut two = query("web.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("api.").unwrap(), RecordType::A));
    assert_eq!(answered(&names, &two, Transport::Udp).metadata.response_code, ResponseCode::FormErr);
    let mut update = query("web.", RecordType::A);
    update.metadata.op_code = OpCode::Notify;
    assert_eq!(answered(&names, &update, Transport::Udp).metadata.response_code, ResponseCode::NotImp);
}

#[test]
fn names_come_change_and_go() {
    let names = names();
    let one = |ip: &str| {
        let info = NameInfo { ips: vec![ip.into()], ..NameInfo::default() };
        NameTable { name_info: Some(info), ..NameTable::default() }.encode_to_vec()
    };
    names
        .update([("New.test", &*one("10.0.0.9")), ("six.test", &*one("10.0.0.6"))], ["many.test", "never"])
        .unwrap();
    assert_eq!(
        texts(&answered(&names, &query("new.test.", RecordType::A), Transport::Udp)),
        ["new.test. 10.0.0.9"]
    );
    assert_eq!(
        texts(&answered(&names, &query("six.test.", RecordType::A), Transport::Udp)),
        ["six.test. 10.0.0.6"]
    );
    assert_eq!(names.count(), 3);
    assert!(names.update([("bad", &[0xff_u8, 0xff][..]), ("x.test", &*one("10.0.0.1"))], []).is_err());
    assert_eq!(names.count(), 3, "nothing of it is taken");
    // Another control plane, which tells them one by one: the table goes first.
    names.update([("x.test", &*one("10.0.0.1"))], ["name-table"]).unwrap();
    assert_eq!(names.count(), 1);
}

proptest! {
    #[test]
    fn no_packet_does_harm(packet in proptest::collection::vec(any::<u8>(), 0..600), tcp in any::<bool>()) {
        check(&packet, if tcp { Transport::Tcp } else { Transport::Udp })?;
    }

    #[test]
    fn nor_does_one_that_is_nearly_a_query(
        name in "[a-zA-Z0-9_*.-]{0,60}",
        kind in any::<u16>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        edns in any::<Option<u16>>(),
    ) {
        let Ok(name) = Name::from_ascii(&name) else { return Ok(()) };
        let mut message = Message::query();
        message.add_query(Query::query(name, kind.into()));
        if let Some(size) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            message.set_edns(edns);
        }
        let Ok(mut packet) = message.to_vec() else { return Ok(()) };
        check(&packet, Transport::Udp)?;
        for (index, byte) in flips {
            let index = index.index(packet.len());
            packet[index] ^= byte;
        }
        packet.truncate(cut.index(packet.len()) + 1);
        check(&packet, Transport::Udp)?;
    }
}

/// A reply is one to this packet, and as long as it may be.
fn check(packet: &[u8], transport: Transport) -> Result<(), TestCaseError> {
    match decide(&names(), packet, transport) {
        Verdict::Reply(reply) => {
            let read = Message::from_vec(&reply);
            prop_assert!(read.is_ok(), "{:?}", read);
            prop_assert_eq!(&reply[..2], &packet[..2]);
            prop_assert!(reply[2] & 0x80 != 0);
        }
        Verdict::Forward(forward) => {
            prop_assert_eq!(&forward.packet, packet);
            prop_assert!(Message::from_vec(&forward.failure()).is_ok());
            prop_assert!(Message::from_vec(&forward.truncated()).is_ok());
        }
        Verdict::Drop => {}
    }
    Ok(())
}
