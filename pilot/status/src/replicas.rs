//! How far the proxies of all replicas have got: each replica knows only its own.
//!
//! In: what this replica's proxies have ([`Progress`]), and what the others say on the board. Out: the sum, with who has not been heard yet; what
//! this replica is to say. The leader asks about objects, the others count them: nothing is counted or written while nobody asks.

mod asks;
mod board;
mod inquiries;
mod line;

use crate::progress::{Progress, Reached, Since};
use asks::Asks;
use line::{Ask, Count, Line, object_of};
use mesh_model::{ObjectRef, Problem, Str};
use pilot_ingest::Report;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

pub use board::BOARD_NAME;
pub(crate) use board::{Speaker, name as board_name, share};
pub use inquiries::Inquiries;

/// How long a conflict is still told after its last proxy has gone: proxies come and go, statuses should not.
const REMEMBERED: Duration = Duration::from_secs(60);

/// This replica and the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replicas {
    own: Arc<dyn Progress>,
    state: Arc<Mutex<State>>,
    /// Something is to be said that is not on the board yet.
    news: Arc<Notify>,
    /// How long a line may stay as it is before its replica counts as gone.
    expiry: Duration,
}

#[derive(Default)]
struct State {
    /// Why the board cannot be read; until it is read for the first time, that.
    blind: Option<Str>,
    others: HashMap<Str, Other>,
    asks: Asks,
    /// Counts up when another replica says something else.
    heard: u64,
    conflicts: HashMap<(ObjectRef, Problem), Instant>,
    /// What is asked about for statuses, while this replica writes them.
    candidates: BTreeMap<ObjectRef, i64>,
    /// What callers of this replica want to know of, in which generation, and when they last said so.
    inquiries: BTreeMap<ObjectRef, (i64, Instant)>,
}

/// Another replica.
struct Other {
    text: Str,
    /// `None`: it says something that is not understood.
    line: Option<Line>,
    changed: Instant,
    /// Its answers by object, each with [`Line::attached`] at the time.
    counts: HashMap<Str, (Count, u64)>,
}

impl Replicas {
    pub(crate) fn new(own: Arc<dyn Progress>, expiry: Duration) -> Self {
        let blind = Some("other replicas (not heard yet)".into());
        let state = Arc::new(Mutex::new(State { blind, ..State::default() }));
        Self { own, state, news: Arc::default(), expiry }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks nothing any more but for callers: another leads.
    pub(crate) fn stand_back(&self) {
        self.lock().candidates.clear();
        self.ask();
    }

    /// Asks what is to be asked now.
    fn ask(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let mut wanted = state.inquired(now);
        wanted.extend(state.candidates.clone());
        if state.asks.choose(wanted, now) {
            self.news.notify_one();
        }
    }

    /// Adds what the other replicas have said of an object. Says whether nothing newer is to be expected.
    fn add_others(&self, state: &State, object: &ObjectRef, generation: i64, reached: &mut Reached) -> bool {
        let now = Instant::now();
        let key = object.to_string();
        reached.unheard.extend(state.blind.clone());
        let mut fresh = true;
        for (name, other) in self.live(state, now) {
            let count = other.counts.get(&*key).filter(|(count, _)| count.generation == generation);
            if let Some((count, _)) = count {
                count.add_to(reached, name);
            } else {
                reached.unheard.insert(name.clone());
            }
            // That nobody is to have it stays so while nobody comes.
            let attached = other.line.as_ref().map(|line| line.attached);
            fresh &= count.is_some_and(|(count, at)| count.total > 0 || Some(*at) == attached);
        }
        fresh
    }

    /// Notes that the board cannot be read.
    fn cannot_read(&self, why: &str) {
        let mut state = self.lock();
        if state.blind.is_some() {
            state.blind = Some(format!("other replicas ({why})").into());
        }
    }

    /// Notes what is on the board: what `name`s say. A board that is `listed` anew says nothing about when that was written.
    fn read(&self, own_name: &str, lines: BTreeMap<Str, Str>, listed: bool, now: Instant) {
        let mut state = self.lock();
        let State { blind, others, asks: _, heard, conflicts: _, candidates: _, inquiries: _ } = &mut *state;
        *blind = None;
        let before = others.len();
        others.retain(|name, _| lines.contains_key(name));
        let mut news = others.len() != before;
        for (name, text) in lines.into_iter().filter(|(name, _)| **name != *own_name) {
            let known = match others.remove(&name) {
                Some(mut other) if other.text == text => {
                    if listed {
                        other.changed = now;
                    }
                    others.insert(name, other);
                    continue;
                }
                known => known,
            };
            let line: Option<Line> = serde_json::from_str(&text).ok();
            let (said_before, mut counts) =
                known.map_or((None, HashMap::new()), |other| (other.line, other.counts));
            for count in line.iter().flat_map(|line| &line.counts) {
                let attached = line.as_ref().map_or(0, |line| line.attached);
                counts.insert(count.object.clone(), (count.clone(), attached));
            }
            let but_for_beat = |line: Option<Line>| line.map(|line| Line { beat: 0, ..line });
            news |= but_for_beat(said_before) != but_for_beat(line.clone());
            others.insert(name, Other { text, line, changed: now, counts });
        }
        *heard += u64::from(news);
        drop(state);
        if news {
            self.news.notify_one();
        }
    }

    /// The names of replicas that are gone: their lines have not changed for long.
    fn gone(&self, now: Instant) -> Vec<Str> {
        let state = self.lock();
        let gone = state.others.iter().filter(|(_, other)| !self.is_live(other, now));
        gone.map(|(name, _)| name.clone()).collect()
    }

    fn is_live(&self, other: &Other, now: Instant) -> bool {
        now.duration_since(other.changed) < self.expiry
    }

    fn live<'a>(&'a self, state: &'a State, now: Instant) -> impl Iterator<Item = (&'a Str, &'a Other)> {
        state.others.iter().filter(move |(_, other)| self.is_live(other, now))
    }

    /// The names on the board of all that live, this one included; `None` while the board cannot be read.
    pub(crate) fn names(&self, own: &str) -> Option<BTreeSet<Str>> {
        let state = self.lock();
        if state.blind.is_some() {
            return None;
        }
        let others = self.live(&state, Instant::now()).map(|(name, _)| name.clone());
        Some(others.chain([board_name(own)]).collect())
    }

    fn lines(&self, of: impl FnMut(&Line)) {
        let state = self.lock();
        self.live(&state, Instant::now()).filter_map(|(_, other)| other.line.as_ref()).for_each(of);
    }

    /// What others ask.
    fn asked(&self) -> BTreeSet<Ask> {
        let mut asked = BTreeSet::new();
        self.lines(|line| asked.extend(line.asks.iter().cloned()));
        asked
    }

    /// What this replica is to say, given what it knows of objects and from which publication on it has known each. Says as well whether
    /// that may change soon, with nothing but time passing.
    fn line(&self, report: &Report, known: &mut BTreeMap<ObjectRef, Since>) -> (Line, bool) {
        // Those whom nobody asks about any more are forgotten.
        self.ask();
        let mut wanted: BTreeMap<ObjectRef, Since> = BTreeMap::new();
        let sequence = self.own.sequence();
        for Ask { object, generation } in self.asked() {
            // What this replica does not know in this generation yet it says nothing about.
            let object =
                object_of(&object).filter(|object| report.generations.get(object) == Some(&generation));
            if let Some(object) = object {
                let since = Since { generation, sequence };
                let before = known.get(&object).filter(|known| known.generation == generation);
                wanted.insert(object, *before.unwrap_or(&since));
            }
        }
        known.clone_from(&wanted);
        let reached = self.own.reached(&wanted);
        let counts: Vec<Count> = reached
            .into_iter()
            .filter_map(|(object, reached)| {
                Some(Count::new(&object, wanted.get(&object)?.generation, reached))
            })
            .collect();
        let moving = counts.iter().any(|count| count.acknowledged < count.total);
        let asks = self.lock().asks.current.clone();
        let line = Line::new(asks, counts, self.own.rejected(), self.own.conflicts());
        let [_, attached, ..] = self.own.epoch();
        (Line { attached, ..line }, moving)
    }
}

impl Progress for Replicas {
    fn sequence(&self) -> u64 {
        self.own.sequence()
    }

    fn epoch(&self) -> [u64; 4] {
        let [sequence, attached, there, _] = self.own.epoch();
        [sequence, attached, there, self.lock().heard]
    }

    fn refusals(&self) -> u64 {
        let refused = |line: &Line| line.refused.len() as u64;
        let mut of_others = 0;
        self.lines(|line| of_others += refused(line));
        self.own.refusals() + of_others
    }

    fn rejected(&self) -> BTreeSet<Str> {
        let mut rejected = self.own.rejected();
        self.lines(|line| rejected.extend(line.refused.iter().cloned()));
        rejected
    }

    fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        let own = self.own.conflicts();
        let own = own.into_iter().flat_map(|(object, problems)| {
            problems.into_iter().map(move |problem| (object.clone(), problem))
        });
        let mut now: Vec<_> = own.collect();
        self.lines(|line| now.extend(line.conflicts.iter().filter_map(|conflict| conflict.problem())));
        let mut state = self.lock();
        let seen = Instant::now();
        state.conflicts.extend(now.into_iter().map(|conflict| (conflict, seen)));
        state.conflicts.retain(|_, at| seen.duration_since(*at) < REMEMBERED);
        let mut problems: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
        for (object, problem) in state.conflicts.keys() {
            problems.entry(object.clone()).or_default().push(problem.clone());
        }
        problems.values_mut().for_each(|problems| problems.sort());
        problems
    }

    fn reached(&self, objects: &BTreeMap<ObjectRef, Since>) -> BTreeMap<ObjectRef, Reached> {
        let mut found = self.own.reached(objects);
        let now = Instant::now();
        let mut state = self.lock();
        let inquired = state.inquired(now);
        let keys: BTreeSet<Str> =
            objects.keys().chain(inquired.keys()).map(|object| object.to_string().into()).collect();
        for other in state.others.values_mut() {
            other.counts.retain(|object, _| keys.contains(object));
        }
        let mut candidates = BTreeMap::new();
        for (object, reached) in &mut found {
            let Some(Since { generation, sequence: _ }) = objects.get(object) else { continue };
            let fresh = self.add_others(&state, object, *generation, reached);
            let moving = reached.acknowledged < reached.total || !reached.rejected.is_empty();
            if !fresh || moving {
                candidates.insert(object.clone(), *generation);
            }
        }
        let alone = self.live(&state, now).next().is_none();
        state.candidates = if alone { BTreeMap::new() } else { candidates };
        drop(state);
        self.ask();
        found
    }
}

#[cfg(test)]
mod tests;
