//! `localityLbSetting` and `zoneAwareLbSetting`, of a DestinationRule or of the mesh.

use crate::at::At;
use mesh_api::networking::traffic_policy::locality as api;
use mesh_model::{
    Distribution, Failover, LOCALITY_LABELS, Locality, LocalityLb, LocalityMatch, PriorityLabel, Problem,
    Reason, RegionFailover, Severity,
};

/// Reads both; `zoneAwareLbSetting` wins.
pub fn parse_locality_lb(
    locality: Option<api::LocalityLbSetting>,
    zone_aware: Option<api::ZoneAwareLbSetting>,
    at: &At<'_>,
) -> Option<LocalityLb> {
    if locality.is_some() && zone_aware.is_some() {
        at.field("localityLbSetting").error_hint(
            Reason::Conflict,
            "`zoneAwareLbSetting` counts, and this does not",
            "use one of the two",
        );
    }
    let locality = locality.map(|block| parse_locality(block, &at.field("localityLbSetting")));
    let zone_aware = zone_aware.map(|block| parse_zone_aware(block, &at.field("zoneAwareLbSetting")));
    zone_aware.or(locality)
}

fn parse_locality(block: api::LocalityLbSetting, at: &At<'_>) -> LocalityLb {
    let api::LocalityLbSetting { distribute, failover, failover_priority, enabled } = block;
    if enabled == Some(false) {
        return LocalityLb::Off;
    }
    if !distribute.is_empty() {
        for (name, set) in
            [("failover", !failover.is_empty()), ("failoverPriority", !failover_priority.is_empty())]
        {
            if set {
                at.field(name).error_hint(
                    Reason::Conflict,
                    "`distribute` counts, and this does not",
                    "use one of the two",
                );
            }
        }
        let at = at.field("distribute");
        let mut parsed: Vec<Distribution> = Vec::with_capacity(distribute.len());
        for (index, entry) in distribute.into_iter().enumerate() {
            let at = at.index(index);
            let Some(distribution) = parse_distribution(entry, &at) else { continue };
            if parsed.iter().any(|other| overlap(&other.from, &distribution.from)) {
                at.field("from").info_hint(
                    Reason::Conflict,
                    "some of these clients are in an entry above, too, which counts for them; Istio refuses this",
                    "for Istio name places that have nothing in common",
                );
            }
            parsed.push(distribution);
        }
        return LocalityLb::Distribute(parsed);
    }
    let labels = parse_labels(failover_priority, &at.field("failoverPriority"));
    let mut regions = parse_regions(failover, &at.field("failover"));
    let is_place = |label: &PriorityLabel| LOCALITY_LABELS.contains(&&*label.name);
    if !regions.is_empty() && labels.iter().any(is_place) {
        at.field("failover").error_hint(
            Reason::Conflict,
            "the order of regions is in `failoverPriority` already; this does not count",
            "leave out `failover`, or the topology labels",
        );
        regions.clear();
    }
    LocalityLb::Failover(Failover { labels, regions, always: false })
}

fn parse_zone_aware(block: api::ZoneAwareLbSetting, at: &At<'_>) -> LocalityLb {
    let api::ZoneAwareLbSetting { enabled, failover, failover_priority, min_cluster_size } = block;
    if enabled == Some(false) {
        return LocalityLb::Off;
    }
    at.report(
        Problem::new(
            Severity::Info,
            Reason::Required,
            at.path(),
            "within a region zones count for clients whose proxies know their own replicas",
        )
        .hint("let proxyMetadata say ISTIO_META_ENABLE_SELF_DISCOVERY: \"true\", of the mesh's defaultConfig or of the clients"),
    );
    let mut labels = parse_labels(failover_priority, &at.field("failoverPriority"));
    labels.retain(|label| {
        let usable = !LOCALITY_LABELS.contains(&&*label.name);
        if !usable {
            at.field("failoverPriority").error_hint(
                Reason::Conflict,
                format!("regions and zones are in order already, without {}", label.name),
                "leave it out, or use `failover` for the order of regions",
            );
        }
        usable
    });
    let regions = parse_regions(failover, &at.field("failover"));
    LocalityLb::ZoneAware { failover: Failover { labels, regions, always: true }, min_cluster_size }
}

fn parse_labels(labels: Vec<String>, at: &At<'_>) -> Vec<PriorityLabel> {
    let parse = |(index, text): (usize, String)| {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.into())),
            None => (text.as_str(), None),
        };
        if name.is_empty() {
            at.index(index).error_hint(
                Reason::InvalidValue,
                format!("`{text}` names no label"),
                "write the name of a label, as in topology.kubernetes.io/rack or version=v1",
            );
            return None;
        }
        Some(PriorityLabel { name: name.into(), value })
    };
    labels.into_iter().enumerate().filter_map(parse).collect()
}

fn parse_regions(failover: Vec<api::Failover>, at: &At<'_>) -> Vec<RegionFailover> {
    let parse = |(index, entry)| {
        let api::Failover { from, to } = entry;
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        let at = at.index(index);
        if from.is_empty() || to.is_empty() {
            at.error_hint(
                Reason::Required,
                "both `from` and `to` name a region",
                "write both, as in `{from: us-east, to: us-west}`",
            );
            return None;
        }
        if [&from, &to].iter().any(|region| region.contains(['/', '*'])) {
            at.error_hint(
                Reason::InvalidValue,
                "a region is named alone, without a zone or a `*`",
                "write the region alone, as in `{from: us-east, to: us-west}`",
            );
            return None;
        }
        if from == to {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{from}` does not help when `{from}` fails"),
                "write another region as `to`",
            );
            return None;
        }
        Some(RegionFailover { from: from.into(), to: to.into() })
    };
    failover.into_iter().enumerate().filter_map(parse).collect()
}

fn parse_distribution(entry: api::Distribute, at: &At<'_>) -> Option<Distribution> {
    let api::Distribute { from, to } = entry;
    let from = parse_match(&from.unwrap_or_default(), &at.field("from"))?;
    let at = at.field("to");
    let sum: u64 = to.values().map(|share| u64::from(*share)).sum();
    if sum == 100
        && let Some((place, _)) = to.iter().find(|(_, share)| **share == 0)
    {
        at.field(place).error_hint(
            Reason::InvalidValue,
            "a share is at least 1; these clients are not distributed",
            format!("leave `{place}` out: what is not named gets nothing"),
        );
        return None;
    }
    if sum != 100 {
        at.error_hint(
            Reason::InvalidValue,
            format!("the shares add up to {sum}; these clients are not distributed"),
            "write shares from 1 to 100 that add up to 100",
        );
        return None;
    }
    let mut parsed = Vec::with_capacity(to.len());
    for (place, share) in to {
        parsed.push((parse_match(&place, &at.field(&place))?, share));
    }
    if parsed
        .iter()
        .enumerate()
        .any(|(index, (place, _))| parsed.iter().skip(index + 1).any(|(other, _)| overlap(place, other)))
    {
        at.info_hint(
            Reason::Conflict,
            "some endpoints are in two of these places: the more special one counts; Istio refuses this",
            "for Istio name places that have nothing in common",
        );
    }
    // The more special first: an endpoint counts for the first that takes it.
    parsed.sort_by_key(|(place, _)| {
        let Locality { region, zone, sub_zone } = &place.0;
        (sub_zone.is_empty(), zone.is_empty(), region.is_empty(), place.clone())
    });
    Some(Distribution { from, to: parsed })
}

/// Whether something can be in both.
fn overlap(LocalityMatch(one): &LocalityMatch, LocalityMatch(other): &LocalityMatch) -> bool {
    let parts = [(&one.region, &other.region), (&one.zone, &other.zone), (&one.sub_zone, &other.sub_zone)];
    parts.into_iter().all(|(one, other)| one.is_empty() || other.is_empty() || one == other)
}

/// `region/zone/sub-zone`, where parts at the end may be missing or `*`.
fn parse_match(text: &str, at: &At<'_>) -> Option<LocalityMatch> {
    let written = text.strip_suffix('*').unwrap_or(text);
    let written = written.strip_suffix('/').unwrap_or(written);
    let parts = if written.is_empty() { 0 } else { written.split('/').count() };
    if text.is_empty()
        || parts > 3
        || written.contains('*')
        || written.split('/').any(str::is_empty) && parts > 0
    {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no locality"),
            "write region/zone/sub-zone, with `*` for what follows",
        );
        return None;
    }
    Some(LocalityMatch(Locality::parse(written)))
}
