//! The mesh is a function of the objects: neither the order in which they come nor what was there before shows.

#![allow(clippy::unwrap_used, clippy::expect_used)] // What tests share may unwrap as tests may.

use mesh_model::ChangeSet;
use pilot_ingest::{Context, Edit, Ingest, Report, parse_file};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Every golden's input, one file each.
fn files() -> Vec<(Arc<str>, Vec<u8>)> {
    let mut files = Vec::new();
    for kind in std::fs::read_dir("testdata").unwrap() {
        for case in std::fs::read_dir(kind.unwrap().path()).unwrap() {
            let path = case.unwrap().path();
            if path.to_string_lossy().ends_with(".in.yaml") {
                files.push((path.to_string_lossy().into(), std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// All of it, as text that is easy to compare.
fn describe(ingest: &Ingest) -> (String, Report) {
    (format!("{:#?}", ingest.mesh()), Report::new(&ingest.snapshot()))
}

fn edit(file: &(Arc<str>, Vec<u8>)) -> Edit {
    parse_file(&file.0, &file.1, &Context::default())
}

fn gone(file: &(Arc<str>, Vec<u8>)) -> Edit {
    parse_file(&file.0, b"", &Context::default())
}

/// The number of cases, unless `PROPTEST_CASES` says another.
fn cases(usual: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn history_does_not_show(
        steps in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>(), any::<bool>()), 1..60),
    ) {
        let files = files();
        let mut lived = Ingest::new(Context::default());
        let mut present = BTreeMap::new();
        let mut batch = Vec::new();
        for (index, there, flush) in steps {
            let index = index.index(files.len());
            batch.push(if there { edit(&files[index]) } else { gone(&files[index]) });
            if there { present.insert(index, ()); } else { present.remove(&index); }
            if flush {
                lived.apply(std::mem::take(&mut batch));
            }
        }
        lived.apply(batch);
        let mut fresh = Ingest::new(Context::default());
        fresh.apply(present.keys().rev().map(|index| edit(&files[*index])).collect());
        let (left, right) = (describe(&lived), describe(&fresh));
        prop_assert_eq!(left.1, right.1);
        prop_assert_eq!(left.0, right.0);
    }
}

#[test]
fn what_is_there_already_changes_nothing() {
    let mut ingest = Ingest::new(Context::default());
    let all = || files().iter().map(edit).collect::<Vec<_>>();
    assert!(!ingest.apply(all()).is_empty());
    let mesh = ingest.mesh().clone();
    assert_eq!(ingest.apply(all()), ChangeSet::default());
    assert!(Arc::ptr_eq(&mesh, ingest.mesh()));
}

#[test]
fn an_unusable_version_keeps_the_last_good_one() {
    let file = |host: &str| {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\n\
             spec: {{hosts: [\"{host}\"], http: [{{directResponse: {{status: 200}}}}]}}"
        );
        parse_file(&"a.yaml".into(), text.as_bytes(), &Context::default())
    };
    let mut ingest = Ingest::new(Context::default());
    ingest.apply(vec![file("good.example.com")]);
    let mesh = ingest.mesh().clone();
    assert!(ingest.apply(vec![file("*")]).is_empty());
    assert!(Arc::ptr_eq(&mesh, ingest.mesh()));
    let report = Report::new(&ingest.snapshot());
    let messages: Vec<_> = report.entries[0].problems.iter().map(|problem| &*problem.message).collect();
    assert!(messages[0].contains("every service"), "{messages:?}");
    assert!(messages[1].contains("last good"), "{messages:?}");
    ingest.apply(vec![file("other.example.com")]);
    assert_eq!(Report::new(&ingest.snapshot()).entries, []);
}

#[test]
fn a_bad_one_is_not_given_the_last_good_one_of_another_document() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
                spec: {hosts: [good.example.com], http: [{directResponse: {status: 200}}]}\n---\n\
                apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: ['*']}\n";
    let file = || parse_file(&"a.yaml".into(), text.as_bytes(), &Context::default());
    let mut ingest = Ingest::new(Context::default());
    ingest.apply(vec![file()]);
    let before = Report::new(&ingest.snapshot());
    ingest.apply(vec![file()]);
    assert_eq!(Report::new(&ingest.snapshot()), before);
}

#[test]
fn a_half_written_file_keeps_what_it_said() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http, port: 80}]}\n";
    let file = |text: &str| parse_file(&"a.yaml".into(), text.as_bytes(), &Context::default());
    let mut ingest = Ingest::new(Context::default());
    ingest.apply(vec![file(service)]);
    assert!(ingest.apply(vec![file(&service[..service.len() - 3])]).is_empty());
    assert_eq!(ingest.mesh().services().count(), 1);
    assert_eq!(Report::new(&ingest.snapshot()).entries.len(), 1);
    assert!(!ingest.apply(vec![file("")]).is_empty());
    assert_eq!(ingest.mesh().services().count(), 0);
    assert_eq!(Report::new(&ingest.snapshot()), Report::default());
}

#[test]
fn a_namespace_that_was_empty_when_selectors_went_is_part_of_the_mesh_again() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: other}\nspec: {ports: [{name: http, port: 80}]}\n";
    let selectors = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: 'discoverySelectors: [{matchLabels: {mesh: yes-please}}]'}\n";
    let mut ingest = Ingest::new(Context::default());
    let mut write = |name: &str, text: &str| {
        ingest.apply(vec![parse_file(&name.into(), text.as_bytes(), &Context::default())]);
        ingest.mesh().services().count()
    };
    let counts = [
        write("selectors.yaml", selectors),
        write("service.yaml", service),
        write("service.yaml", ""),
        write("selectors.yaml", ""),
        write("service.yaml", service),
    ];
    assert_eq!(counts, [0, 0, 0, 0, 1]);
}

#[test]
fn settings_that_go_and_come_at_once_hold_for_what_comes_with_them() {
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                data: {mesh: \"defaultDestinationRuleExportTo: ['.']\"}\n---\n\
                apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: shop}\n\
                spec: {host: a.example.com}\n";
    let parse = |text: &str| parse_file(&"all.yaml".into(), text.as_bytes(), &Context::default());
    let mut ingest = Ingest::new(Context::default());
    ingest.apply(vec![parse(file)]);
    let shown = |ingest: &Ingest| {
        let mesh = ingest.mesh().clone();
        let rule = mesh.destination_rules().next().unwrap().clone();
        (rule.export_to.includes("shop"), rule.export_to.includes("elsewhere"))
    };
    assert_eq!(shown(&ingest), (true, false));
    ingest.apply(vec![parse(""), parse(file)]);
    assert_eq!(shown(&ingest), (true, false));
}
