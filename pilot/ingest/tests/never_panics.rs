//! Whatever is written, reading it gives problems and never a panic.

#![allow(clippy::unwrap_used, clippy::expect_used)] // What tests share may unwrap as tests may.

use mesh_model::{Problem, Severity, Source};
use pilot_ingest::{Context, Edit, Ingest, Report, kinds::KINDS, parse_file, parse_object};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names and values that occur in the API, so that the walk gets somewhere.
const WORDS: &[&str] = &[
    "hosts",
    "http",
    "route",
    "destination",
    "host",
    "subset",
    "port",
    "number",
    "match",
    "uri",
    "exact",
    "prefix",
    "regex",
    "headers",
    "weight",
    "timeout",
    "retries",
    "attempts",
    "retryOn",
    "fault",
    "delay",
    "percentage",
    "value",
    "redirect",
    "redirectCode",
    "trafficPolicy",
    "loadBalancer",
    "simple",
    "consistentHash",
    "subsets",
    "name",
    "labels",
    "ports",
    "protocol",
    "resolution",
    "STATIC",
    "DNS",
    "endpoints",
    "address",
    "egress",
    "selector",
    "clusterIP",
    "targetPort",
    "type",
    "template",
    "spec",
    "metadata",
    "containers",
    "replicas",
    "addresses",
    "conditions",
    "data",
    "mesh",
    "status",
    "podIP",
    "5s",
    "-1s",
    "*",
    "*.a.b",
    "a/b",
    "10.0.0.0/33",
    "(",
    "",
    "exportTo",
    "~",
    ".",
    "workloadSelector",
    "addressType",
    "IPv4",
    "targetRef",
    "mode",
    "tls",
    "items",
];

fn json_value() -> impl Strategy<Value = Value> {
    let word = || proptest::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..70_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(word(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A value of the goldens' inputs with one part replaced by anything.
fn mutated() -> impl Strategy<Value = Value> {
    let seeds: Vec<Value> = [
        include_str!("../testdata/virtual_service/bad_parts.in.yaml"),
        include_str!("../testdata/destination_rule/subsets.in.yaml"),
        include_str!("../testdata/sidecar/egress.in.yaml"),
        include_str!("../testdata/sidecar/excluded.in.yaml"),
        include_str!("../testdata/mesh_config/settings.in.yaml"),
    ]
    .iter()
    .map(|text| serde_saphyr::from_str(text).unwrap())
    .collect();
    (proptest::sample::select(seeds), any::<proptest::sample::Index>(), json_value()).prop_map(
        |(mut seed, place, value)| {
            let mut pointers = Vec::new();
            collect(&seed, String::new(), &mut pointers);
            let pointer = &pointers[place.index(pointers.len())];
            if let Some(part) = seed.pointer_mut(pointer) {
                *part = value;
            }
            seed
        },
    )
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(value, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(pointer);
}

/// A panic is caught and told: what was a panic must not pass for a problem of whoever wrote this. And who has to do something is told what.
fn check(problem: &Problem) {
    assert!(!problem.to_string().contains("defect of Meltemi"), "{problem}");
    assert!(problem.severity != Severity::Error || problem.hint.is_some(), "{problem}");
}

fn check_edit(edit: &Edit) {
    let Edit::File { objects, problems, .. } = edit else { return };
    objects.iter().flat_map(|object| &object.problems).for_each(check);
    problems.iter().for_each(|found| check(&found.problem));
}

fn read_as_every_kind(value: &Value) {
    for source in [Source::Cluster, Source::File { path: "a.yaml".into(), line: 1 }] {
        for row in KINDS {
            match parse_object(row, value.clone(), source.clone(), &Context::default()) {
                Ok(object) => object.problems.iter().for_each(check),
                Err(problem) => check(&problem),
            }
        }
    }
}

proptest! {
    #[test]
    fn on_any_spec(spec in json_value(), rest in json_value()) {
        let mut object = json!({ "metadata": { "name": "a", "labels": rest }, "spec": spec, "data": { "mesh": "{}" } });
        if let (Some(fields), Some(spec)) = (object.as_object_mut(), spec.as_object()) {
            fields.extend(spec.iter().filter(|(name, _)| *name != "metadata").map(|(name, value)| (name.clone(), value.clone())));
        }
        read_as_every_kind(&object);
    }

    #[test]
    fn on_nearly_right_objects(object in mutated()) {
        read_as_every_kind(&object);
    }

    #[test]
    fn on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut ingest = Ingest::new(Context::default());
        let edit = parse_file(&"a.yaml".into(), &bytes, &Context::default());
        check_edit(&edit);
        ingest.apply(vec![edit]);
        let _ = Report::new(&ingest.snapshot());
    }

    #[test]
    fn on_cut_files(at in 0_usize..1500) {
        let text = include_str!("../testdata/virtual_service/bad_parts.in.yaml");
        let cut = &text.as_bytes()[..at.min(text.len())];
        check_edit(&parse_file(&"a.yaml".into(), cut, &Context::default()));
    }
}
