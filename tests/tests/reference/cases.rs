//! All cases: goldens end to end, goldens of ingest, and cases of traffic.

use mesh_model::Problem;
use mesh_testkit::golden;
use mesh_tests::{
    Asker, Told,
    objects::{self, Place},
    render::{self, Print},
};
use pilot_ingest::{Context, Ingest, Report, parse_file};
use pilot_xds::resource::Protocol;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Options of an end-to-end golden, as far as they matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    proxy: Asker,
    #[serde(flatten)]
    print: Print,
    #[serde(rename = "dangling")]
    _dangling: Vec<String>,
}

/// A case whose objects are YAML.
pub struct Case {
    /// The file, from the root of the workspace.
    pub file: String,
    /// Its objects.
    pub documents: Vec<Value>,
    /// The fields that they set.
    pub used: BTreeSet<Place>,
    asker: Asker,
    /// What its output shows; `None`: the model, and not what Envoy is sent.
    print: Option<Print>,
}

/// What becomes of objects.
pub struct Outcome {
    /// What the proxy is told.
    pub told: Told,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is understood.
    pub mesh: String,
    /// What the output of the case says of what the proxy is told.
    pub shown: String,
}

impl Case {
    /// What becomes of these objects in place of the case's own.
    pub fn outcome(&self, documents: &[Value]) -> Outcome {
        let mut ingest = Ingest::new(Context::default());
        let text = objects::write(documents);
        let path = "case.yaml".into();
        ingest.apply(vec![parse_file(&path, text.as_bytes(), ingest.context())]);
        let told = Told::about(ingest.mesh().clone(), &self.asker, Protocol::Delta).expect("an answer");
        let problems =
            Report::new(&ingest.snapshot()).entries.into_iter().flat_map(|entry| entry.problems.clone());
        let shown = self.print.as_ref().map(|print| render::render(&told, Vec::new(), print));
        Outcome {
            problems: problems.collect(),
            mesh: format!("{:?}", ingest.mesh()),
            shown: shown.transpose().expect("YAML").unwrap_or_default(),
            told,
        }
    }

    /// Whether its output shows what Envoy is sent.
    pub fn is_end_to_end(&self) -> bool {
        self.print.is_some()
    }
}

/// Goldens: those that show what Envoy is sent first, then those with few fields first.
pub fn goldens() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases = Vec::new();
    for (directory, name) in [("testdata", "tests"), ("../pilot/ingest/testdata", "pilot/ingest")] {
        for case in golden::cases(root.join(directory)).expect("goldens") {
            let Some(documents) = objects::read(&case.input) else { continue };
            let end_to_end = directory == "testdata";
            let Options { proxy, print, _dangling: _ } =
                if end_to_end { case.options() } else { Options::default() };
            cases.push(Case {
                file: format!("{name}/testdata/{}", case.name),
                used: objects::used(&documents),
                documents,
                asker: proxy,
                print: end_to_end.then_some(print),
            });
        }
    }
    cases.sort_by_key(|case| (!case.is_end_to_end(), case.used.len(), case.file.clone()));
    cases
}

/// Cases of traffic and the fields that they set, those with few first.
pub fn traffic() -> Vec<(String, BTreeSet<Place>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traffic/cases");
    let mut found = Vec::new();
    for directory in entries(&root) {
        for file in entries(&directory) {
            let text = fs::read_to_string(&file).expect("a case");
            let name = file.strip_prefix(&root).expect("below").with_extension("");
            let documents = objects::read(&text).expect("YAML");
            found.push((name.to_string_lossy().into_owned(), objects::used(&documents)));
        }
    }
    found.sort_by_key(|(name, used)| (used.len(), name.clone()));
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}
