//! `localityLbSetting`, `zoneAwareLbSetting` and `trafficDistribution`: which endpoints are near, and what that means.

use crate::{Labels, Locality, Str};
use serde::Serialize;
use std::collections::BTreeSet;

/// Label for the region of a client or endpoint.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// Label for its zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Label for its sub-zone.
pub const SUB_ZONE_LABEL: &str = "topology.istio.io/subzone";
/// Label for its network.
pub const NETWORK_LABEL: &str = "topology.istio.io/network";
/// Label for the Kubernetes node that it runs on.
pub const NODE_LABEL: &str = "kubernetes.io/hostname";
/// Label for the Kubernetes cluster that it runs in.
pub const CLUSTER_LABEL: &str = "topology.istio.io/cluster";
/// All of these: labels that everything has by where it runs.
pub const PLACE_LABELS: [&str; 6] =
    [REGION_LABEL, ZONE_LABEL, SUB_ZONE_LABEL, NETWORK_LABEL, NODE_LABEL, CLUSTER_LABEL];

/// The value of one of these labels for something that runs at a place, as far as that is known.
pub fn place_label<'a>(
    name: &str,
    locality: &'a Locality,
    network: &'a Str,
    node: Option<&'a Str>,
    cluster: &'a Str,
) -> Option<&'a Str> {
    let known = match name {
        REGION_LABEL => &locality.region,
        ZONE_LABEL => &locality.zone,
        SUB_ZONE_LABEL => &locality.sub_zone,
        NETWORK_LABEL => network,
        NODE_LABEL => node?,
        CLUSTER_LABEL => cluster,
        _ => return None,
    };
    Some(known).filter(|known| !known.is_empty())
}

/// What becomes of localities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum LocalityLb {
    /// They do not count (`enabled: false`).
    Off,
    /// `localityLbSetting.distribute`: the first entry for the client's locality says which others get how much.
    Distribute(Vec<Distribution>),
    /// Endpoints that are nearer first, where outlier detection tells that they fail.
    Failover(Failover),
    /// `zoneAwareLbSetting`: endpoints of the client's region first, with or without outlier detection, and among these the client's zone
    /// as far as that leaves no endpoint with more than its part.
    ZoneAware {
        /// The order of the other regions.
        failover: Failover,
        /// `minClusterSize`: with fewer endpoints in the region zones do not count; `None`: as Envoy has it (6).
        min_cluster_size: Option<u32>,
    },
}

impl Default for LocalityLb {
    /// The mesh's when it says nothing.
    fn default() -> Self {
        LocalityLb::Failover(Failover::default())
    }
}

/// Shares of the requests from a locality.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Distribution {
    /// Where clients are.
    pub from: LocalityMatch,
    /// Where endpoints are, and their percents.
    pub to: Vec<(LocalityMatch, u32)>,
}

/// A locality, or all below one: empty parts take all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LocalityMatch(pub Locality);

impl LocalityMatch {
    /// Whether `locality` is meant.
    pub fn takes(&self, locality: &Locality) -> bool {
        let Locality { region, zone, sub_zone } = &self.0;
        let is = |wanted: &Str, found: &Str| wanted.is_empty() || wanted == found;
        is(region, &locality.region) && is(zone, &locality.zone) && is(sub_zone, &locality.sub_zone)
    }
}

/// Order among endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Failover {
    /// `failoverPriority`, the most important first; empty: region, zone and sub-zone as such.
    pub labels: Vec<PriorityLabel>,
    /// `failover`: the region to prefer among foreign ones, by the client's.
    pub regions: Vec<RegionFailover>,
    /// Whether it holds without outlier detection too (`trafficDistribution`).
    pub always: bool,
}

/// An entry of `failoverPriority`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PriorityLabel {
    /// The label.
    pub name: Str,
    /// The value that endpoints are to have; `None`: the client's.
    pub value: Option<Str>,
}

/// An entry of `failover`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct RegionFailover {
    pub from: Str,
    pub to: Str,
}

/// The labels that a locality is, as they are compared.
pub const LOCALITY_LABELS: [&str; 3] = [REGION_LABEL, ZONE_LABEL, SUB_ZONE_LABEL];

impl LocalityLb {
    /// Whether it holds without outlier detection.
    pub fn is_unconditional(&self) -> bool {
        match self {
            LocalityLb::Off => false,
            LocalityLb::Distribute(_) | LocalityLb::ZoneAware { .. } => true,
            LocalityLb::Failover(failover) => failover.always,
        }
    }

    /// The labels of clients that it looks at.
    pub fn client_labels(&self) -> BTreeSet<Str> {
        let localities = || LOCALITY_LABELS.map(Str::from);
        match self {
            LocalityLb::Off => BTreeSet::new(),
            LocalityLb::Distribute(_) => localities().into(),
            LocalityLb::Failover(failover) | LocalityLb::ZoneAware { failover, min_cluster_size: _ } => {
                let Failover { labels, regions, always: _ } = failover;
                let own = labels.iter().filter(|label| label.value.is_none()).map(|label| label.name.clone());
                let mut names: BTreeSet<Str> = own.collect();
                if matches!(self, LocalityLb::ZoneAware { .. }) {
                    names.insert(REGION_LABEL.into());
                } else if labels.is_empty() || !regions.is_empty() {
                    names.extend(localities());
                }
                names
            }
        }
    }
}

/// The locality that `labels` describe.
pub fn locality_of(labels: &Labels) -> Locality {
    let part = |name: &str| labels.get(name).cloned().unwrap_or_default();
    Locality { region: part(REGION_LABEL), zone: part(ZONE_LABEL), sub_zone: part(SUB_ZONE_LABEL) }
}
