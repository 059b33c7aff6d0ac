//! Which endpoints a client prefers: `localityLbSetting`, `zoneAwareLbSetting`, `trafficDistribution`.
//!
//! In: the setting, the labels that tell where the client is, and endpoints. Out: a [`Preference`], in which the client no longer
//! appears: clients with equal preferences share one load assignment, wherever they are.

use crate::spec::{Localities, Preference};
use mesh_model::{
    Distribution, Endpoint, Failover, Labels, Locality, LocalityLb, PriorityLabel, RegionFailover, Str,
    locality_of,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What Envoy makes of localities. As in Istio it does not weigh them for the mere default, because it would then choose among the
/// endpoints of one locality only.
pub fn localities(setting: &LocalityLb, detects_outliers: bool) -> Localities {
    match setting {
        LocalityLb::Off => Localities::Ignored,
        LocalityLb::ZoneAware { failover: _, min_cluster_size } => {
            Localities::ZoneAware { min_cluster_size: *min_cluster_size }
        }
        LocalityLb::Distribute(_) => Localities::Weighted,
        LocalityLb::Failover(Failover { labels, regions, always }) => {
            match (*always || detects_outliers) && !(labels.is_empty() && regions.is_empty()) {
                true => Localities::Weighted,
                false => Localities::Usual,
            }
        }
    }
}

/// What a client with these labels prefers among `endpoints`, which are in `cluster` as it is.
///
/// Without outlier detection Envoy would not notice that near endpoints fail, and never go to others: then nothing is near.
pub fn prefer(
    setting: &LocalityLb,
    client: &Labels,
    endpoints: &[Endpoint],
    cluster: &Str,
    detects_outliers: bool,
) -> Preference {
    match setting {
        LocalityLb::Off => Preference::None,
        LocalityLb::Distribute(distributions) => {
            let here = locality_of(client);
            let Some(distribution) = distributions.iter().find(|entry| entry.from.takes(&here)) else {
                return Preference::None;
            };
            Preference::Shares(shares(distribution, endpoints))
        }
        LocalityLb::Failover(Failover { labels, regions, always }) => {
            if !(*always || detects_outliers) {
                return Preference::None;
            }
            let here = locality_of(client);
            let by_place = labels.is_empty() || !regions.is_empty();
            ranked(endpoints, |endpoint| {
                let place = if by_place { place_rank(&here, &endpoint.locality, regions) } else { 0 };
                (label_rank(labels, client, endpoint, cluster), place)
            })
        }
        LocalityLb::ZoneAware { failover: Failover { labels, regions, always: _ }, min_cluster_size: _ } => {
            let here = locality_of(client);
            // The labels say in which order the other regions come, not whether the client's own is first.
            ranked(endpoints, |endpoint| {
                match region_rank(&here.region, &endpoint.locality.region, regions) {
                    0 => (0, 0),
                    place => (1 + label_rank(labels, client, endpoint, cluster), place),
                }
            })
        }
    }
}

/// Priorities without gaps, as Envoy wants them.
fn ranked(endpoints: &[Endpoint], rank: impl Fn(&Endpoint) -> (usize, usize)) -> Preference {
    let ranks: Vec<(usize, usize)> = endpoints.iter().map(rank).collect();
    let distinct: BTreeSet<&(usize, usize)> = ranks.iter().collect();
    if distinct.len() < 2 {
        return Preference::None;
    }
    let position: BTreeMap<_, u32> = distinct.into_iter().zip(0..).collect();
    Preference::Priorities(ranks.iter().filter_map(|rank| position.get(rank).copied()).collect())
}

/// The more of the labels are equal, in their order, the nearer.
fn label_rank(labels: &[PriorityLabel], client: &Labels, endpoint: &Endpoint, cluster: &Str) -> usize {
    let differs = |label: &PriorityLabel| {
        let PriorityLabel { name, value } = label;
        let wanted = value.as_ref().or_else(|| client.get(name)).map_or("", |value| &**value);
        wanted != endpoint.label(name, cluster).map_or("", |value| &**value)
    };
    labels.iter().position(differs).map_or(0, |equal| labels.len() - equal)
}

/// 0 for the same sub-zone, to 3 for another region, and 4 for one that is not where the client's region fails over to.
fn place_rank(here: &Locality, there: &Locality, regions: &[RegionFailover]) -> usize {
    if here.region != there.region {
        let preferred = regions.iter().find(|failover| failover.from == here.region);
        return if preferred.is_some_and(|failover| failover.to != there.region) { 4 } else { 3 };
    }
    match (here.zone == there.zone, here.sub_zone == there.sub_zone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// 0 for the same region, 1 for the one that it fails over to, 2 for all others.
fn region_rank(here: &Str, there: &Str, regions: &[RegionFailover]) -> usize {
    if here == there {
        return 0;
    }
    let preferred = regions.iter().find(|failover| failover.from == *here);
    if preferred.is_some_and(|failover| failover.to == *there) { 1 } else { 2 }
}

/// The weight of each locality that gets something. Where an entry means several localities they share by their own weights.
fn shares(distribution: &Distribution, endpoints: &[Endpoint]) -> Arc<[(Locality, u32)]> {
    let Distribution { from: _, to } = distribution;
    let mut waiting: BTreeMap<&Locality, u64> = BTreeMap::new();
    for endpoint in endpoints {
        *waiting.entry(&endpoint.locality).or_default() += u64::from(endpoint.weight.max(1));
    }
    let mut shares: BTreeMap<&Locality, u32> = BTreeMap::new();
    for (place, share) in to {
        let meant: Vec<(&Locality, u64)> = waiting
            .iter()
            .filter(|(locality, _)| place.takes(locality))
            .map(|(locality, weight)| (*locality, *weight))
            .collect();
        let total: u64 = meant.iter().map(|(_, weight)| weight).sum();
        for (locality, weight) in meant {
            waiting.remove(locality);
            let weight = (weight * u64::from(*share)).div_ceil(total.max(1));
            shares.insert(locality, u32::try_from(weight).unwrap_or(u32::MAX).max(1));
        }
    }
    shares.into_iter().map(|(locality, share)| (locality.clone(), share)).collect()
}
