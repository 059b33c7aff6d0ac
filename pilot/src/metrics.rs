//! Istio's `pilot_*` metrics, read from where they are counted at each scrape.

use crate::Publisher;
use pilot_xds::{metrics::CONVERGENCE_BUCKETS, resource::ResourceType, server::Handles};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::fmt::Error;

/// All metrics of the traffic control plane.
pub struct PilotMetrics {
    publisher: Publisher,
    xds: Handles,
}

impl PilotMetrics {
    /// Reads from these.
    pub fn new(publisher: Publisher, xds: Handles) -> Self {
        Self { publisher, xds }
    }
}

impl std::fmt::Debug for PilotMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PilotMetrics").finish_non_exhaustive()
    }
}

/// Served types; both forms of route configurations are `rds`.
const TYPES: [(&str, &[ResourceType]); 7] = [
    ("cds", &[ResourceType::Cluster]),
    ("eds", &[ResourceType::Endpoints]),
    ("lds", &[ResourceType::Listener]),
    ("rds", &[ResourceType::Route, ResourceType::InlineRoute]),
    ("vhds", &[ResourceType::VirtualHost]),
    ("nds", &[ResourceType::NameTable]),
    ("sds", &[ResourceType::Secret]),
];

impl Collector for PilotMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let Self { publisher, xds } = self;
        let counts = publisher.counts();
        let gauges = [
            ("pilot_xds", "Proxies connected over xDS", xds.metrics.connected()),
            ("pilot_services", "Services known", counts.services as u64),
            ("pilot_virt_services", "VirtualServices known", counts.virtual_services as u64),
            ("meltemi_scopes", "Scopes in use: kinds of outbound configuration", counts.scopes as u64),
            ("meltemi_classes", "Classes in use: kinds of inbound configuration", counts.classes as u64),
            ("meltemi_encoded_resources", "Encoded resources held", counts.encoded as u64),
            (
                "meltemi_rejected_resources",
                "Resource versions that proxies reject now",
                xds.rejections.report().len() as u64,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let total = |count: &dyn Fn(ResourceType) -> u64, kinds: &[ResourceType]| {
            kinds.iter().map(|kind| count(*kind)).sum::<u64>()
        };
        // Istio's names have no `_total`: encoded as a type that adds none.
        let mut by_type = |name, help, count: &dyn Fn(ResourceType) -> u64| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Unknown)?;
            TYPES.iter().try_for_each(|(label, kinds)| {
                unknown(&mut metric.encode_family(&[("type", *label)])?, total(count, kinds))
            })
        };
        by_type("pilot_xds_pushes", "Responses sent, by type", &|kind| xds.metrics.pushes(kind))?;
        by_type("pilot_xds_sent_bytes", "Bytes of resources sent, by type", &|kind| xds.metrics.bytes(kind))?;
        let rejects = |kind| xds.metrics.rejects(kind);
        for (label, kinds) in TYPES {
            let name = format!("pilot_xds_{label}_reject");
            let help = format!("Responses of type {label} that proxies rejected");
            let metric = encoder.encode_descriptor(&name, &help, None, MetricType::Unknown)?;
            unknown(&mut { metric }, total(&rejects, kinds))?;
        }
        let all: Vec<ResourceType> = ResourceType::ALL.to_vec();
        let totals = [
            ("pilot_total_xds_rejects", "Responses that proxies rejected", total(&rejects, &all)),
            ("meltemi_xds_refused_streams", "Streams turned away", xds.metrics.refused_streams()),
            (
                "meltemi_xds_stale_requests",
                "Requests that answered a response no longer in flight",
                xds.metrics.stale(),
            ),
            (
                "meltemi_xds_waits_given_up",
                "Times routes no longer waited for a subscription to endpoints",
                xds.metrics.waits_given_up(),
            ),
        ];
        for (name, help, value) in totals {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Unknown)?;
            unknown(&mut { metric }, value)?;
        }
        let convergence = xds.metrics.convergence();
        let bounds = CONVERGENCE_BUCKETS.iter().copied().chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(convergence.buckets.iter().copied()).collect();
        let help = "Seconds from a change to its acknowledgement by a proxy";
        let mut metric =
            encoder.encode_descriptor("pilot_proxy_convergence_time", help, None, MetricType::Histogram)?;
        metric.encode_histogram::<[(&str, &str); 0]>(
            convergence.sum,
            convergence.buckets.iter().sum(),
            &buckets,
            None,
        )
    }
}

fn unknown(metric: &mut MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
}
