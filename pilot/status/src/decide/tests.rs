//! When something is written, and when not.

mod many;

use super::*;
use mesh_model::{Kind, Reason};
use std::sync::Mutex;

/// Proxies as a test says they are.
#[derive(Default)]
struct Proxies {
    sequence: u64,
    reached: Mutex<Reached>,
    rejected: BTreeSet<Str>,
    conflicts: BTreeMap<ObjectRef, Vec<Problem>>,
    /// What was asked for last.
    asked: Mutex<BTreeMap<ObjectRef, Since>>,
}

impl Progress for Proxies {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn epoch(&self) -> [u64; 4] {
        [self.sequence, 0, 0, 0]
    }

    fn refusals(&self) -> u64 {
        0
    }

    fn rejected(&self) -> BTreeSet<Str> {
        self.rejected.clone()
    }

    fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        self.conflicts.clone()
    }

    fn reached(&self, objects: &BTreeMap<ObjectRef, Since>) -> BTreeMap<ObjectRef, Reached> {
        self.asked.lock().unwrap().clone_from(objects);
        let reached = self.reached.lock().unwrap();
        objects.keys().map(|object| (object.clone(), reached.clone())).collect()
    }
}

impl Proxies {
    fn have(total: usize, acknowledged: usize) -> Self {
        let proxies = Self { sequence: 7, ..Self::default() };
        proxies.set(total, acknowledged);
        proxies
    }

    fn set(&self, total: usize, acknowledged: usize) {
        let waiting = if acknowledged < total { ["late.x".into()].into() } else { BTreeSet::new() };
        *self.reached.lock().unwrap() = Reached { total, acknowledged, waiting, ..Reached::default() };
    }
}

/// One object and its leader.
struct World {
    decider: Decider,
    report: Report,
    held: BTreeMap<ObjectRef, Held>,
    now: Instant,
}

fn object() -> ObjectRef {
    ObjectRef::new(Kind::VirtualService, "shop", "web")
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let mut world =
            Self { decider: Decider::new(now), report: Report::default(), held: BTreeMap::new(), now };
        world.edit(1);
        world.held.insert(
            object(),
            Held { uid: None, generation: 1, conditions: Vec::new(), others: Vec::new(), version: None },
        );
        world
    }

    /// The object has another generation, which everybody has seen.
    fn edit(&mut self, generation: i64) {
        self.report.generations.insert(object(), generation);
        if let Some(held) = self.held.get_mut(&object()) {
            held.generation = generation;
        }
    }

    fn plan(&mut self, proxies: &Proxies) -> Plan {
        self.decider.plan(&self.report, &self.held, proxies, self.now)
    }

    /// Plans, and makes the writes. Gives what `Programmed` became, if anything was written.
    fn step(&mut self, proxies: &Proxies) -> Option<String> {
        let plan = self.plan(proxies);
        assert!(plan.writes.len() <= 1);
        let Write { object, held: _, conditions } = plan.writes.into_iter().next()?;
        let programmed = format!("{}: {}", conditions[2].reason, conditions[2].message);
        if let Some(held) = self.held.get_mut(&object) {
            held.conditions = conditions.to_vec();
        }
        self.decider.wrote(&object, Some(Said { conditions, left: Vec::new() }), self.now);
        Some(programmed)
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

#[test]
fn an_edit_that_arrives_at_once_is_one_write() {
    let mut world = World::new();
    let proxies = Proxies::have(2, 1);
    assert_eq!(world.step(&proxies), None, "a moment's grace");
    assert_eq!(world.plan(&proxies).again, Some(POLL));
    proxies.set(2, 2);
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 2 of 2 proxies"));
    let quiet = world.plan(&proxies);
    assert!(quiet.writes.is_empty() && quiet.again.is_none() && !quiet.follows_proxies);
}

#[test]
fn a_slow_one_is_called_pending_and_counted_seldom() {
    let mut world = World::new();
    let proxies = Proxies::have(3, 1);
    assert_eq!(world.step(&proxies), None);
    world.later(2);
    assert_eq!(world.step(&proxies).as_deref(), Some("Pending: 1 of 3 proxies; waiting for late.x, ..."));
    proxies.set(3, 2);
    world.later(2);
    assert_eq!(world.step(&proxies), None);
    world.later(10);
    assert_eq!(world.step(&proxies).as_deref(), Some("Pending: 2 of 3 proxies; waiting for late.x"));
    proxies.set(3, 3);
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 3 of 3 proxies"));
}

#[test]
fn what_holds_stays_while_proxies_come_and_go() {
    let mut world = World::new();
    let proxies = Proxies::have(2, 2);
    world.step(&proxies);
    for (total, acknowledged) in [(3, 2), (3, 3), (0, 0), (2000, 1)] {
        proxies.set(total, acknowledged);
        world.later(60);
        assert_eq!(world.step(&proxies), None);
        assert!(proxies.asked.lock().unwrap().is_empty(), "nothing has to be counted");
    }
    // Another leader finds it so.
    world.decider = Decider::new(world.now);
    assert_eq!(world.step(&proxies), None);
}

#[test]
fn nobody_there_becomes_somebody() {
    let mut world = World::new();
    let proxies = Proxies::have(0, 0);
    assert!(world.step(&proxies).unwrap().starts_with("NoProxies"));
    proxies.set(1, 0);
    world.later(60);
    assert_eq!(world.step(&proxies), None, "it is not taken back meanwhile");
    proxies.set(1, 1);
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 1 of 1 proxy"));
}

#[test]
fn a_refusal_takes_it_back_until_it_ends() {
    let mut world = World::new();
    let mut proxies = Proxies::have(2, 2);
    world.step(&proxies);
    proxies.rejected = [object().to_string().into()].into();
    proxies.reached.lock().unwrap().acknowledged = 1;
    proxies.reached.lock().unwrap().rejected = [("a.x".into(), "no".into())].into();
    assert_eq!(world.step(&proxies).as_deref(), Some("Rejected: 1 of 2 proxies; rejected by a.x: no"));
    // The next leader waits for its proxies before it says anything else.
    world.decider = Decider::new(world.now);
    proxies.set(0, 0);
    proxies.rejected.clear();
    assert_eq!(world.step(&proxies), None);
    proxies.set(2, 2);
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 2 of 2 proxies"));
}

#[test]
fn each_generation_is_told_of_anew() {
    let mut world = World::new();
    let mut proxies = Proxies::have(1, 1);
    world.step(&proxies);
    world.report.generations.insert(object(), 2);
    assert_eq!(world.step(&proxies), None, "ingest and the watch are not level");
    world.edit(2);
    proxies.sequence = 9;
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 1 of 1 proxy"));
    assert_eq!(proxies.asked.lock().unwrap().get(&object()).map(|since| since.sequence), Some(9));
    assert!(world.held[&object()].conditions.iter().all(|condition| condition.observed_generation == 2));
}

#[test]
fn what_makes_no_sense_is_not_programmed_and_a_failed_write_rests() {
    let mut world = World::new();
    let problem = Problem::error(Reason::InvalidValue, "spec.hosts", "no");
    let entry = pilot_ingest::ObjectReport {
        source: mesh_model::Source::Cluster,
        object: Some(object()),
        generation: 1,
        problems: vec![problem],
        suppressed: Vec::new(),
    };
    world.report.entries = vec![entry.into()];
    let proxies = Proxies::have(1, 1);
    let plan = world.plan(&proxies);
    assert_eq!(plan.writes[0].conditions[0].reason, "Invalid");
    assert_eq!(plan.writes[0].conditions[2].reason, "NotAccepted");
    world.decider.wrote(&object(), None, world.now);
    assert!(world.plan(&proxies).writes.is_empty());
    world.later(10);
    assert_eq!(world.plan(&proxies).writes.len(), 1);
    // It recovers.
    world.step(&proxies);
    world.report.entries.clear();
    world.later(20);
    assert_eq!(world.step(&proxies).as_deref(), Some("Programmed: 1 of 1 proxy"));
}

#[test]
fn whoever_undoes_it_wins_for_ever_longer() {
    let mut world = World::new();
    let proxies = Proxies::have(1, 1);
    world.step(&proxies);
    let mut writes = 1;
    for _ in 0..600 {
        world.held.get_mut(&object()).unwrap().conditions.clear();
        world.later(1);
        writes += usize::from(world.step(&proxies).is_some());
    }
    assert!((2..9).contains(&writes), "{writes} writes in ten minutes");
}

#[test]
fn what_somebody_else_has_taken_over_is_left_while_it_stays() {
    let mut world = World::new();
    let mut proxies = Proxies::have(1, 1);
    world.step(&proxies);
    let theirs = |reason| Condition::new(ConditionType::Accepted, false, reason, "not for us", 1);
    world.held.get_mut(&object()).unwrap().conditions[0] = theirs("Theirs");
    // The write finds it taken: theirs stays.
    let leave = |world: &mut World, theirs: &Condition, plan: Plan| {
        let [Write { object, held: _, conditions }] = <[Write; 1]>::try_from(plan.writes).unwrap();
        let held = world.held.get_mut(&object).unwrap();
        held.conditions = conditions.to_vec();
        held.conditions[0] = theirs.clone();
        let left = vec![(ConditionType::Accepted, Some(theirs.clone()))];
        world.decider.wrote(&object, Some(Said { conditions, left }), world.now);
    };
    let plan = world.plan(&proxies);
    leave(&mut world, &theirs("Theirs"), plan);
    for _ in 0..100 {
        world.later(60);
        assert!(world.plan(&proxies).writes.is_empty(), "nothing is tried again");
    }
    // What is ours goes on at once.
    proxies.conflicts =
        [(object(), vec![Problem::error(Reason::NotFound, "spec.http[0]", "no such subset")])].into();
    let plan = world.plan(&proxies);
    assert_eq!(plan.writes[0].conditions[1].reason, "NotFound");
    leave(&mut world, &theirs("Theirs"), plan);
    assert!(world.plan(&proxies).writes.is_empty());
    // Another word of theirs is a reason to look whose it is, and so is that it is gone.
    world.held.get_mut(&object()).unwrap().conditions[0] = theirs("Other");
    let plan = world.plan(&proxies);
    leave(&mut world, &theirs("Other"), plan);
    world.later(60);
    world.held.get_mut(&object()).unwrap().conditions.remove(0);
    assert_eq!(world.plan(&proxies).writes.len(), 1);
}
