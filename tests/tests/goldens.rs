//! YAML as users write it, to what Envoy is sent: `testdata/<block>/<case>.in.yaml` -> `.out.yaml`.
//!
//! The first document of an input says who asks and what is printed (`kind: Case`). Whatever is printed, all that the proxy
//! is told is checked against Envoy's validation rules, and for names that lead nowhere, in both protocols.

use mesh_model::{Problem, Severity};
use mesh_testkit::golden::{self, Case};
use mesh_tests::{
    Asker, Told,
    render::{self, Print},
    told::{self, Attached},
};
use pilot_envoy::check::Finding;
use pilot_ingest::{Context, Ingest, Report, parse_file};
use pilot_xds::resource::Protocol;
use serde::Deserialize;

/// Options of a case.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Who asks.
    proxy: Asker,
    /// Resources to print.
    #[serde(flatten)]
    print: Print,
    /// Names that lead nowhere in this case because its input says so.
    dangling: Vec<String>,
}

#[test]
fn goldens() {
    golden::run("testdata", |case| show(case).unwrap_or_else(|error| panic!("{error:#}")));
}

fn show(case: &Case) -> anyhow::Result<String> {
    let Options { proxy, print, dangling } = case.options();
    let mut ingest = Ingest::new(Context::default());
    let path = format!("{}.yaml", case.name).into();
    ingest.apply(vec![parse_file(&path, case.input.as_bytes(), ingest.context())]);
    let publisher = told::publisher(ingest.mesh().clone());
    let delta = Attached::new(&publisher, &proxy, Protocol::Delta)?;
    check(&delta.told(), &dangling);
    let mut problems = problems(&Report::new(&ingest.snapshot()));
    for (object, conflicts) in publisher.conflicts() {
        problems.extend(conflicts.iter().map(|problem| line(&object.to_string(), problem)));
    }
    let text = render::render(&delta.told(), problems, &print)?;
    let sotw = Attached::new(&publisher, &proxy, Protocol::Sotw)?;
    check(&sotw.told(), &dangling);
    Ok(text)
}

/// Panics over what an Envoy would reject or never reach, but for names that are meant to lead nowhere.
fn check(told: &Told, dangling: &[String]) {
    let findings = told.findings();
    let is_meant = |finding: &&Finding| {
        !finding.problem.is_rejected() && dangling.iter().any(|name| finding.to_string().contains(name))
    };
    let (meant, wrong): (Vec<_>, Vec<_>) = findings.iter().partition(is_meant);
    let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unused: Vec<_> = dangling
        .iter()
        .filter(|name| !meant.iter().any(|finding| finding.to_string().contains(*name)))
        .collect();
    assert!(unused.is_empty(), "these names lead somewhere: {unused:?}");
}

/// What ingest has to say, each problem on a line, but for mere information: most cases have no pods.
fn problems(report: &Report) -> Vec<String> {
    let of_entry = |entry: &pilot_ingest::ObjectReport| {
        let object = entry.object.as_ref().map_or_else(String::new, ToString::to_string);
        let serious = entry.problems.iter().filter(|problem| problem.severity > Severity::Info);
        serious.map(move |problem| line(&object, problem)).collect::<Vec<_>>()
    };
    report.entries.iter().flat_map(|entry| of_entry(entry)).collect()
}

fn line(object: &str, problem: &Problem) -> String {
    format!("{:?} {:?} {object}: {problem}", problem.severity, problem.reason)
}
