//! Until when somebody may be left who does not know the new root, by what replicas say and what they don't.

use super::*;
use crate::{
    caller::{Caller, Pod, Proof},
    issue::Issued,
};
use mesh_pki::{TrustBundle, keys::KeyKind};

const HOUR: Duration = Duration::from_secs(3600);

fn roots() -> Digest {
    let request =
        crate::root::create::Request { organization: "d".to_owned(), key: KeyKind::P256, lifetime: HOUR };
    let made = crate::root::create::self_signed(&request, SystemTime::now()).unwrap();
    TrustBundle::from_pem(&made.roots).unwrap().digest()
}

fn issue(ledger: &Ledger, proof: Proof, serial: &str, bundle: Digest, now: SystemTime) {
    let caller = Caller { identity: "spiffe://d/ns/a/sa/b".parse().unwrap(), proof };
    let issued = Issued { chain: Vec::new(), serial: serial.to_owned(), not_after: now + HOUR, bundle };
    ledger.issued(&caller, &issued, now);
}

fn pod(uid: &str) -> Proof {
    let pod = Pod { name: uid.to_owned(), uid: uid.to_owned(), node: None };
    Proof::ServiceAccount { cluster: "c".into(), pod: Some(pod) }
}

fn renewal(serial: &str) -> Proof {
    Proof::Certificate { serial: serial.to_owned() }
}

fn behind(ledger: &Ledger, bundle: Digest, now: SystemTime) -> usize {
    ledger.standing(bundle, now).behind
}

/// As it gets there: written and read.
fn line(ledger: &Ledger, bundle: Digest, now: SystemTime) -> Summary {
    Summary::read(&Summary::of(ledger, bundle, now).write().unwrap()).unwrap()
}

#[test]
fn certificates_that_were_renewed_elsewhere_are_no_longer_waited_for() {
    let (old, new, start) = (roots(), roots(), SystemTime::now());
    let (here, there) = (Ledger::default(), Ledger::default());
    issue(&here, Proof::Oidc, "1", old, start);
    issue(&here, pod("a"), "2", old, start);
    issue(&here, pod("b"), "3", old, start);
    let later = start + Duration::from_secs(600);
    issue(&there, renewal("1"), "11", new, later);
    issue(&there, pod("a"), "12", new, later);
    // One that got the old roots there, too, and one so soon after that the clocks may deceive.
    issue(&there, pod("b"), "13", old, later);
    issue(&here, pod("c"), "4", old, start);
    issue(&there, pod("c"), "14", new, start + Duration::from_secs(60));
    assert_eq!(behind(&here, new, later), 4);
    here.give_up(&line(&there, new, later).taken());
    let left = here.held(new, later);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(behind(&there, new, later), 1);
    // What it has of its own goes on: nothing is dropped that was not renewed.
    there.give_up(&line(&here, new, later).taken());
    assert_eq!(behind(&there, new, later), 1);
    // A chain of renewals over several replicas ends with the last.
    let third = Ledger::default();
    issue(&third, renewal("13"), "23", new, later);
    there.give_up(&line(&third, new, later).taken());
    assert_eq!(behind(&there, new, later), 0);
}

#[test]
fn what_is_not_said_is_bounded_by_time() {
    let (old, new, start) = (roots(), roots(), SystemTime::now());
    let bounds = Bounds {
        signer_since: start,
        since: start + HOUR,
        settle: Duration::from_secs(60),
        lifetime: HOUR * 24,
    };
    let silent = start + HOUR * 25 + Duration::from_secs(60);
    let now = start + HOUR * 2;
    let until = |lines: &[(&str, Summary)], since: SystemTime, unreadable: bool| {
        let lines = lines.iter().map(|(name, line)| ((*name).to_owned(), line.clone())).collect();
        unknown_until("me", &Known { since, lines, unreadable }, new, &bounds)
    };
    let fine = line(&Ledger::default(), new, now);
    let busy = Ledger::default();
    issue(&busy, pod("a"), "1", old, now);
    assert!(until(&[("me", fine.clone()), ("other", fine.clone())], start, false) <= now, "nobody is behind");
    let waits = until(&[("other", line(&busy, new, now))], start, false);
    assert!(waits >= now + HOUR && waits <= now + HOUR + Duration::from_secs(2), "one is behind");
    assert_eq!(
        until(&[("other", line(&busy, old, now))], start, false),
        silent,
        "it has not heard, or is dead"
    );
    assert_eq!(until(&[("other", Summary::new(now))], start, false), silent, "it has only begun");
    assert_eq!(until(&[("other", fine.clone())], start, true), silent, "a line that can't be read");
    let began = start + HOUR;
    assert_eq!(until(&[("other", fine)], began, false), began + HOUR * 24, "lines were begun later");
}

#[test]
fn no_line_makes_it_panic() {
    for line in [
        "",
        "{}",
        "null",
        r#"{"bundle":"","at":1,"behind":0,"behindUntil":0,"certificates":"AAA=","pods":"AAAA"}"#,
    ] {
        if let Some(summary) = Summary::read(line) {
            assert_eq!(summary.taken(), crate::ledger::Taken::default(), "{line}");
        }
    }
}
