//! Edits under load: 500 requests a second through two sidecars, no retries, and no request may notice. Fewer a second fail the test, too.
//!
//! Each case edits a [`Shop`] there and back, all at once and object by object in the order in which people are told to do it.
//! An edit returns when every proxy has acknowledged it, and then some requests follow.

mod moved;
mod random;
mod redirected;
mod rolled;
mod shop;
mod started;

use crate::{figures, run};
use anyhow::{Result, ensure};
use mesh_tests::traffic::{Load, Traffic};
use random::Random;
use shop::Shop;
use tokio::sync::{Mutex, MutexGuard};

/// Who asks.
const BUYER: &str = "buyer-0";
/// Requests a second.
const RATE: u32 = 500;
/// Requests after each edit, at least: some may be under way for a while.
const AFTER_EACH: usize = 150;
/// So often there and back.
const ROUNDS: usize = 4;
/// Edits in random order.
const RANDOM_EDITS: usize = 60;

/// They share a client, whose Sidecar some of them change.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    ONE_AT_A_TIME.lock().await
}

/// Requests to a shop that is being edited.
struct Visit {
    traffic: &'static Traffic,
    file: String,
    load: Load,
}

/// Sends requests to `shop` while `edit` edits it; none may fail.
fn visit(shop: Shop, edit: impl AsyncFnOnce(&Visit) -> Result<()>) {
    run(async |traffic| visit_at(traffic, shop.name, &shop.yaml(), &shop.url(), edit).await);
}

/// The same of anything else that is answered at `url`, and begins as this YAML.
async fn visit_at(
    traffic: &'static Traffic,
    name: &str,
    yaml: &str,
    url: &str,
    edit: impl AsyncFnOnce(&Visit) -> Result<()>,
) -> Result<()> {
    let _alone = alone().await;
    let file = format!("{name}.yaml");
    traffic.apply(&file, yaml).await?;
    let load = Load::start(traffic.proxy(BUYER)?, url, RATE)?;
    load.more(AFTER_EACH).await;
    let visit = Visit { traffic, file, load };
    let edited = edit(&visit).await;
    let Visit { traffic, file, load } = visit;
    let outcome = load.stop().await?;
    // Whatever came of it: the next test is to find what it expects.
    traffic.remove(&file).await?;
    edited?;
    ensure!(outcome.failed == 0, "{outcome:#?}");
    figures::tell(&format!("changes-{name}"), &format!("{}, none failed", outcome.rate()?))
}

impl Visit {
    async fn edit(&self, what: &str, yaml: &str) -> Result<()> {
        self.load.meanwhile(what);
        self.traffic.apply(&self.file, yaml).await?;
        self.load.more(AFTER_EACH).await;
        Ok(())
    }
}

/// One change there and back, at once.
fn at_once(name: &'static str, change: impl Fn(&mut Shop)) {
    let here = Shop::new(name);
    let mut there = here.clone();
    change(&mut there);
    visit(here.clone(), async |visit| {
        for round in 0..ROUNDS {
            visit.edit(&format!("there, round {round}"), &there.yaml()).await?;
            visit.edit(&format!("back, round {round}"), &here.yaml()).await?;
        }
        Ok(())
    });
}

#[test]
fn weights() {
    at_once("weights", |shop| shop.weight = 0);
}

#[test]
fn subsets_added_and_removed() {
    at_once("subsets-added", |shop| shop.further = Some("green"));
}

#[test]
fn subsets_replaced_with_the_routes_to_them() {
    at_once("subsets-replaced", |shop| shop.subsets = Some("green"));
}

#[test]
fn subsets_given_up() {
    at_once("subsets-given-up", |shop| shop.subsets = None);
}

#[test]
fn service_renamed() {
    at_once("renamed", |shop| shop.service = "second");
}

#[test]
fn port_changed() {
    at_once("port", |shop| shop.port = 8088);
}

#[test]
fn target_port_changed() {
    at_once("target-port", |shop| shop.target_port = 8081);
}

#[test]
fn sidecar_tightened() {
    at_once("tightened", |shop| shop.tight = true);
}

#[test]
fn all_of_it_at_once() {
    at_once("everything", |shop| {
        *shop = Shop {
            name: shop.name,
            service: "second",
            port: 8088,
            target_port: 8081,
            subsets: Some("green"),
            further: Some("red"),
            weight: 10,
            tight: true,
        };
    });
}

/// The order in which people are told to do it: what is led to first, then the routes, then what they led to before.
fn step_by_step(name: &'static str, change: impl Fn(&mut Shop)) {
    let here = Shop::new(name);
    let mut there = here.clone();
    change(&mut there);
    visit(here.clone(), async |visit| {
        for round in 0..ROUNDS / 2 {
            for (from, to) in [(&here, &there), (&there, &here)] {
                let both = from.beside(to);
                visit
                    .edit(&format!("both, round {round}"), &(both.clone() + &from.virtual_service()))
                    .await?;
                visit.edit(&format!("routes, round {round}"), &(both + &to.virtual_service())).await?;
                visit.edit(&format!("done, round {round}"), &to.yaml()).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn subsets_step_by_step() {
    step_by_step("steps-subsets", |shop| shop.subsets = Some("green"));
}

#[test]
fn service_renamed_step_by_step() {
    step_by_step("steps-renamed", |shop| shop.service = "second");
}

#[test]
fn clients_move_to_the_new_name_and_port() {
    let here = Shop::new("moved");
    let there = Shop { service: "second", port: 8089, ..here.clone() };
    visit(here.clone(), async |visit| {
        for _ in 0..ROUNDS / 2 {
            for (from, to) in [(&here, &there), (&there, &here)] {
                visit.edit("both names are there", &(from.beside(to) + &from.virtual_service())).await?;
                visit.load.ask(&to.own_url()).await?;
                visit.edit("the old name is gone", &to.yaml()).await?;
            }
        }
        Ok(())
    });
}

/// Anything, several at once, and the next before the last is acknowledged.
#[test]
fn anything_in_any_order() {
    let seed = random::seed();
    figures::say(&format!("MELTEMI_SEED={seed}"));
    let mut random = Random::new(seed);
    let mut shop = Shop::new("anything");
    visit(shop.clone(), async |visit| {
        for number in 0..RANDOM_EDITS {
            let last = shop.clone();
            while shop.yaml() == last.yaml() {
                for _ in 0..1 + random.below(3) {
                    random.edit(&mut shop);
                }
            }
            visit.load.meanwhile(&format!("edit {number}: {shop:?} after {last:?}"));
            if random.below(3) == 0 {
                visit.traffic.apply(&visit.file, &shop.yaml()).await?;
            } else {
                visit.traffic.publish(&visit.file, &shop.yaml()).await?;
            }
            visit.load.more(random.below(60)).await;
        }
        visit.traffic.acknowledged().await?;
        visit.load.more(AFTER_EACH).await;
        Ok(())
    });
}
