//! More changes at once than are written at once.

use super::*;
use crate::leader::{BATCH, PAUSE};

const OBJECTS: usize = 300;

/// Rounds until all that is due is written, as the leader makes them: so many at once, and a pause.
fn rounds(world: &mut World, proxies: &Proxies) -> usize {
    for round in 0..1000 {
        let plan = world.plan(proxies);
        if plan.writes.is_empty() && plan.again.is_none() {
            return round;
        }
        for Write { object, held: _, conditions } in plan.writes.into_iter().take(BATCH) {
            world.held.get_mut(&object).unwrap().conditions = conditions.to_vec();
            world.decider.wrote(&object, Some(Said { conditions, left: Vec::new() }), world.now);
        }
        world.now += PAUSE;
    }
    panic!("something is due for ever");
}

fn each(world: &World) -> Vec<ObjectRef> {
    world.held.keys().cloned().collect()
}

fn world() -> World {
    let mut world = World::new();
    let held = world.held.remove(&object()).unwrap();
    world.report.generations.clear();
    for number in 0..OBJECTS {
        let name = ObjectRef::new(Kind::VirtualService, "shop", format!("web-{number}"));
        world.report.generations.insert(name.clone(), 1);
        world.held.insert(name, held.clone());
    }
    world
}

#[test]
fn what_had_to_wait_is_not_taken_for_undone() {
    let mut world = world();
    let proxies = Proxies::have(1, 1);
    assert_eq!(rounds(&mut world, &proxies), OBJECTS / BATCH);
    // What all refer to goes, and comes again.
    for _ in 0..2 {
        let missing = Problem::error(Reason::NotFound, "spec.http[0]", "there is no service web");
        let entry = |object| pilot_ingest::ObjectReport {
            source: mesh_model::Source::Cluster,
            object: Some(object),
            generation: 1,
            problems: vec![missing.clone()],
            suppressed: Vec::new(),
        };
        world.report.entries = each(&world).into_iter().map(|object| entry(object).into()).collect();
        assert_eq!(rounds(&mut world, &proxies), OBJECTS / BATCH);
        let says_so = |held: &Held| held.conditions[1].reason == "NotFound";
        assert!(world.held.values().all(says_so));
        world.report.entries.clear();
        assert_eq!(rounds(&mut world, &proxies), OBJECTS / BATCH);
    }
}

#[test]
fn edits_of_all_are_told_of_as_fast() {
    let mut world = world();
    let proxies = Proxies::have(1, 1);
    rounds(&mut world, &proxies);
    for generation in 2..5 {
        for object in each(&world) {
            world.report.generations.insert(object.clone(), generation);
            world.held.get_mut(&object).unwrap().generation = generation;
        }
        assert_eq!(rounds(&mut world, &proxies), OBJECTS / BATCH);
    }
}
