//! In: problems of configuration, each with the place it was read from. Out: text, grouped by file and object.

use std::fmt::Write;

use console::style;
use mesh_model::{ObjectRef, Problem, Severity, Source};
use pilot_ingest::{ObjectReport, Report};

/// A problem and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where the object was read, such as `shop.yaml:12`; empty when that is not known.
    pub place: String,
    /// The object, such as `VirtualService shop/catalog`; empty when it is the file itself.
    pub object: String,
    /// What is wrong.
    pub problem: Problem,
}

impl Finding {
    /// Everything in `report`.
    pub fn of_report(report: &Report) -> Vec<Self> {
        let Report { entries, generations: _, sources: _, sequence: _ } = report;
        let findings = entries.iter().flat_map(|entry| {
            let ObjectReport { source, object, generation: _, problems, suppressed: _ } = &**entry;
            let object = object.as_ref().map(ObjectRef::to_string).unwrap_or_default();
            let place = match source {
                // All are from there.
                Source::Cluster => String::new(),
                Source::File { .. } => source.to_string(),
            };
            problems.iter().map(move |problem| Self {
                place: place.clone(),
                object: object.clone(),
                problem: problem.clone(),
            })
        });
        findings.collect()
    }

    /// Whose it is, for people.
    fn subject(&self) -> String {
        [&self.place, &self.object]
            .into_iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// How many problems of each severity there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Count {
    pub errors: usize,
    pub warnings: usize,
    pub remarks: usize,
}

impl Count {
    /// Counts `findings`.
    pub fn of(findings: &[Finding]) -> Self {
        findings.iter().fold(Self::default(), |mut count, finding| {
            match finding.problem.severity {
                Severity::Error => count.errors += 1,
                Severity::Warning => count.warnings += 1,
                Severity::Info => count.remarks += 1,
            }
            count
        })
    }

    /// `2 errors, 1 warning`.
    pub fn summary(self) -> String {
        let Self { errors, warnings, remarks } = self;
        let some = [(errors, "error"), (warnings, "warning"), (remarks, "remark")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
        let text = some.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "no problems".to_owned() } else { text }
    }
}

/// One line: `severity place object path: message (hint)`.
pub fn line(finding: &Finding) -> String {
    format!("{} {} {}", severity(&finding.problem), style(finding.subject()).bold(), finding.problem)
}

/// All of them: place and object once, each problem below.
pub fn text(findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| natural(&a.place).cmp(&natural(&b.place)).then_with(|| a.cmp(b)));
    let mut text = String::new();
    let mut last = None;
    for finding in sorted {
        let subject = finding.subject();
        if last.as_ref() != Some(&subject) {
            if last.is_some() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", style(&subject).bold());
            last = Some(subject);
        }
        let _ = writeln!(text, "  {} {}", severity(&finding.problem), finding.problem);
    }
    text
}

fn severity(problem: &Problem) -> String {
    match problem.severity {
        Severity::Error => style("error").red().bold().to_string(),
        Severity::Warning => style("warning").yellow().bold().to_string(),
        Severity::Info => style("remark").cyan().to_string(),
    }
}

/// `a.yaml:9` before `a.yaml:10`.
fn natural(place: &str) -> (&str, u64) {
    match place.rsplit_once(':') {
        Some((file, line)) => line.parse().map_or((place, 0), |line| (file, line)),
        None => (place, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::Reason;

    #[test]
    fn problems_are_grouped_by_where_they_are() {
        let finding = |place: &str, problem| Finding {
            place: place.to_owned(),
            object: "VirtualService shop/catalog".to_owned(),
            problem,
        };
        let findings = [
            finding(
                "a.yaml:10",
                Problem::warning(Reason::NotFound, "spec.hosts[0]", "there is no such service"),
            ),
            finding(
                "a.yaml:9",
                Problem::error(Reason::UnknownField, "spec.htp", "unknown field")
                    .hint("did you mean `http`?"),
            ),
            finding("a.yaml:9", Problem::error(Reason::Required, "spec.hosts", "missing")),
        ];
        let text = text(&findings);
        let expected = "\
a.yaml:9 VirtualService shop/catalog
  error spec.hosts: missing
  error spec.htp: unknown field (did you mean `http`?)

a.yaml:10 VirtualService shop/catalog
  warning spec.hosts[0]: there is no such service
";
        assert_eq!(console::strip_ansi_codes(&text), expected);
        assert_eq!(Count::of(&findings).summary(), "2 errors, 1 warning");
        assert_eq!(Count::default().summary(), "no problems");
    }
}
