//! What the DNS proxy counts, under Istio's names.

use prometheus_client::{
    metrics::{
        counter::Counter,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// What is counted.
#[derive(Debug, Clone)]
pub struct DnsMetrics {
    pub(super) requests: Counter,
    pub(super) upstream_requests: Counter,
    pub(super) upstream_failures: Counter,
    pub(super) upstream_seconds: Histogram,
}

impl Default for DnsMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            upstream_requests: Counter::default(),
            upstream_failures: Counter::default(),
            upstream_seconds: Histogram::new(exponential_buckets(0.005, 2.5, 8)),
        }
    }
}

impl DnsMetrics {
    /// Makes them part of what is told.
    pub fn register(&self, registry: &mut Registry) {
        let Self { requests, upstream_requests, upstream_failures, upstream_seconds } = self.clone();
        registry.register("dns_requests", "DNS queries of the workload", requests);
        registry.register("dns_upstream_requests", "DNS queries passed on", upstream_requests);
        registry.register(
            "dns_upstream_failures",
            "DNS queries passed on that nobody answered",
            upstream_failures,
        );
        registry.register(
            "dns_upstream_request_duration_seconds",
            "Time until a query that was passed on is answered",
            upstream_seconds,
        );
    }
}
