//! What one host brings on, or what deriving a scope does, changes nothing for others.

use super::Publisher;
use mesh_model::{Host, Str};
use pilot_ingest::{Context, Ingest, parse_file};
use pilot_xds::{
    resource::{Protocol, ResourceType},
    source::{Attachment, Source as _},
    wire::Node,
};
use std::{cell::RefCell, time::Instant};

thread_local! {
    static TRAP: RefCell<Option<&'static str>> = const { RefCell::new(None) };
}

/// Panics where the host is the one that a test has set a trap for.
pub fn spring(host: &Host) {
    TRAP.with_borrow(|trap| assert!(trap.is_none_or(|trap| !host.as_str().starts_with(trap)), "boom"));
}

fn set_trap(host: Option<&'static str>) {
    TRAP.with_borrow_mut(|trap| *trap = host);
}

struct World {
    ingest: Ingest,
    publisher: Publisher,
    client: Attachment,
}

impl World {
    async fn new() -> Self {
        let publisher = Publisher::default();
        let node = Node { id: "sidecar~10.0.0.1~client.a~a.svc.cluster.local".into(), ..Node::default() };
        let client = publisher.attach(&node, Protocol::Delta, None).await.unwrap();
        Self { ingest: Ingest::new(Context::default()), publisher, client }
    }

    /// Publishes services with these ports.
    fn publish(&mut self, services: &[(&str, u16)]) {
        let text: String = services
            .iter()
            .map(|(name, port)| {
                format!("---\napiVersion: v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{ ports: [{{ name: http, port: {port} }}] }}\n")
            })
            .collect();
        let edit = parse_file(&Str::from("a.yaml"), text.as_bytes(), self.ingest.context());
        let changes = self.ingest.apply(vec![edit]);
        self.publisher.publish(self.ingest.mesh().clone(), &changes, Instant::now());
    }

    /// The clusters of services that the client has.
    fn clusters(&self) -> Vec<String> {
        let snapshot = self.client.class.current();
        let layers = snapshot.layers.iter().flat_map(|layer| layer.resources(ResourceType::Cluster).values());
        let names = layers.map(|resource| resource.name().to_string());
        let mut names: Vec<_> = names
            .filter_map(|name| {
                let (port, host) = name.strip_prefix("outbound|")?.split_once("||")?;
                Some(format!("{} {port}", host.split('.').next()?))
            })
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_host_of_which_nothing_can_be_made_stays_as_it_was() {
    let mut world = World::new().await;
    world.publish(&[("a", 80), ("trap", 80)]);
    assert_eq!(world.clusters(), ["a 80", "trap 80"]);
    set_trap(Some("trap."));
    world.publish(&[("a", 81), ("trap", 81)]);
    assert_eq!(world.clusters(), ["a 81", "trap 80"]);
    let told: Vec<String> = world.publisher.conflicts().keys().map(ToString::to_string).collect();
    assert_eq!(told, ["Service default/trap"]);
    set_trap(None);
    world.publish(&[("a", 81), ("trap", 82)]);
    assert_eq!(world.clusters(), ["a 81", "trap 82"]);
    assert!(world.publisher.conflicts().is_empty());
}

#[tokio::test]
async fn a_scope_that_cannot_be_derived_keeps_what_it_had_until_it_can() {
    let mut world = World::new().await;
    world.publish(&[("a", 80), ("b", 80), ("c", 80)]);
    set_trap(Some("ports"));
    world.publish(&[("a", 81), ("b", 80)]);
    assert_eq!(world.clusters(), ["a 80", "b 80", "c 80"]);
    set_trap(None);
    // An edit of another object: what failed before is made up for.
    world.publish(&[("a", 81), ("b", 82)]);
    assert_eq!(world.clusters(), ["a 81", "b 82"]);
    let mut fresh = World::new().await;
    fresh.publish(&[("a", 81), ("b", 82)]);
    let all = |world: &World| -> Vec<String> {
        let snapshot = world.client.class.current();
        let kinds = ResourceType::ALL.iter();
        let of_kind = |kind: &ResourceType| {
            let layers = snapshot.layers.iter().flat_map(|layer| layer.resources(*kind).values());
            layers.map(|resource| format!("{} {:?}", resource.name(), resource.version())).collect::<Vec<_>>()
        };
        let mut all: Vec<String> = kinds.flat_map(of_kind).collect();
        all.sort();
        all
    };
    assert_eq!(all(&world), all(&fresh), "as if nothing had been");
}
