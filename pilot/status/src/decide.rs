//! What is worth a write. Pure but for the clock that it is given.
//!
//! In: what ingest says of each object, what each carries, how far proxies are. Out: the writes that are due, and when to look again.
//! A condition that holds for this generation is left alone while proxies come and go; counts that only count on are written seldom;
//! what is acknowledged within a moment is written once.

use crate::{
    collect::{NO_PROXIES, PENDING, Programmed, collect, is_accepted},
    condition::{Condition, ConditionType},
    objects::Held,
    progress::{Progress, Reached, Since},
    writer::{Said, Write},
};
use mesh_model::{ObjectRef, Problem, Str};
use pilot_ingest::Report;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// How long an edit may take to be acknowledged before it is called pending; five times as long while another replica is yet to say so.
const GRACE: Duration = Duration::from_secs(1);
/// How often acknowledgements are looked at while some are missing.
const POLL: Duration = Duration::from_millis(200);
/// How often the same verdict is written again with other counts, and how long a write that failed rests.
const REPEAT: Duration = Duration::from_secs(10);
/// How long proxies may take to come back to a new leader before nobody is concluded to be there.
const SETTLE: Duration = Duration::from_secs(15);

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Writes, those first of which programs see the difference.
    pub(crate) writes: Vec<Write>,
    /// When to look again, even if nothing is heard.
    pub(crate) again: Option<Duration>,
    /// Whether proxies that come, go or refuse change something.
    pub(crate) follows_proxies: bool,
}

/// Remembers what is under way.
#[derive(Debug)]
pub(crate) struct Decider {
    begun: Instant,
    tracks: HashMap<ObjectRef, Track>,
}

#[derive(Debug)]
struct Track {
    generation: i64,
    /// The publication from which on its resources are as this generation says.
    sequence: u64,
    since: Instant,
    written: Option<Instant>,
    failed: Option<Instant>,
    /// What was written last, and how often somebody else has undone just that.
    said: Option<Said>,
    undone: u32,
}

impl Decider {
    /// Knows nothing yet; leads since `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { begun: now, tracks: HashMap::new() }
    }

    /// What is due at `now`.
    pub(crate) fn plan(
        &mut self,
        report: &Report,
        held: &BTreeMap<ObjectRef, Held>,
        progress: &dyn Progress,
        now: Instant,
    ) -> Plan {
        self.tracks.retain(|object, _| held.contains_key(object));
        let conflicts = progress.conflicts();
        let mut problems: HashMap<&ObjectRef, Cow<'_, [Problem]>> = HashMap::new();
        for entry in &report.entries {
            if let Some(object) = &entry.object {
                problems.entry(object).or_insert_with(|| match entry.suppressed.is_empty() {
                    true => Cow::Borrowed(&entry.problems),
                    false => Cow::Owned(entry.for_status().cloned().collect()),
                });
            }
        }
        for (object, found) in &conflicts {
            problems.entry(object).or_default().to_mut().extend(found.iter().cloned());
        }
        // What ingest has not read yet, or the watch has not shown yet, is decided when both are level.
        let level: Vec<(&ObjectRef, &Held)> = held
            .iter()
            .filter(|(object, held)| report.generations.get(*object) == Some(&held.generation))
            .collect();
        let of = |object: &ObjectRef| problems.get(object).map(|problems| &**problems).unwrap_or_default();
        let rejected = progress.rejected();
        let sequence = progress.sequence();
        let mut wanted = BTreeMap::new();
        for (object, held) in &level {
            let track =
                self.tracks.entry((*object).clone()).or_insert_with(|| Track::new(held, sequence, now));
            if track.generation != held.generation {
                *track = Track { written: track.written, ..Track::new(held, sequence, now) };
            }
            if is_accepted(of(object)) && !is_settled(object, held, &rejected) {
                let since = Since { generation: held.generation, sequence: track.sequence };
                wanted.insert((*object).clone(), since);
            }
        }
        let reached = progress.reached(&wanted);
        let settled = now.duration_since(self.begun) >= SETTLE;
        let mut plan = Plan { follows_proxies: !rejected.is_empty(), ..Plan::default() };
        let mut later = Vec::new();
        for (object, held) in level {
            let conditions = decide(held, of(object), reached.get(object), settled);
            let Some(conditions) = conditions else {
                plan.look_again(POLL * 5);
                continue;
            };
            let [.., programmed] = &conditions;
            let pending = programmed.reason == PENDING;
            let unheard = reached.get(object).is_some_and(|reached| !reached.unheard.is_empty());
            let grace = if unheard { GRACE * 5 } else { GRACE };
            if pending {
                plan.look_again(POLL);
            }
            plan.follows_proxies |= programmed.reason == NO_PROXIES || !programmed.holds();
            let Some(track) = self.tracks.get(object) else { continue };
            let mut ours = conditions.iter().filter(|condition| !track.leaves(condition.r#type, held));
            if ours
                .clone()
                .all(|condition| held.find(condition.r#type).is_some_and(|is| is.says_what(condition)))
            {
                continue;
            }
            let news = ours.any(|condition| {
                held.find(condition.r#type).is_none_or(|is| is.verdict() != condition.verdict())
            });
            let within = |since: Option<Instant>, wait: Duration| {
                since
                    .map(|since| wait.saturating_sub(now.duration_since(since)))
                    .filter(|left| !left.is_zero())
            };
            let undone = track.said.as_ref().is_some_and(|said| is_same(&said.conditions, &conditions));
            // Who undoes the same again and again has reasons; each time it is left standing for longer.
            let patience = REPEAT * 2_u32.pow(track.undone.min(8));
            let rest = within(track.failed, REPEAT)
                .or_else(|| within(track.written, patience).filter(|_| undone && track.undone > 0))
                .or_else(|| within(Some(track.since), grace).filter(|_| pending))
                .or_else(|| within(track.written, REPEAT).filter(|_| !news));
            if let Some(rest) = rest {
                plan.look_again(rest);
                continue;
            }
            let due = Write { object: object.clone(), held: held.clone(), conditions };
            if news { &mut plan.writes } else { &mut later }.push(due);
        }
        plan.writes.append(&mut later);
        plan
    }

    /// Notes what a write has said; `None`: it failed. What was due and not written, because there was more than goes at once, stays due.
    pub(crate) fn wrote(&mut self, object: &ObjectRef, said: Option<Said>, now: Instant) {
        let Some(track) = self.tracks.get_mut(object) else { return };
        if let Some(said) = said {
            let again =
                track.said.as_ref().is_some_and(|before| is_same(&before.conditions, &said.conditions));
            track.undone = if again { track.undone + 1 } else { 0 };
            track.said = Some(said);
            track.written = Some(now);
            track.failed = None;
        } else {
            track.failed = Some(now);
            track.said = None;
        }
    }
}

impl Track {
    fn new(held: &Held, sequence: u64, now: Instant) -> Self {
        Self {
            generation: held.generation,
            sequence,
            since: now,
            written: None,
            failed: None,
            said: None,
            undone: 0,
        }
    }

    /// Whether somebody else has this condition, and it is as it was when it was left to them.
    fn leaves(&self, r#type: ConditionType, held: &Held) -> bool {
        let left = self.said.iter().flat_map(|said| &said.left);
        left.into_iter().any(|(left, theirs)| *left == r#type && theirs.as_ref() == held.find(r#type))
    }
}

impl Plan {
    fn look_again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |before| before.min(after)));
    }
}

impl Held {
    /// What it says of this, if anything.
    pub(crate) fn find(&self, r#type: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == r#type)
    }

    /// What `Programmed` says of this generation, if anything.
    fn programmed(&self) -> Option<&Condition> {
        self.find(ConditionType::Programmed)
            .filter(|condition| condition.observed_generation == self.generation)
    }
}

fn is_same(before: &[Condition; 3], now: &[Condition; 3]) -> bool {
    before.iter().zip(now).all(|(before, now)| before.says_what(now))
}

/// Whether proxies have it, as far as anybody needs to know: nothing has to be counted.
fn is_settled(object: &ObjectRef, held: &Held, rejected: &BTreeSet<Str>) -> bool {
    held.programmed().is_some_and(|condition| condition.holds() && condition.reason != NO_PROXIES)
        && (rejected.is_empty() || !rejected.contains(&*object.to_string()))
}

/// What is to be said, or `None` while that is not known yet.
fn decide(
    held: &Held,
    problems: &[Problem],
    reached: Option<&Reached>,
    settled: bool,
) -> Option<[Condition; 3]> {
    let before = held.programmed();
    let Some(reached) = reached else {
        // Either nothing is counted because it holds, or because it is not accepted: then what was before is not looked at.
        let nothing = Reached::default();
        let programmed = before.map_or(Programmed::Reached(&nothing), Programmed::AsBefore);
        return Some(collect(held.generation, problems, programmed));
    };
    let conditions = collect(held.generation, problems, Programmed::Reached(reached));
    let [.., now] = &conditions;
    match before {
        // A proxy that has just come does not have it yet; that takes nothing back.
        Some(before) if before.holds() && now.reason == PENDING => {
            Some(collect(held.generation, problems, Programmed::AsBefore(before)))
        }
        // It held for those that were there.
        Some(before) if before.holds() && now.holds() && now.reason == NO_PROXIES => {
            Some(collect(held.generation, problems, Programmed::AsBefore(before)))
        }
        Some(before) if before.holds() && now.holds() && before.reason == now.reason => {
            Some(collect(held.generation, problems, Programmed::AsBefore(before)))
        }
        // The proxies that were waited for may be on their way to this replica.
        Some(before) if !before.holds() && now.reason == NO_PROXIES && !settled => None,
        _ => Some(conditions),
    }
}

#[cfg(test)]
mod tests;
