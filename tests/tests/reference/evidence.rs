//! What shows that a field does what it does: a case that becomes something else without it.

use super::{
    cases::{Case, Outcome},
    difference,
    fields::{self, Field},
};
use mesh_model::{Problem, Reason};
use mesh_tests::objects;
use std::collections::{BTreeSet, HashMap};

/// What was found about a field.
pub enum Evidence {
    /// Without it Envoy is sent something else, here.
    Envoy(BTreeSet<String>),
    /// It has no effect, and its user is told: with this field, which may be one that it belongs to.
    NotSupported(String),
    /// It is understood, or reported on, and Envoy is not sent anything else.
    Ingest,
    /// It makes no difference at all.
    Nothing,
}

impl Evidence {
    /// The better the smaller. Best is a field of a message; that there is another message tells little of which field did it.
    fn rank(&self) -> u8 {
        match self {
            Self::Envoy(paths) => match paths.iter().filter(|path| path.starts_with("which ")).count() {
                0 if paths.len() < 3 => 0,
                existence if existence < paths.len() => 1,
                _ => 2,
            },
            Self::NotSupported(_) => 3,
            Self::Ingest => 4,
            Self::Nothing => 5,
        }
    }
}

/// Cases that are looked at for better evidence when there is some.
const LOOKED_AT: usize = 12;

/// Looks fields up in cases.
pub struct Finder<'a> {
    cases: &'a [Case],
    outcomes: HashMap<&'a str, Outcome>,
}

impl<'a> Finder<'a> {
    /// In these cases, the better first.
    pub fn new(cases: &'a [Case]) -> Self {
        let outcomes = cases.iter().map(|case| (case.file.as_str(), case.outcome(&case.documents))).collect();
        Self { cases, outcomes }
    }

    /// The best evidence, and the case that gives it. A field of a block may be shown wherever the block stands.
    pub fn find(&self, field: &Field) -> Option<(&'a str, Evidence)> {
        let found = fields::places(field).into_iter().filter_map(|place| {
            let with_it = self.cases.iter().filter(|case| case.used.contains(&place));
            self.best(with_it, place.0, &place.1)
        });
        found.min_by_key(|(_, evidence)| evidence.rank())
    }

    /// The same of a field of one of Kubernetes' own kinds, or of the metadata of any: no schema says which there are.
    pub fn find_of_object(&self, kind: &str, path: &str) -> Option<(&'a str, Evidence)> {
        let has = |case: &&Case| objects::without(&case.documents, kind, path) != case.documents;
        self.best(self.cases.iter().filter(has), kind, path)
    }

    fn best(
        &self,
        with_it: impl Iterator<Item = &'a Case>,
        kind: &str,
        path: &str,
    ) -> Option<(&'a str, Evidence)> {
        let mut best: Option<(&'a str, Evidence)> = None;
        for (position, case) in with_it.enumerate() {
            if position >= LOOKED_AT && best.as_ref().is_some_and(|(_, known)| known.rank() < 3) {
                break;
            }
            let evidence = self.look(case, kind, path);
            let is_best = evidence.rank() == 0;
            if best.as_ref().is_none_or(|(_, known)| evidence.rank() < known.rank()) {
                best = Some((&case.file, evidence));
            }
            if is_best {
                break;
            }
        }
        best
    }

    fn look(&self, case: &Case, kind: &str, path: &str) -> Evidence {
        let with = &self.outcomes[case.file.as_str()];
        let without = case.outcome(&objects::without(&case.documents, kind, path));
        let differences = difference::between(&with.told, &without.told);
        if !differences.is_empty() && (!case.is_end_to_end() || with.shown != without.shown) {
            return Evidence::Envoy(differences);
        }
        if let Some(by) = with.problems.iter().find_map(|problem| covers(problem, path)) {
            return Evidence::NotSupported(by);
        }
        match with.mesh != without.mesh || with.problems != without.problems {
            true => Evidence::Ingest,
            false => Evidence::Nothing,
        }
    }
}

/// The field that the problem says to be without effect, if it is this one or one that it is part of.
fn covers(problem: &Problem, field: &str) -> Option<String> {
    if problem.reason != Reason::NotSupported {
        return None;
    }
    if problem.path == "spec" {
        return Some("the whole object".to_owned());
    }
    let path = problem.path.strip_prefix("spec.").or(problem.path.strip_prefix("data.mesh."))?;
    let said = plain(path);
    let whole = plain(field.strip_prefix("spec.").unwrap_or(field));
    let is_part = |part: &str, of: &str| {
        part.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // A field is without effect with what it is part of, and with what it is made of.
    match (is_part(&whole, &said), is_part(&said, &whole)) {
        (true, _) => Some(said),
        (false, true) => Some(whole),
        (false, false) => None,
    }
}

/// A path without which item or key of a map.
pub fn plain(path: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0;
    for letter in path.chars() {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain
}
