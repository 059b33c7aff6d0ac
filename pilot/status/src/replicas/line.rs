//! What a replica says of itself to the others: one line of JSON, of bounded size.
//!
//! In: questions, counts, refusals, conflicts. Out: the line that goes on the board, and such lines read back. Counts always have room;
//! who is waited for and what was refused is told as far as there is room for it.

use crate::progress::Reached;
use mesh_model::{Kind, ObjectRef, Problem, Reason, Str};
use pilot_ingest::{has_status, kinds::KINDS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a line. What all replicas say is in one object's annotations, which may have 256 KiB.
const LINE: usize = 8 * 1024;
/// Bytes of the questions in a line: so many that the counts that answer them fit into another.
const ASKS: usize = 3 * 1024;
/// Questions in a line.
const MOST: usize = 64;
/// Refusals and conflicts in a line.
const TOLD: usize = 8;
/// Bytes of what is quoted.
const QUOTED: usize = 200;

/// What a replica says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    /// Differs from the one before: a line that stays as it is, is that of a replica that is gone.
    pub(crate) beat: u64,
    /// How many proxies have ever come.
    pub(crate) attached: u64,
    /// What the leader wants to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) asks: Vec<Ask>,
    /// What it is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) counts: Vec<Count>,
    /// Objects of which some proxy refuses a resource.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) refused: BTreeSet<Str>,
    /// Objects that have no effect for some proxies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) conflicts: Vec<Conflict>,
}

/// One question: how far is this object?
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) object: Str,
    pub(crate) generation: i64,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) object: Str,
    pub(crate) generation: i64,
    pub(crate) total: usize,
    pub(crate) acknowledged: usize,
    /// How many refuse a resource.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) refuse: usize,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) waiting: BTreeSet<Str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rejected: BTreeMap<Str, Str>,
}

/// One object that another is in the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conflict {
    object: Str,
    path: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The object that `Kind namespace/name` is; `None` for what carries no status.
pub(crate) fn object_of(key: &str) -> Option<ObjectRef> {
    let (kind, name) = key.split_once(' ')?;
    let (namespace, name) = name.split_once('/')?;
    let row = KINDS.iter().find(|row| row.kind.as_str() == kind && has_status(row.kind))?;
    let kind: Kind = row.kind;
    Some(ObjectRef::new(kind, namespace, name))
}

impl Count {
    /// The answer `reached` for an object.
    pub(crate) fn new(object: &ObjectRef, generation: i64, reached: Reached) -> Self {
        let Reached { total, acknowledged, waiting, rejected, unheard: _ } = reached;
        let object = object.to_string().into();
        let refuse = rejected.len();
        let rejected = rejected.into_iter().map(|(proxy, said)| (proxy, quoted(&said).into())).collect();
        Self { object, generation, total, acknowledged, refuse, waiting, rejected }
    }

    /// Adds it to what is known.
    pub(crate) fn add_to(&self, reached: &mut Reached, replica: &Str) {
        let Self { object: _, generation: _, total, acknowledged, refuse, waiting, rejected } = self;
        reached.total += total;
        reached.acknowledged += acknowledged;
        reached.waiting.extend(waiting.iter().cloned());
        reached.rejected.extend(rejected.iter().map(|(proxy, said)| (proxy.clone(), said.clone())));
        if *refuse > 0 && rejected.is_empty() {
            let proxy = format!("{refuse} proxies of replica {replica}").into();
            reached.rejected.insert(proxy, "there was no room for what they say; ask that replica".into());
        }
    }
}

impl Conflict {
    pub(crate) fn problem(&self) -> Option<(ObjectRef, Problem)> {
        let Self { object, path, message, hint } = self;
        let problem = Problem { hint: hint.clone(), ..Problem::warning(Reason::Conflict, path, message) };
        Some((object_of(object)?, problem))
    }
}

/// The first of `objects` that there is room for.
pub(crate) fn fitting(objects: impl IntoIterator<Item = (ObjectRef, i64)>) -> Vec<(ObjectRef, Ask)> {
    let mut room = ASKS;
    let mut fit = Vec::new();
    for (object, generation) in objects.into_iter().take(MOST) {
        let ask = Ask { object: object.to_string().into(), generation };
        let Some(left) = room.checked_sub(size(&ask)) else { break };
        room = left;
        fit.push((object, ask));
    }
    fit
}

impl Line {
    /// Says this: refusals and conflicts as many as there is room for.
    pub(crate) fn new(
        asks: Vec<Ask>,
        counts: Vec<Count>,
        refused: BTreeSet<Str>,
        conflicts: BTreeMap<ObjectRef, Vec<Problem>>,
    ) -> Self {
        let mut line = Self { asks, ..Self::default() };
        // First what must be said, then what explains it.
        let mut details = Vec::new();
        for mut count in counts {
            details.push((std::mem::take(&mut count.waiting), std::mem::take(&mut count.rejected)));
            line.counts.push(count);
        }
        let mut room = LINE.saturating_sub(size(&line));
        line.refused = refused.into_iter().take(TOLD).take_while(|key| take(&mut room, key)).collect();
        let conflicts = conflicts.into_iter().flat_map(|(object, problems)| {
            let key: Str = object.to_string().into();
            problems.into_iter().map(move |problem| {
                let Problem { path, severity: _, reason: _, message, hint } = problem;
                Conflict { object: key.clone(), path, message: quoted(&message).to_owned(), hint }
            })
        });
        line.conflicts = conflicts.take(TOLD).take_while(|conflict| take(&mut room, conflict)).collect();
        for (count, (waiting, rejected)) in line.counts.iter_mut().zip(details) {
            if take(&mut room, &(&waiting, &rejected)) {
                (count.waiting, count.rejected) = (waiting, rejected);
            }
        }
        line
    }
}

/// Whether there is room for it, which is then taken.
fn take(room: &mut usize, value: &impl Serialize) -> bool {
    // With the name of the field.
    let left = room.checked_sub(size(value) + 32);
    *room = left.unwrap_or(*room);
    left.is_some()
}

fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX / 2, |text| text.len() + 1)
}

fn quoted(text: &str) -> &str {
    let end = (0..=QUOTED.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(number: usize) -> ObjectRef {
        ObjectRef::new(Kind::VirtualService, "n".repeat(63), format!("{}{number}", "x".repeat(200)))
    }

    /// Whatever is asked for can be answered, and stays within the limit.
    #[test]
    fn a_line_is_bounded_and_answers_all() {
        let asks: Vec<_> = fitting((0..1000).map(|number| (named(number), 7)));
        assert!(!asks.is_empty() && asks.len() < 64);
        let rejected: BTreeMap<Str, Str> =
            (0..50).map(|number| (format!("proxy-{number}").into(), "\"no\u{1}".repeat(99).into())).collect();
        let reached = Reached { total: usize::MAX, acknowledged: usize::MAX, rejected, ..Reached::default() };
        let counts = asks.iter().map(|(object, _)| Count::new(object, i64::MAX, reached.clone())).collect();
        let refused = (0..50).map(|number| named(number).to_string().into()).collect();
        let problem = Problem::warning(Reason::Conflict, "spec.ports", "m".repeat(5000));
        let conflicts = (0..50).map(|number| (named(number), vec![problem.clone()])).collect();
        let line = Line::new(asks.iter().map(|(_, ask)| ask.clone()).collect(), counts, refused, conflicts);
        assert_eq!(line.counts.len(), asks.len());
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.len() <= LINE + 64, "{}", text.len());
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        // What there was no room for is counted all the same.
        let mut sum = Reached::default();
        line.counts.last().unwrap().add_to(&mut sum, &"b".into());
        assert_eq!(sum.rejected.len(), 1);
    }

    #[test]
    fn keys_are_read_back() {
        let object = ObjectRef::new(Kind::ServiceEntry, "shop", "db");
        assert_eq!(object_of(&object.to_string()), Some(object));
        for other in ["Pod shop/db", "ServiceEntry db", "", "Nothing a/b"] {
            assert_eq!(object_of(other), None, "{other}");
        }
    }
}
