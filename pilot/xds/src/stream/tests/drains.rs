//! Clusters that listeners name wait for the connections of listeners that are gone.

use super::rules::Desk;
use super::*;
use crate::stream::drains::MOST;
use crate::testing::parts;
use prost::Message as _;

fn inbound(port: usize, salt: &str) -> Arc<Resource> {
    let name = format!("inbound|{port}||");
    let message = parts::Cluster { name: name.clone(), discovery_type: Some(4), salt: salt.into() };
    Resource::new(ResourceType::Cluster, name, &message.encode_to_vec(), &[], Arc::new([]))
}

fn removed(desk: &mut Desk) -> Vec<Arc<str>> {
    let mut removed = Vec::new();
    while let Some(response) = desk.next() {
        desk.ack(&response);
        removed.extend(response.removed);
    }
    removed
}

fn with_ports(ports: std::ops::Range<usize>) -> Desk {
    let mut desk = Desk::new(Protocol::Delta);
    desk.publish(|edit| ports.for_each(|port| edit.set(inbound(port, "a"))));
    desk.ask(ResourceType::Cluster, &[]);
    desk.ask(ResourceType::Listener, &[]);
    removed(&mut desk);
    desk
}

#[test]
fn what_a_listener_named_stays_for_the_drain_time_and_is_not_waited_for() {
    let mut desk = with_ports(1..3);
    desk.publish(|edit| edit.remove(ResourceType::Cluster, "inbound|1||"));
    assert!(removed(&mut desk).is_empty());
    assert!(desk.state.is_draining() && desk.state.has(&desk.snapshot));
    desk.state.drain_time_passed();
    assert!(removed(&mut desk).is_empty(), "it may have begun to wait right before the tick");
    desk.state.drain_time_passed();
    assert_eq!(removed(&mut desk), ["inbound|1||".into()]);
    assert!(!desk.state.is_draining() && desk.state.has(&desk.snapshot));
}

#[test]
fn what_comes_back_waits_anew_when_it_goes_again() {
    let mut desk = with_ports(1..2);
    desk.publish(|edit| edit.remove(ResourceType::Cluster, "inbound|1||"));
    removed(&mut desk);
    desk.state.drain_time_passed();
    desk.publish(|edit| edit.set(inbound(1, "b")));
    removed(&mut desk);
    assert!(!desk.state.is_draining());
    desk.publish(|edit| edit.remove(ResourceType::Cluster, "inbound|1||"));
    removed(&mut desk);
    desk.state.drain_time_passed();
    assert!(removed(&mut desk).is_empty());
    desk.state.drain_time_passed();
    assert_eq!(removed(&mut desk), ["inbound|1||".into()]);
}

#[test]
fn however_many_edits_there_are_only_so_many_wait() {
    let mut desk = with_ports(0..1);
    for port in 0..MOST + 3 {
        desk.publish(|edit| {
            edit.remove(ResourceType::Cluster, &format!("inbound|{port}||"));
            edit.set(inbound(port + 1, "a"));
        });
        let expected: Vec<Arc<str>> = match port.checked_sub(MOST) {
            Some(oldest) => vec![format!("inbound|{oldest}||").into()],
            None => Vec::new(),
        };
        assert_eq!(removed(&mut desk), expected, "after edit {port}");
    }
}
