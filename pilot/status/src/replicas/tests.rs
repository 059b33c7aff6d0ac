//! Replicas that read each other's lines, without a server in between.

use super::*;
use mesh_model::{Kind, Reason};

/// Proxies as a test says they are.
#[derive(Default)]
struct Own {
    reached: Mutex<Reached>,
    attached: Mutex<u64>,
    conflicts: Mutex<BTreeMap<ObjectRef, Vec<Problem>>>,
}

impl Progress for Own {
    fn sequence(&self) -> u64 {
        3
    }

    fn epoch(&self) -> [u64; 4] {
        [3, *self.attached.lock().unwrap(), 0, 0]
    }

    fn refusals(&self) -> u64 {
        0
    }

    fn rejected(&self) -> BTreeSet<Str> {
        let refused = !self.reached.lock().unwrap().rejected.is_empty();
        refused.then(|| web().to_string().into()).into_iter().collect()
    }

    fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        self.conflicts.lock().unwrap().clone()
    }

    fn reached(&self, objects: &BTreeMap<ObjectRef, Since>) -> BTreeMap<ObjectRef, Reached> {
        let reached = self.reached.lock().unwrap();
        objects.keys().map(|object| (object.clone(), reached.clone())).collect()
    }
}

/// A replica with its proxies.
struct Replica {
    name: &'static str,
    own: Arc<Own>,
    replicas: Replicas,
    known: BTreeMap<ObjectRef, Since>,
}

const EXPIRY: Duration = Duration::from_secs(60);

impl Replica {
    fn new(name: &'static str, total: usize, acknowledged: usize) -> Self {
        let own = Arc::<Own>::default();
        let replicas = Replicas::new(own.clone(), EXPIRY);
        let replica = Self { name, own, replicas, known: BTreeMap::new() };
        replica.have(total, acknowledged);
        replica
    }

    fn have(&self, total: usize, acknowledged: usize) {
        *self.own.reached.lock().unwrap() = Reached { total, acknowledged, ..Reached::default() };
    }

    /// What it says, knowing the object in this generation.
    fn says(&mut self, generation: i64) -> (Str, Str) {
        let report = Report { generations: [(web(), generation)].into_iter().collect(), ..Report::default() };
        let (line, _) = self.replicas.line(&report, &mut self.known);
        (self.name.into(), serde_json::to_string(&line).unwrap().into())
    }

    fn hears(&self, lines: &[&(Str, Str)]) {
        let lines = lines.iter().map(|line| (*line).clone()).collect();
        self.replicas.read(self.name, lines, false, Instant::now());
    }

    /// How far the object is, all in all.
    fn reached(&self) -> Reached {
        let since = Since { generation: 2, sequence: 3 };
        self.replicas.reached(&[(web(), since)].into()).remove(&web()).unwrap()
    }
}

fn web() -> ObjectRef {
    ObjectRef::new(Kind::VirtualService, "shop", "web")
}

fn counts(reached: &Reached) -> (usize, usize, usize) {
    (reached.acknowledged, reached.total, reached.unheard.len())
}

#[test]
fn the_leader_asks_and_adds_up() {
    let (mut leader, mut other) = (Replica::new("a", 3, 3), Replica::new("b", 5, 4));
    assert_eq!(counts(&leader.reached()), (3, 3, 1), "nobody has been heard yet");
    leader.hears(&[]);
    assert_eq!(counts(&leader.reached()), (3, 3, 0), "alone");
    assert!(leader.replicas.asked().is_empty() && leader.replicas.lock().asks.current.is_empty());

    let silent = other.says(2);
    leader.hears(&[&silent]);
    assert_eq!(counts(&leader.reached()), (3, 3, 1));
    let question = leader.says(2);
    other.hears(&[&question]);
    leader.hears(&[&other.says(1)]);
    assert_eq!(counts(&leader.reached()), (3, 3, 1), "it has not seen this generation yet");
    leader.hears(&[&other.says(2)]);
    assert_eq!(counts(&leader.reached()), (7, 8, 0));
    other.have(5, 5);
    leader.hears(&[&other.says(2)]);
    assert_eq!(counts(&leader.reached()), (8, 8, 0));
}

#[test]
fn what_one_refuses_all_know() {
    let (mut leader, mut other) = (Replica::new("a", 1, 1), Replica::new("b", 1, 0));
    other.own.reached.lock().unwrap().rejected.insert("sleep.shop".into(), "bad regex".into());
    leader.hears(&[&other.says(2)]);
    // Told without being asked; what exactly, when asked.
    assert_eq!(leader.replicas.rejected(), [web().to_string().into()].into());
    leader.reached();
    other.hears(&[&leader.says(2)]);
    leader.hears(&[&other.says(2)]);
    let reached = leader.reached();
    assert_eq!(counts(&reached), (1, 2, 0));
    assert_eq!(reached.rejected, [("sleep.shop".into(), "bad regex".into())].into());
}

#[test]
fn who_is_gone_does_not_count() {
    let (mut leader, mut other) = (Replica::new("a", 1, 1), Replica::new("b", 1, 0));
    leader.hears(&[&other.says(2)]);
    leader.reached();
    other.hears(&[&leader.says(2)]);
    leader.hears(&[&other.says(2)]);
    assert_eq!(counts(&leader.reached()), (1, 2, 0));
    let later = Instant::now() + EXPIRY;
    assert_eq!(leader.replicas.gone(later), ["b".into()]);
    leader.hears(&[]);
    assert_eq!(counts(&leader.reached()), (1, 1, 0));
    // Who cannot be understood is not taken for nobody.
    leader.hears(&[&("c".into(), "{\"counts\": 7}".into())]);
    assert_eq!(leader.reached().unheard, ["c".into()].into());
}

/// An object that concerns nobody is asked about again only when somebody comes.
#[test]
fn nobody_asks_for_nothing() {
    let (mut leader, mut other) = (Replica::new("a", 0, 0), Replica::new("b", 0, 0));
    leader.hears(&[&other.says(2)]);
    leader.reached();
    other.hears(&[&leader.says(2)]);
    leader.hears(&[&other.says(2)]);
    assert_eq!(counts(&leader.reached()), (0, 0, 0));
    assert!(leader.replicas.lock().asks.current.is_empty());
    *other.own.attached.lock().unwrap() += 1;
    other.hears(&[&leader.says(2)]);
    leader.hears(&[&other.says(2)]);
    assert_eq!(counts(&leader.reached()), (0, 0, 0), "what was said holds until something else is said");
    assert_eq!(leader.replicas.lock().asks.current.len(), 1);
}

#[test]
fn conflicts_of_all_are_told() {
    let (leader, mut other) = (Replica::new("a", 0, 0), Replica::new("b", 0, 0));
    let problem = Problem::warning(Reason::Conflict, "spec.ports", "an older service").hint("another port");
    let conflicts: BTreeMap<_, _> = [(web(), vec![problem])].into();
    other.own.conflicts.lock().unwrap().clone_from(&conflicts);
    leader.hears(&[&other.says(2)]);
    assert_eq!(leader.replicas.conflicts(), conflicts);
    // Its proxies have gone: it is not forgotten at once.
    other.own.conflicts.lock().unwrap().clear();
    leader.hears(&[&other.says(2)]);
    assert_eq!(leader.replicas.conflicts(), conflicts);
}
