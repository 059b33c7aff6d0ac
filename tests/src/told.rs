//! What a proxy is told: all resources of its snapshot, for comparison and for checks.
//!
//! In: a publisher and who asks. Out: every resource by type and name. Must not know how it came about.

use crate::Asker;
use anyhow::{Context, Result};
use mesh_model::{ChangeSet, Mesh};
use pilot::Publisher;
use pilot_envoy::check;
use pilot_xds::{
    resource::{Protocol, Resource, ResourceType},
    snapshot::Snapshot,
    source::{Attachment, Source},
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// The resources of one proxy.
#[derive(Debug, Clone)]
pub struct Told {
    /// By type and name.
    pub resources: BTreeMap<(ResourceType, Arc<str>), Arc<Resource>>,
}

/// A proxy that stays attached to a publisher: whatever is published, [`Attached::told`] is what it would be told now.
pub struct Attached {
    attachment: Attachment,
    protocol: Protocol,
}

impl Attached {
    /// Attaches `asker` to `publisher`.
    pub fn new(publisher: &Publisher, asker: &Asker, protocol: Protocol) -> Result<Self> {
        let (node, proven) = (asker.node(), asker.proven());
        let attaching = publisher.attach(&node, protocol, proven.as_ref());
        let attachment = futures::executor::block_on(attaching);
        Ok(Self { attachment: attachment.context("the proxy was refused")?, protocol })
    }

    /// What it would be told now.
    pub fn told(&self) -> Told {
        Told::new(&self.attachment.class.current(), self.protocol)
    }
}

/// A publisher that has been given `mesh` at once.
pub fn publisher(mesh: Arc<Mesh>) -> Publisher {
    let publisher = Publisher::default();
    let everything = ChangeSet { everything: true, ..ChangeSet::default() };
    publisher.publish(mesh, &everything, Instant::now());
    publisher
}

impl Told {
    /// What `asker` is told about `mesh`.
    pub fn about(mesh: Arc<Mesh>, asker: &Asker, protocol: Protocol) -> Result<Self> {
        Ok(Attached::new(&publisher(mesh), asker, protocol)?.told())
    }

    /// The resources of `snapshot` that clients of `protocol` get: route configurations come in one of two forms.
    pub fn new(snapshot: &Snapshot, protocol: Protocol) -> Self {
        let not_for_it: &[ResourceType] = match protocol {
            Protocol::Delta => &[ResourceType::InlineRoute],
            Protocol::Sotw => &[ResourceType::Route, ResourceType::VirtualHost],
        };
        let kinds = ResourceType::ALL.into_iter().filter(|kind| !not_for_it.contains(kind));
        let resources = kinds.flat_map(|kind| snapshot.resources(kind));
        let resources = resources
            .map(|resource| ((resource.kind(), resource.name().clone()), resource.clone()))
            .collect();
        Self { resources }
    }

    /// The resources of one type, in order of name.
    pub fn of(&self, kind: ResourceType) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values().filter(move |resource| resource.kind() == kind)
    }

    /// Everything that an Envoy would reject or never reach.
    pub fn findings(&self) -> Vec<check::Finding> {
        check::check(
            self.resources.iter().map(|((kind, name), resource)| (*kind, &**name, resource.message())),
        )
    }

    /// The versions of everything: equal versions are equal bytes.
    pub fn versions(&self) -> BTreeMap<(ResourceType, Arc<str>), Arc<str>> {
        self.resources.iter().map(|(key, resource)| (key.clone(), resource.version().clone())).collect()
    }

    /// What differs from `other`, a line a resource: for messages of failing tests.
    pub fn differences(&self, other: &Told) -> Vec<String> {
        let (ours, theirs) = (self.versions(), other.versions());
        let mut lines = Vec::new();
        for ((kind, name), version) in &ours {
            match theirs.get(&(*kind, name.clone())) {
                None => lines.push(format!("{} {name}: too much", kind.label())),
                Some(other) if other != version => {
                    lines.push(format!("{} {name}: differs", kind.label()));
                }
                Some(_) => {}
            }
        }
        let missing = theirs.keys().filter(|key| !ours.contains_key(*key));
        lines.extend(missing.map(|(kind, name)| format!("{} {name}: missing", kind.label())));
        lines
    }
}
