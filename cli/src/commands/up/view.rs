//! In: what the parts of a running mesh say of themselves. Out: one snapshot for the screen.

use std::collections::BTreeMap;

use meltemi_local::directory::Entry;
use mesh_model::Problem;
use pilot::{
    Pilot,
    debug::{self, ProxyState},
};

use super::hints::{hints, program};
use crate::{
    live::{Row, Snapshot, Sync},
    problems::Finding,
};

/// How things are now. `options` is what commands need to find this control plane.
pub fn snapshot(pilot: &Pilot, entries: Vec<Entry>, title: &str, options: &str) -> Snapshot {
    let mut problems = Finding::of_report(&pilot.report());
    let conflicts = pilot.publisher().conflicts().into_iter();
    problems.extend(findings(conflicts.map(|(object, problems)| (object.to_string(), problems))));
    problems.extend(findings(debug::rejections(pilot)));
    let mesh = pilot.mesh().borrow().clone();
    let wanted = mesh.workloads().filter(|workload| workload.local.is_some()).count();
    // While replicas are still being started the best one to call from may not be there yet.
    let hints =
        if entries.len() == wanted { hints(&mesh, &entries, &program(), options) } else { Vec::new() };
    Snapshot { title: title.to_owned(), rows: rows(pilot, entries), problems, hints }
}

fn findings(problems: impl IntoIterator<Item = (String, Vec<Problem>)>) -> Vec<Finding> {
    let of_object = |(object, problems): (String, Vec<Problem>)| {
        problems.into_iter().map(move |problem| Finding {
            place: String::new(),
            object: object.clone(),
            problem,
        })
    };
    problems.into_iter().flat_map(of_object).collect()
}

fn rows(pilot: &Pilot, entries: Vec<Entry>) -> Vec<Row> {
    let proxies: BTreeMap<String, ProxyState> =
        debug::proxy_states(pilot).into_iter().map(|proxy| (proxy.proxy.clone(), proxy)).collect();
    let mut rejected = BTreeMap::<String, usize>::new();
    for proxy in pilot.xds().rejections.report().iter().flat_map(|rejection| &rejection.proxies) {
        *rejected.entry(proxy.to_string()).or_default() += 1;
    }
    let row = |entry| {
        let mut row = Row { entry, sync: Sync::Away, traffic: None };
        let name = row.name();
        row.sync = match (proxies.get(&name), rejected.get(&name)) {
            (None, _) => Sync::Away,
            (Some(_), Some(count)) => Sync::Rejected(*count),
            (Some(proxy), None) if proxy.synced => Sync::Synced,
            (Some(_), None) => Sync::Waiting,
        };
        row
    };
    entries.into_iter().map(row).collect()
}
