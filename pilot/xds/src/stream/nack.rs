//! A client refused a response: find out which resource it meant, and go on without that one.
//!
//! In: the client's message and what was in flight. Out: quarantined versions, and the rest owed again. When the message names
//! nobody the response is tried again in halves. Each rejection quarantines something or makes the suspects fewer: it ends.

use std::sync::Arc;

use crate::resource::{Protocol, Resource};

use super::Context;
use super::drains::Leaving;
use super::watch::{InFlight, Rejected, Watch};

/// Longer messages are cut for the search and the report; Envoy lists the bad resources first.
const MESSAGE: usize = 64 * 1024;

impl Watch {
    /// Takes what is in flight as refused. Gives back the resources that are quarantined for it.
    pub(super) fn reject(&mut self, message: &str, context: &Context) -> Vec<Arc<Resource>> {
        let Some(InFlight { nonce: _, batch }) = self.in_flight.take() else { return Vec::new() };
        let message = truncate(message, MESSAGE);
        let sent: Vec<&Arc<Resource>> = batch.resources().collect();
        let named = |resource: &&&Arc<Resource>| mentions(message, resource.name());
        let mut bad: Vec<&Arc<Resource>> = sent.iter().filter(named).copied().collect();
        if bad.is_empty() && sent.len() == 1 {
            bad.extend(&sent);
        }
        let full_state = context.protocol == Protocol::Sotw && self.kind.full_state();
        if bad.is_empty() && full_state {
            // The list cannot be halved: what it leaves out is deleted. Go back to what was accepted.
            let accepted = |resource: &Resource| {
                let held = self.acked.as_ref().and_then(|acked| acked.get(self.kind, resource.name()));
                held.is_some_and(|held| held.version() == resource.version())
            };
            bad.extend(sent.iter().filter(|resource| !accepted(resource)));
        }
        if bad.is_empty() {
            self.halve(&sent);
            return Vec::new();
        }
        let reported: Arc<str> = truncate(message, 4096).into();
        for resource in &bad {
            self.quarantine(resource, &reported, context);
        }
        let good = sent.iter().filter(|resource| !bad.iter().any(|bad| Arc::ptr_eq(bad, resource)));
        // Asked, not changed: a route configuration that was refused with others is new when it comes again.
        self.owed.asked.extend(good.map(|resource| resource.name().clone()));
        if full_state {
            self.owed.answer = true;
        }
        bad.into_iter().cloned().collect()
    }

    /// Tries the two halves one after the other.
    fn halve(&mut self, sent: &[&Arc<Resource>]) {
        let (one, two) = sent.split_at(sent.len() / 2);
        for half in [two, one] {
            if !half.is_empty() {
                let names = half.iter().map(|resource| resource.name().clone()).collect();
                self.owed.probes.push_front(names);
            }
        }
    }

    /// Never sends this version on this stream again.
    fn quarantine(&mut self, resource: &Arc<Resource>, message: &Arc<str>, context: &Context) {
        let name = resource.name();
        let rejections = &context.shared.rejections;
        let exists = self.base.as_ref().is_some_and(|base| base.get(self.kind, name).is_some())
            || self.on_demand.values().flatten().any(|found| found.name() == name);
        if !exists {
            // It is gone since: that is owed already, and there is nothing to hold back. What stays until it may go is what it had.
            if self
                .leaving
                .get(name)
                .is_some_and(|left| left.held.as_ref().is_some_and(|held| held == resource))
            {
                let held = self.has_instead_of(resource);
                if held.is_none() && context.protocol == Protocol::Sotw {
                    self.leaving.remove(name);
                } else {
                    self.leaving.insert(name.clone(), Leaving::of(held));
                }
            }
            return;
        }
        let before = self.rejected.remove(name);
        if let Some(mut before) = before {
            if before.good.as_ref().is_some_and(|good| good.version() == resource.version()) {
                // It refuses even what served others: it gets nothing.
                before.good = None;
                before.good_owed = false;
                self.rejected.insert(name.clone(), before);
                return;
            }
            let held = before.good.filter(|_| !before.good_owed);
            return self.insert_rejected(resource, held, message, context);
        }
        let held = self.has_instead_of(resource);
        if held.is_none()
            && let Some(good) = rejections.last_good(resource)
            && good.version() != resource.version()
        {
            rejections.record(resource, message, &context.proxy, None);
            let refused = Rejected { version: resource.version().clone(), good: Some(good), good_owed: true };
            self.rejected.insert(name.clone(), refused);
            self.owed.changed.insert(name.clone());
            return;
        }
        self.insert_rejected(resource, held, message, context);
    }

    fn insert_rejected(
        &mut self,
        resource: &Arc<Resource>,
        held: Option<Arc<Resource>>,
        message: &Arc<str>,
        context: &Context,
    ) {
        context.shared.rejections.record(resource, message, &context.proxy, held.clone());
        let refused = Rejected { version: resource.version().clone(), good: held, good_owed: false };
        self.rejected.insert(resource.name().clone(), refused);
    }
}

/// Whether the message contains the name as a word of its own: `outbound|80||a` is not in `outbound|80||a.b`.
fn mentions(message: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    message.match_indices(name).any(|(at, _)| {
        let before = message[..at].chars().next_back();
        let mut after = message[at + name.len()..].chars();
        let ends = match after.next() {
            None => true,
            // A full stop may end the sentence, not the name.
            Some('.') => after.next().is_none_or(|next| !is_name_char(next)),
            Some(next) => !is_name_char(next),
        };
        ends && before.is_none_or(|before| !is_name_char(before))
    })
}

fn is_name_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '.' | '|' | '-' | '_' | '/' | '*')
}

fn truncate(message: &str, limit: usize) -> &str {
    let mut end = message.len().min(limit);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_name_is_found_only_as_a_whole() {
        let message =
            "Error adding/updating cluster(s) outbound|80||a: bad, outbound|80||b.c: worse. Route 80.";
        assert!(mentions(message, "outbound|80||a"));
        assert!(mentions(message, "outbound|80||b.c"));
        assert!(!mentions(message, "outbound|80||b"));
        assert!(!mentions(message, "b.c"));
        assert!(mentions(message, "80"));
    }
}
