//! The three steps, under every clock and with whoever has not come yet.

use super::*;
use crate::root::create::self_signed;
use mesh_pki::keys::KeyKind;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn policy() -> Policy {
    let request = Request { organization: "d".to_owned(), key: KeyKind::P256, lifetime: DAY * 100 };
    Policy { request, settle: Duration::from_secs(60), lifetime: DAY, renew_at: 0.2 }
}

fn begin(now: SystemTime) -> Kept {
    Kept::steady(self_signed(&policy().request, now).unwrap())
}

fn world(now: SystemTime) -> World {
    World { now, standing: Standing::default(), unknown_until: now }
}

fn step(kept: &Kept, world: &World) -> Option<Kept> {
    next(kept, world, &policy()).unwrap()
}

#[test]
fn every_step_leaves_both_sides_trusting_each_other() {
    let start = SystemTime::now();
    let mut kept = Kept { requested: true, ..begin(start) };
    let mut now = start;
    let mut names = Vec::new();
    for _ in 0..3 {
        let after = loop {
            match step(&kept, &world(now)) {
                Some(after) => break after,
                None => now += Duration::from_secs(3600),
            }
        };
        let (before, next) = (kept.state(now).unwrap(), after.state(now).unwrap());
        assert!(before.can_become(&next), "{}", after.rotation.name());
        names.push(after.rotation.name());
        kept = after;
    }
    assert_eq!(names, ["distributing the next root", "retiring the old root", "steady"]);
    assert!(step(&kept, &world(now)).is_none(), "a request is heard once");
    assert_eq!(kept.material.roots, kept.material.certificate);
    // The old one stayed for as long as a certificate could live that was signed at the last moment.
    assert!(now >= start + DAY);
}

#[test]
fn no_step_is_skipped_when_the_root_changes_in_one() {
    let now = SystemTime::now();
    let (one, other) = (begin(now), begin(now));
    assert!(!one.state(now).unwrap().can_become(&other.state(now).unwrap()));
}

#[test]
fn the_new_root_signs_only_when_everyone_has_it() {
    let start = SystemTime::now();
    let distributing = step(&Kept { requested: true, ..begin(start) }, &world(start)).unwrap();
    let at = start + DAY / 2;
    assert!(step(&distributing, &World { now: start, ..world(at) }).is_none(), "not before it has settled");
    let standing = Standing { behind: 1, ..Standing::default() };
    assert!(step(&distributing, &World { standing, ..world(at) }).is_none(), "not while one is behind");
    let unknown_until = at + Duration::from_secs(1);
    assert!(step(&distributing, &World { unknown_until, ..world(at) }).is_none(), "nor while others may be");
    let retiring = step(&distributing, &world(at)).unwrap();
    let Rotation::Retiring { until, .. } = retiring.rotation else { panic!("{retiring:?}") };
    assert!(until >= at + DAY);
    // The end of the old root waits for nobody.
    let standing = Standing { behind: 1, ..Standing::default() };
    let end = start + DAY * 99;
    assert!(step(&distributing, &World { standing, now: end, unknown_until: end + DAY }).is_some());
}

#[test]
fn the_old_root_stays_for_the_longest_certificate() {
    let start = SystemTime::now();
    let distributing = step(&Kept { requested: true, ..begin(start) }, &world(start)).unwrap();
    let at = start + DAY;
    let standing = Standing { latest: Some(at + DAY * 30), ..Standing::default() };
    let retiring = step(&distributing, &World { standing, ..world(at) }).unwrap();
    assert!(step(&retiring, &world(at + DAY * 30)).is_none());
    assert!(step(&retiring, &world(at + DAY * 31)).is_some());
}

#[test]
fn a_root_is_changed_by_itself_before_it_ends() {
    let start = SystemTime::now();
    let kept = begin(start);
    assert!(step(&kept, &world(start + DAY * 79)).is_none());
    let changed = step(&kept, &world(start + DAY * 81)).unwrap();
    assert!(matches!(changed.rotation, Rotation::Distributing { .. }));
    // What is kept holds both, and the current one first.
    assert!(changed.material.roots.starts_with(&kept.material.certificate));
}

#[test]
fn certificates_of_other_replicas_that_live_longer_are_waited_for() {
    let start = SystemTime::now();
    let kept = Kept { requested: true, longest: Some(DAY * 20), ..begin(start) };
    let distributing = step(&kept, &world(start)).unwrap();
    let retiring = step(&distributing, &world(start + DAY)).unwrap();
    assert!(step(&retiring, &world(start + DAY * 20)).is_none());
    let steady = step(&retiring, &world(start + DAY * 22)).unwrap();
    assert_eq!(steady.longest, kept.longest);
}
