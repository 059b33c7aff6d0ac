//! What the conditions of an object say. Pure: problems and counts in, conditions out.

use crate::{
    condition::{Condition, ConditionType},
    progress::{NAMED, Reached},
};
use mesh_model::{Problem, Reason, Severity};
use pilot_ingest::{LAST_GOOD_STAYS, NOTHING_IN_EFFECT};

/// What is known of how far an object's resources have got.
#[derive(Debug, Clone, Copy)]
pub enum Programmed<'a> {
    /// Counted now.
    Reached(&'a Reached),
    /// What was said before still holds.
    AsBefore(&'a Condition),
}

/// Reason of `Programmed` while proxies have not acknowledged it.
pub(crate) const PENDING: &str = "Pending";
/// Reason of `Programmed` when nobody is to have it.
pub(crate) const NO_PROXIES: &str = "NoProxies";

/// The three conditions of an object at `generation` that has these problems.
pub fn collect(generation: i64, problems: &[Problem], programmed: Programmed<'_>) -> [Condition; 3] {
    let (unresolved, own): (Vec<&Problem>, Vec<&Problem>) =
        problems.iter().partition(|problem| problem.reason.is_of_reference());
    let accepted = is_accepted(problems);
    let reason = match own.iter().any(|problem| problem.severity == Severity::Warning) {
        _ if !accepted => "Invalid",
        true => "AcceptedWithWarnings",
        false => "Accepted",
    };
    // Only what stands in the way is news; the rest is on view in `meltemi analyze`.
    let least = if accepted { Severity::Warning } else { Severity::Error };
    let (effect, own): (Vec<&Problem>, Vec<&Problem>) =
        own.into_iter().partition(|problem| says_what_is_in_effect(problem));
    let own: Vec<&Problem> = own.into_iter().filter(|problem| problem.severity >= least).collect();
    // What is in effect instead comes first: long messages are cut.
    let texts = [listed(&effect), listed(&own)].into_iter().filter(|text| !text.is_empty());
    let own = texts.collect::<Vec<_>>().join("; ");
    let resolved = unresolved.is_empty();
    let reason_of_refs = match unresolved.iter().map(|problem| problem.reason).min() {
        None => "ResolvedRefs",
        Some(Reason::Unusable) => "Unusable",
        Some(_) => "NotFound",
    };
    [
        Condition::new(ConditionType::Accepted, accepted, reason, own, generation),
        Condition::new(
            ConditionType::ResolvedRefs,
            resolved,
            reason_of_refs,
            listed(&unresolved),
            generation,
        ),
        match programmed {
            _ if !accepted => {
                let message = "it is not in effect as written: see the condition Accepted";
                Condition::new(ConditionType::Programmed, false, "NotAccepted", message, generation)
            }
            Programmed::Reached(reached) => of_reached(reached, generation),
            Programmed::AsBefore(condition) => condition.clone(),
        },
    ]
}

/// Whether an object with these problems is in effect as it is written.
pub(crate) fn is_accepted(problems: &[Problem]) -> bool {
    !problems.iter().any(|problem| !problem.reason.is_of_reference() && problem.severity == Severity::Error)
}

fn says_what_is_in_effect(problem: &Problem) -> bool {
    [LAST_GOOD_STAYS, NOTHING_IN_EFFECT].contains(&&*problem.message)
}

fn of_reached(reached: &Reached, generation: i64) -> Condition {
    let Reached { total, acknowledged, waiting, rejected, unheard } = reached;
    let counts = format!(
        "{} of {} {}",
        grouped(*acknowledged),
        grouped(*total),
        if *total == 1 { "proxy" } else { "proxies" }
    );
    let programmed = |holds, reason, message: String| {
        Condition::new(ConditionType::Programmed, holds, reason, message, generation)
    };
    if *total == 0 && unheard.is_empty() {
        return programmed(true, NO_PROXIES, "no connected proxy is to have it".into());
    }
    if let Some((proxy, said)) = rejected.first_key_value() {
        let others = match rejected.len() - 1 {
            0 => String::new(),
            others => format!(" and {} more", grouped(others)),
        };
        return programmed(false, "Rejected", format!("{counts}; rejected by {proxy}{others}: {said}"));
    }
    if acknowledged < total {
        let names: Vec<&str> = waiting.iter().take(NAMED).map(|name| &**name).collect();
        let more = if total.saturating_sub(*acknowledged) > names.len() { ", ..." } else { "" };
        return programmed(false, PENDING, format!("{counts}; waiting for {}{more}", names.join(", ")));
    }
    if !unheard.is_empty() {
        let names: Vec<&str> = unheard.iter().take(NAMED).map(|name| &**name).collect();
        let others = format!("{counts} so far; not counted yet: proxies of {}", names.join(", "));
        return programmed(false, PENDING, others);
    }
    programmed(true, "Programmed", counts)
}

/// The first few problems, and how many more there are.
fn listed(problems: &[&Problem]) -> String {
    let mut text: Vec<String> = problems.iter().take(NAMED).map(ToString::to_string).collect();
    if problems.len() > NAMED {
        text.push(format!("and {} more", problems.len() - NAMED));
    }
    text.join("; ")
}

/// `1234567` as `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(problems: &[Problem], reached: &Reached) -> Vec<(String, String, String)> {
        let conditions = collect(3, problems, Programmed::Reached(reached));
        assert!(conditions.iter().all(|condition| condition.observed_generation == 3));
        conditions
            .into_iter()
            .map(|condition| (condition.status, condition.reason, condition.message))
            .collect()
    }

    fn reached(total: usize, acknowledged: usize) -> Reached {
        Reached { total, acknowledged, ..Reached::default() }
    }

    fn line(status: &str, reason: &str, message: &str) -> (String, String, String) {
        (status.into(), reason.into(), message.into())
    }

    #[test]
    fn a_good_object() {
        assert_eq!(
            said(&[], &reached(2000, 2000)),
            [
                line("True", "Accepted", ""),
                line("True", "ResolvedRefs", ""),
                line("True", "Programmed", "2,000 of 2,000 proxies")
            ]
        );
        assert_eq!(
            said(&[], &reached(0, 0))[2],
            line("True", "NoProxies", "no connected proxy is to have it")
        );
    }

    #[test]
    fn waiting_and_refused() {
        let mut some = reached(2000, 1998);
        some.waiting = ["a.x".into(), "b.x".into()].into();
        assert_eq!(
            said(&[], &some)[2],
            line("False", "Pending", "1,998 of 2,000 proxies; waiting for a.x, b.x")
        );
        some.waiting.clear();
        some.rejected =
            [("sleep-7d.x".into(), "bad regex".into()), ("web.x".into(), "bad regex".into())].into();
        assert_eq!(
            said(&[], &some)[2],
            line("False", "Rejected", "1,998 of 2,000 proxies; rejected by sleep-7d.x and 1 more: bad regex")
        );
    }

    #[test]
    fn problems_go_where_they_belong() {
        let missing = Problem::error(Reason::NotFound, "spec.http[0]", "there is no subset v9");
        let unsupported = Problem::not_supported("spec.x");
        let both = said(&[missing.clone(), unsupported.clone()], &reached(1, 1));
        assert_eq!(both[0].1, "AcceptedWithWarnings");
        assert_eq!(both[1], line("False", "NotFound", "spec.http[0]: there is no subset v9"));
        assert_eq!(both[2], line("True", "Programmed", "1 of 1 proxy"));
        let bad = Problem::error(Reason::InvalidValue, "spec.y", "no");
        let worse = said(&[missing, unsupported, bad], &reached(1, 1));
        assert_eq!(worse[0], line("False", "Invalid", "spec.y: no"));
        assert_eq!((&*worse[2].0, &*worse[2].1), ("False", "NotAccepted"));
    }

    #[test]
    fn what_stays_in_effect_is_said_first() {
        let bad = Problem::error(Reason::InvalidValue, "spec.hosts[0]", "é".repeat(2000));
        let note = Problem::new(Severity::Info, Reason::InvalidValue, "", LAST_GOOD_STAYS).hint("correct it");
        let other = Problem::new(Severity::Info, Reason::InvalidValue, "", "worth knowing");
        let line = &said(&[bad, note, other], &reached(1, 1))[0];
        let begin =
            "this version cannot be used; the last good one stays in effect (correct it); spec.hosts[0]: é";
        assert!((&*line.0, &*line.1) == ("False", "Invalid") && line.2.starts_with(begin), "{line:?}");
        assert!(!line.2.contains("worth knowing"), "{line:?}");
    }

    #[test]
    fn long_messages_are_cut() {
        let problems = vec![Problem::error(Reason::InvalidValue, "spec", "é".repeat(2000)); 5];
        let message = &said(&problems, &reached(0, 0))[0].2;
        assert!(message.len() < 1100 && message.ends_with("..."));
    }
}
