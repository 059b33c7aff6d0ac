//! What was edited into place is what is derived from scratch: no history shows in what a proxy is told.
//!
//! Random edits of a small mesh in which names, addresses and wildcards meet go through the publisher one by one; after each
//! publication every proxy has to be told what a publisher says that knows only the outcome, and the report of problems has to say what one
//! from scratch does. An edge that is missing in what a change affects shows here. The same objects in any order give the same bytes.

#![allow(clippy::unwrap_used)] // Only a test is in here.

#[path = "incremental/objects.rs"]
mod objects;

use mesh_tests::{
    Asker, Told,
    asker::Capture,
    told::{self, Attached},
};
use objects::{Step, steps};
use pilot::Publisher;
use pilot_ingest::{Context, Ingest, LivedReport, Report, parse_file};
use pilot_xds::resource::Protocol;
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Instant};

/// Proxies of every kind that this mesh tells apart.
fn askers() -> Vec<(Asker, Protocol)> {
    let labelled = |asker: Asker, app: &str| Asker { labels: [("app".into(), app.into())].into(), ..asker };
    let at = |asker: Asker, address: &str| Asker { address: address.parse().unwrap(), ..asker };
    let with_identity = |asker: Asker| Asker { identity: true, ..asker };
    vec![
        (with_identity(labelled(Asker::new("x", "secured"), "client")), Protocol::Delta),
        (labelled(Asker::new("x", "plain"), "client"), Protocol::Delta),
        (
            Asker { network: "home".into(), ..with_identity(labelled(Asker::new("x", "chosen"), "chosen")) },
            Protocol::Delta,
        ),
        (
            Asker { self_discovery: true, ..with_identity(at(Asker::new("x", "a-1"), "10.1.0.1")) },
            Protocol::Delta,
        ),
        (at(Asker::new("x", "vm"), "10.2.0.1"), Protocol::Delta),
        (Asker::new("y", "other"), Protocol::Sotw),
        (Asker { dns_capture: true, delta_nds: true, ..Asker::new("x", "names") }, Protocol::Delta),
        (Asker { dns_capture: true, ..Asker::new("y", "table") }, Protocol::Delta),
        (
            Asker {
                capture: Capture::None,
                http_proxy_port: Some(15080),
                ..at(Asker::new("x", "a-2"), "10.1.0.2")
            },
            Protocol::Delta,
        ),
    ]
}

fn attach_all(publisher: &Publisher) -> Vec<Attached> {
    let attach = |(asker, protocol)| Attached::new(publisher, &asker, protocol).unwrap();
    askers().into_iter().map(attach).collect()
}

fn all_told(attached: &[Attached]) -> Vec<Told> {
    attached.iter().map(Attached::told).collect()
}

/// Fails the case when somebody is told something else than `fresh` says.
fn assert_same(lived: &[Told], fresh: &[Told]) -> Result<(), TestCaseError> {
    for ((lived, fresh), (asker, _)) in lived.iter().zip(fresh).zip(askers()) {
        let differences = lived.differences(fresh);
        prop_assert!(differences.is_empty(), "{} is told:\n{}", asker.name(), differences.join("\n"));
    }
    Ok(())
}

/// The number of cases, unless `PROPTEST_CASES` says another.
fn cases(usual: u32) -> ProptestConfig {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    };
    // A failure is printed as YAML, to be kept as a test of its own.
    ProptestConfig { failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn edits_lead_to_what_is_derived_from_scratch(steps in steps()) {
        let mut ingest = Ingest::new(Context::default());
        let publisher = Publisher::default();
        let attached = attach_all(&publisher);
        let (mut lived, mut report) = (LivedReport::default(), Report::default());
        for Step(edits) in &steps {
            let edits = edits.iter().map(|edit| parse_file(&edit.name.into(), edit.text.as_bytes(), ingest.context()));
            let edits = edits.collect();
            let changes = ingest.apply(edits);
            publisher.publish(ingest.mesh().clone(), &changes, Instant::now());
            let fresh = told::publisher(ingest.mesh().clone());
            assert_same(&all_told(&attached), &all_told(&attach_all(&fresh)))?;
            prop_assert_eq!(publisher.conflicts(), fresh_conflicts(&fresh));
            report = lived.follow(&ingest.snapshot()).unwrap_or(report);
            prop_assert_eq!(&report, &Report::new(&ingest.snapshot()));
        }
        // Scopes are split off others that are there already: nothing of these is left in them.
        let alone = askers().into_iter().map(|(asker, protocol)| Told::about(ingest.mesh().clone(), &asker, protocol).unwrap());
        assert_same(&all_told(&attach_all(&told::publisher(ingest.mesh().clone()))), &alone.collect::<Vec<_>>())?;
        for told in all_told(&attached) {
            let rejected = told.findings().into_iter().filter(|finding| finding.problem.is_rejected());
            let rejected: Vec<_> = rejected.map(|finding| finding.to_string()).collect();
            prop_assert!(rejected.is_empty(), "an Envoy would refuse: {}", rejected.join("\n"));
        }
    }

    #[test]
    fn order_does_not_show(steps in steps(), seed in any::<u64>()) {
        let last: BTreeMap<_, _> = steps.iter().flat_map(|Step(edits)| edits).map(|edit| (edit.name, &edit.text)).collect();
        let told = |order: Vec<(&&str, &&String)>| {
            let mut ingest = Ingest::new(Context::default());
            let edits = order.into_iter().map(|(name, text)| parse_file(&(*name).into(), text.as_bytes(), ingest.context()));
            let edits = edits.collect();
            ingest.apply(edits);
            all_told(&attach_all(&told::publisher(ingest.mesh().clone())))
        };
        let forward: Vec<_> = last.iter().collect();
        let mut shuffled = forward.clone();
        // Any order will do, as long as it is another one each time.
        shuffled.sort_by_key(|(name, _)| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)));
        assert_same(&told(forward), &told(shuffled))?;
    }
}

/// The conflicts that a publisher with the same proxies finds.
fn fresh_conflicts(fresh: &Publisher) -> BTreeMap<mesh_model::ObjectRef, Vec<mesh_model::Problem>> {
    let _attached = attach_all(fresh);
    fresh.conflicts()
}
