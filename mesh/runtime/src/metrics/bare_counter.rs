//! In: events to count. Out: a metric under exactly the name it was given.
//!
//! Istio's counters have no `_total` (`pilot_xds_pushes`), and dashboards and alerts ask for those names. OpenMetrics
//! allows a counter no such name, so this one says that its type is unknown, which Prometheus takes and `rate` accepts.

use std::{
    fmt::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

/// A counter that is exposed without `_total`. For names that others gave; our own counters are `Counter`s.
#[derive(Clone, Debug, Default)]
pub struct BareCounter {
    value: Arc<AtomicU64>,
}

impl BareCounter {
    /// Counts one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Counts several.
    pub fn inc_by(&self, count: u64) {
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl TypedMetric for BareCounter {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for BareCounter {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        // What is written for a gauge is the bare name and the value.
        encoder.encode_gauge(&self.get())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
