//! YAML as users write it, to what it means and what is wrong with it: `testdata/<kind or block>/<case>.in.yaml` -> `.out.yaml`.

use mesh_model::{Mesh, Reason, Severity};
use mesh_testkit::golden;
use pilot_ingest::{Context, Ingest, Report, parse_file};
use serde::Serialize;
use serde_json::{Value, json};

#[test]
fn goldens() {
    golden::run("testdata", |case| {
        let mut ingest = Ingest::new(Context::default());
        let path = format!("{}.yaml", case.name).into();
        ingest.apply(vec![parse_file(&path, case.input.as_bytes(), ingest.context())]);
        render(ingest.mesh(), &Report::new(&ingest.snapshot()))
    });
}

/// Whoever is told that something is wrong is told what to write instead. Of what Meltemi does not do yet there is nothing to write.
#[test]
fn every_problem_that_somebody_has_to_act_on_has_a_hint() {
    let mut told = 0;
    for case in golden::cases("testdata").expect("goldens") {
        let mut ingest = Ingest::new(Context::default());
        ingest.apply(vec![parse_file(&"case.yaml".into(), case.input.as_bytes(), ingest.context())]);
        for problem in Report::new(&ingest.snapshot()).entries.iter().flat_map(|entry| &entry.problems) {
            let acts = match problem.severity {
                Severity::Error => true,
                Severity::Warning => problem.reason != Reason::NotSupported,
                Severity::Info => false,
            };
            let has_hint = problem.hint.as_ref().is_some_and(|hint| !hint.is_empty());
            assert!(has_hint || !acts, "{}: {problem}", case.name);
            told += usize::from(acts);
        }
    }
    assert!(told > 300, "{told}");
}

/// The cases of `analysis` are called by the codes that Istio's analyzers have for what is said in them.
#[test]
fn codes_are_those_of_istio() {
    let mut told = 0;
    for case in golden::cases("testdata/analysis").expect("goldens") {
        let code = case.name.rsplit('/').next().unwrap_or_default().to_uppercase();
        if !code.starts_with("IST") {
            continue;
        }
        let mut ingest = Ingest::new(Context::default());
        ingest.apply(vec![parse_file(&"case.yaml".into(), case.input.as_bytes(), ingest.context())]);
        for entry in Report::new(&ingest.snapshot()).entries {
            let kind = entry.object.as_ref().expect("an object").kind;
            for problem in &entry.problems {
                let codes = pilot_ingest::codes(kind, problem);
                assert!(codes.contains(&&*code), "{code}: {problem} has {codes:?}");
                told += 1;
            }
        }
    }
    assert!(told > 20, "{told}");
}

/// Problems first, each on a line as a person reads it; then the mesh, without what is empty.
fn render(mesh: &Mesh, report: &Report) -> String {
    let problems: Vec<String> = report
        .entries
        .iter()
        .flat_map(|entry| {
            entry.problems.iter().map(|problem| {
                let object = entry.object.as_ref().map_or_else(String::new, |object| format!("{object}: "));
                format!("{:?} {:?} {}: {object}{problem}", problem.severity, problem.reason, entry.source)
            })
        })
        .collect();
    let endpoints = mesh.services().filter_map(|service| {
        let endpoints = mesh.endpoints(service)?;
        let ports = endpoints.ports.iter().map(|(port, endpoints)| (port.to_string(), json!(endpoints)));
        Some((service.host.to_string(), Value::Object(ports.collect())))
    });
    let settings = json!(**mesh.config());
    let defaults = json!(mesh_model::MeshConfig::default());
    let mut output = json!({
        "problems": problems,
        "services": list(mesh.services()),
        "endpoints": Value::Object(endpoints.collect()),
        "virtualServices": list(mesh.virtual_services()),
        "destinationRules": list(mesh.destination_rules()),
        "sidecars": list(mesh.sidecars()),
        "peerAuthentications": list(mesh.peer_authentications()),
        "proxyConfigs": list(mesh.proxy_configs()),
        "workloads": list(mesh.workloads()),
        "config": if settings == defaults { Value::Null } else { settings },
    });
    prune(&mut output);
    serde_saphyr::to_string(&output).unwrap_or_else(|error| error.to_string())
}

fn list<'a, T: Serialize + 'a>(values: impl Iterator<Item = &'a T>) -> Value {
    values.map(|value| json!(value)).collect()
}

/// `{kind, name: {namespace, name}}` on one line.
fn shorten(value: &mut Value) {
    if let Some(object) = value.as_object_mut()
        && let (Some(kind), Some(name)) = (object.get("kind"), object.get("name"))
        && let (Some(kind), Some(namespace), Some(name)) = (
            kind.as_str(),
            name.get("namespace").and_then(Value::as_str),
            name.get("name").and_then(Value::as_str),
        )
    {
        *value = Value::String(format!("{kind} {namespace}/{name}"));
    }
}

/// Removes what says nothing.
fn prune(value: &mut Value) {
    let nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    match value {
        Value::Array(values) => values.iter_mut().for_each(prune),
        Value::Object(fields) => {
            fields.values_mut().for_each(shorten);
            fields.values_mut().for_each(prune);
            fields.retain(|_, value| !nothing(value));
            if fields.get("created").is_some_and(|created| *created == 0) {
                fields.remove("created");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
