//! What `meltemi up` shows: a table that is redrawn in place on a terminal, a line for each change elsewhere.
//!
//! In: a [`Snapshot`] whenever something may have changed. Out: text. It must not know where the facts come from.

mod changes;
mod screen;
mod table;

use std::collections::BTreeMap;

use meltemi_local::{directory::Entry, envoy::admin::Traffic};

use crate::problems::Finding;
pub use screen::Live;

/// All that is shown, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Where the configuration is read from, and where the control plane listens.
    pub title: String,
    /// One a replica.
    pub rows: Vec<Row>,
    /// What is wrong with the configuration.
    pub problems: Vec<Finding>,
    /// What to try next.
    pub hints: Vec<String>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The replica itself.
    pub entry: Entry,
    /// How far its Envoy is with its configuration.
    pub sync: Sync,
    /// The requests that its Envoy has finished, where it could be asked.
    pub traffic: Option<Traffic>,
}

/// How far a proxy is with its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sync {
    /// It is not connected to the control plane.
    Away,
    /// Something that was sent is not acknowledged yet.
    Waiting,
    /// It has all.
    Synced,
    /// It has all but what it refused.
    Rejected(usize),
}

impl Row {
    /// Whether it takes requests, with all the configuration it is meant to have.
    pub fn is_ready(&self) -> bool {
        self.sync == Sync::Synced && self.entry.ready && self.entry.error.is_none()
    }

    /// `<pod>.<namespace>`, as proxies are named everywhere.
    pub fn name(&self) -> String {
        format!("{}.{}", self.entry.identity.pod, self.entry.identity.namespace)
    }
}

fn by_name(rows: &[Row]) -> BTreeMap<String, &Row> {
    rows.iter().map(|row| (row.name(), row)).collect()
}

#[cfg(test)]
mod tests {
    use meltemi_local::{ADMIN_PORT, HTTP_PROXY_PORT, Identity, envoy::SidecarState};
    use mesh_model::{Problem, Reason};

    use super::*;

    fn row(index: u8, sidecar: SidecarState, sync: Sync) -> Row {
        let address = std::net::IpAddr::from([127, 64, 0, index]);
        let entry = Entry {
            identity: Identity {
                pod: format!("cart-{index}").into(),
                namespace: "shop".into(),
                workload: "cart".into(),
                app: "cart".into(),
                version: "v1".into(),
            },
            pod_address: address,
            application: address,
            ports: Vec::new(),
            http_proxy: (address, HTTP_PROXY_PORT).into(),
            admin: (address, ADMIN_PORT).into(),
            ready: sidecar == SidecarState::Ready,
            spiffe_id: (sidecar == SidecarState::Ready)
                .then(|| "spiffe://cluster.local/ns/shop/sa/cart".into()),
            sidecar,
            error: None,
            requests: 0,
        };
        Row { entry, sync, traffic: Some(Traffic { inbound: 7, outbound: 0 }) }
    }

    fn snapshot(rows: Vec<Row>) -> Snapshot {
        let finding = Finding {
            place: "cart.yaml:9".to_owned(),
            object: "VirtualService shop/cart".to_owned(),
            problem: Problem::error(Reason::NotFound, "spec.hosts[0]", "there is no service `card`"),
        };
        Snapshot { title: "title".to_owned(), rows, problems: vec![finding], hints: vec!["call".to_owned()] }
    }

    fn plain(lines: Vec<String>) -> Vec<String> {
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn the_screen() {
        let rows = vec![
            row(0, SidecarState::Ready, Sync::Synced),
            row(1, SidecarState::Down { reason: "ended with signal: 9".to_owned() }, Sync::Away),
        ];
        let expected = "\
title

WORKLOAD      VERSION   ADDRESS      ENVOY   CONFIG          REQUESTS IN   OUT   IDENTITY
cart-0.shop   v1        127.64.0.0   ready   synced          7             0     spiffe://cluster.local/ns/shop/sa/cart
cart-1.shop   v1        127.64.0.1   down    not connected   7             0

error cart-1.shop: Envoy ended with signal: 9
error cart.yaml:9 VirtualService shop/cart spec.hosts[0]: there is no service `card`
1 error

Try next
  call";
        assert_eq!(plain(table::lines(&snapshot(rows))).join("\n"), expected);
    }

    #[test]
    fn a_line_for_each_change() {
        let starting = snapshot(vec![row(0, SidecarState::Starting, Sync::Away)]);
        let mut ready = snapshot(vec![row(0, SidecarState::Ready, Sync::Synced)]);
        ready.problems.clear();
        let lines = |old: &Snapshot, new: &Snapshot| plain(changes::lines(old, new));
        let problem = "error cart.yaml:9 VirtualService shop/cart spec.hosts[0]: there is no service `card`";
        assert_eq!(
            lines(&Snapshot::default(), &starting),
            ["title", "cart-0.shop: Envoy is starting at 127.64.0.0", problem, "try next: call"]
        );
        assert_eq!(
            lines(&starting, &ready),
            [
                "cart-0.shop: Envoy is ready",
                "cart-0.shop: is spiffe://cluster.local/ns/shop/sa/cart",
                "cart-0.shop: has its configuration",
                &format!("solved: {problem}")
            ]
        );
        let mut waiting = ready.clone();
        waiting.rows[0].sync = Sync::Waiting;
        changes::settle(&ready, &mut waiting);
        assert!(lines(&ready, &waiting).is_empty());
        assert_eq!(lines(&ready, &Snapshot { rows: Vec::new(), ..ready.clone() }), ["cart-0.shop: stopped"]);
    }
}
