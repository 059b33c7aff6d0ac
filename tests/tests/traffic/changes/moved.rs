//! A host that one object gives up and another takes, under load: routes that move between VirtualServices, and endpoints between
//! ServiceEntries; in one edit, and in two between which both have the host.

use super::{BUYER, ROUNDS, Visit, shop::Shop, visit, visit_at};
use crate::run;
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Outside, Request};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Within which what was acknowledged is taken up by every thread.
const SOON: Duration = Duration::from_secs(20);

/// Who has the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Older,
    Both,
    Younger,
}

impl Held {
    /// The hosts of each object: one of its own, and `host` if it has that.
    fn hosts(self, host: &str) -> [String; 2] {
        let both = |own: &str| format!("[{own}.{host}, {host}]");
        match self {
            Held::Older => [both("older"), format!("[younger.{host}]")],
            // Another one of its own: where the older one counts, nothing else would change.
            Held::Both => [both("older"), both("waiting")],
            Held::Younger => [format!("[older.{host}]"), both("younger")],
        }
    }
}

/// So many answers show who answers.
const SEVERAL: usize = 12;

/// There and back, each time at once and then with both in between. The older object leads to `v1`, the younger to `v2`.
async fn move_about(visit: &Visit, url: &str, yaml: impl Fn(Held) -> String, both: &[&str]) -> Result<()> {
    let (proxy, request) = (visit.traffic.proxy(BUYER)?, Request::get(url)?);
    for round in 0..ROUNDS / 2 {
        for held in [Held::Older, Held::Younger, Held::Older, Held::Both, Held::Younger, Held::Both] {
            visit.edit(&format!("{held:?}, round {round}"), &yaml(held)).await?;
            let expected = match held {
                Held::Older => &["v1"],
                Held::Both => both,
                Held::Younger => &["v2"],
            };
            eventually(SOON, async || {
                let mut seen = BTreeSet::new();
                for _ in 0..SEVERAL {
                    seen.insert(request.send(proxy).await?.version().to_owned());
                }
                ensure!(seen.iter().eq(expected), "{held:?}: answers of {seen:?}, not of {expected:?}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

#[test]
fn a_host_moves_between_virtual_services() {
    let shop = Shop::new("between-routes");
    visit(shop.clone(), async |visit| {
        let routes = |name: &str, year: u16, hosts: &str, subset: &str| {
            format!(
                "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: changes, creationTimestamp: '{year}-01-01T00:00:00Z'}}
spec:
  hosts: {hosts}
  http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: {}, subset: {subset}}}}}]}}]
",
                shop.service_name()
            )
        };
        let yaml = |held: Held| {
            let [older, younger] = held.hosts("between-routes.test");
            [
                shop.service(),
                shop.destination_rule(),
                routes("between-routes-older", 2025, &older, "blue-v1"),
                routes("between-routes-younger", 2026, &younger, "blue-v2"),
            ]
            .concat()
        };
        move_about(visit, &shop.url(), yaml, &["v1"]).await
    });
}

#[test]
fn a_host_moves_between_service_entries() {
    run(async |traffic| {
        let one_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("between-entries", &one_each).await?;
        let addresses = outside.addresses();
        let entry = |name: &str, year: u16, hosts: &str, address: usize| {
            format!(
                "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: changes, creationTimestamp: '{year}-01-01T00:00:00Z'}}
spec:
  hosts: {hosts}
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  endpoints: [{{address: {}}}]
",
                addresses[address]
            )
        };
        // Nothing is sent again: a retry would hide what a test is to find.
        let routes = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: between-entries, namespace: changes}
spec:
  hosts: [between-entries.test]
  http: [{retries: {attempts: 0}, route: [{destination: {host: between-entries.test}}]}]
";
        let yaml = |held: Held| {
            let [older, younger] = held.hosts("between-entries.test");
            let entries = [
                entry("between-entries-older", 2025, &older, 0),
                entry("between-entries-younger", 2026, &younger, 1),
            ];
            entries.concat() + routes
        };
        let (name, url) = ("between-entries", "http://between-entries.test/");
        let begin = yaml(Held::Younger);
        visit_at(traffic, name, &begin, url, async |visit| {
            // Alike as they are, they are one service.
            move_about(visit, url, yaml, &["v1", "v2"]).await
        })
        .await
    });
}
