//! `trafficDistribution` of a Service, and the annotation that says the same.

use crate::at::At;
use mesh_model::{
    Failover, LocalityLb, NETWORK_LABEL, NODE_LABEL, PriorityLabel, REGION_LABEL, Reason, SUB_ZONE_LABEL,
    ZONE_LABEL,
};

/// Annotation on a Service or ServiceEntry.
pub const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";

/// Reads one of the two, in any case of letters.
pub fn parse_distribution(text: &str, at: &At<'_>) -> Option<LocalityLb> {
    let zone = [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL];
    match text.to_ascii_lowercase().as_str() {
        "preferclose" | "prefersamezone" => Some(prefer(&zone)),
        "prefersamenode" => Some(prefer(&[&zone[..], &[SUB_ZONE_LABEL, NODE_LABEL]].concat())),
        _ => {
            at.warning_hint(
                Reason::InvalidValue,
                format!("`{text}` is unknown: all endpoints are used alike"),
                "write PreferClose, PreferSameZone or PreferSameNode",
            );
            None
        }
    }
}

fn prefer(labels: &[&str]) -> LocalityLb {
    let labels = labels.iter().map(|name| PriorityLabel { name: (*name).into(), value: None });
    LocalityLb::Failover(Failover { labels: labels.collect(), regions: vec![], always: true })
}
