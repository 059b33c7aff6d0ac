//! Which objects the leader asks the other replicas about, when there are more than fit into one line.
//!
//! In: candidates. Out: those that are asked about now. Everyone's turn comes: a round lasts as long as an answer may take, and the next one
//! begins with those whose turn is longest ago.

use super::line::{Ask, fitting};
use mesh_model::ObjectRef;
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// How long a question stands while others wait for their turn.
const ROUND: Duration = Duration::from_secs(2);

/// Questions, and whose turn was when.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    pub(crate) current: Vec<Ask>,
    round: u64,
    begun: Option<Instant>,
    turns: HashMap<ObjectRef, u64>,
}

impl Asks {
    /// Asks about those of `candidates` (with their generations) whose turn it is. Says whether that is another question than before.
    pub(crate) fn choose(&mut self, candidates: BTreeMap<ObjectRef, i64>, now: Instant) -> bool {
        self.turns.retain(|object, _| candidates.contains_key(object));
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= ROUND) {
            self.round += 1;
            self.begun = Some(now);
        }
        let mut order: Vec<(u64, (ObjectRef, i64))> = candidates
            .into_iter()
            .map(|(object, generation)| {
                let turn = self.turns.get(&object).copied().unwrap_or_default();
                // Who is on keeps its turn until the round ends.
                (if turn == self.round { 0 } else { turn + 1 }, (object, generation))
            })
            .collect();
        order.sort();
        let chosen = fitting(order.into_iter().map(|(_, candidate)| candidate));
        let mut asks = Vec::new();
        for (object, ask) in chosen {
            self.turns.insert(object, self.round);
            asks.push(ask);
        }
        asks.sort();
        let news = asks != self.current;
        self.current = asks;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::Kind;
    use std::collections::BTreeSet;

    #[test]
    fn everyone_has_a_turn() {
        let all: BTreeMap<ObjectRef, i64> = (0..300)
            .map(|number| (ObjectRef::new(Kind::VirtualService, "shop", format!("web-{number}")), 1))
            .collect();
        let mut asks = Asks::default();
        let mut seen = BTreeSet::new();
        let mut now = Instant::now();
        assert!(asks.choose(all.clone(), now));
        assert!(!asks.choose(all.clone(), now), "a question stands until it can be answered");
        for _ in 0..10 {
            asks.choose(all.clone(), now);
            seen.extend(asks.current.iter().map(|ask| ask.object.clone()));
            now += ROUND;
        }
        assert_eq!(seen.len(), all.len());
        assert!(asks.choose(BTreeMap::new(), now) && asks.current.is_empty());
    }
}
