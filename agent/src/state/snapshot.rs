//! What accepted responses add up to.
//!
//! In: responses in their order. Out: for each type, the newest version of each resource that was not removed since.

use std::collections::BTreeMap;

use mesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};

/// Resources of all types. Their bytes are shared with what was read.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    types: BTreeMap<String, BTreeMap<String, Resource>>,
}

impl Snapshot {
    /// Takes a response in.
    pub fn apply(&mut self, response: DeltaDiscoveryResponse) {
        let DeltaDiscoveryResponse { resources, removed_resources, type_url, .. } = response;
        let kept = self.types.entry(type_url).or_default();
        for name in removed_resources {
            kept.remove(&name);
        }
        for resource in resources {
            kept.insert(resource.name.clone(), resource);
        }
    }

    /// Drops all of a type.
    pub fn forget(&mut self, type_url: &str) {
        self.types.remove(type_url);
    }

    /// The resources of a type.
    pub fn resources(&self, type_url: &str) -> impl Iterator<Item = &Resource> {
        self.types.get(type_url).into_iter().flat_map(BTreeMap::values)
    }

    /// One resource.
    pub fn resource(&self, type_url: &str, name: &str) -> Option<&Resource> {
        self.types.get(type_url)?.get(name)
    }

    /// Whether there is anything of a type.
    pub fn has(&self, type_url: &str) -> bool {
        self.types.contains_key(type_url)
    }

    /// One response for each type, which together add up to this.
    pub fn responses(&self) -> impl Iterator<Item = DeltaDiscoveryResponse> {
        self.types.iter().map(|(type_url, kept)| DeltaDiscoveryResponse {
            type_url: type_url.clone(),
            resources: kept.values().cloned().collect(),
            ..Default::default()
        })
    }
}
