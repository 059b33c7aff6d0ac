//! Families of metrics as the registry writes them.
//!
//! In: names, labels and numbers. Out: text. Istio's counters have no `_total`, which the format would add: they are written as a type that
//! adds none.

use pilot_xds::metrics::Observed;
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::fmt::Error;

/// Writes families.
pub(super) struct Encode<'a>(pub(super) DescriptorEncoder<'a>);

impl Encode<'_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: usize) -> Result<(), Error> {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Unknown)?;
        values.into_iter().try_for_each(|(labels, value)| {
            of_labels(&mut family, labels, |metric| {
                metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
            })
        })
    }

    /// Observations of the same labels are one histogram.
    pub(super) fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'static str); N], impl Iterator<Item = Observed>)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(labels, observed)| {
            let observed = observed.reduce(together).unwrap_or_default();
            of_labels(&mut family, labels, |metric| {
                metric.encode_histogram::<[(&str, &str); 0]>(
                    observed.sum,
                    observed.count(),
                    &observed.buckets,
                    None,
                )
            })
        })
    }
}

/// A member of a family: without labels it is the family itself.
fn of_labels<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: [(&'static str, &'static str); N],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    match N {
        0 => encode(family),
        _ => encode(&mut family.encode_family(&labels)?),
    }
}

/// Both have the same bounds.
fn together(mut one: Observed, other: Observed) -> Observed {
    let both = one.buckets.iter_mut().zip(other.buckets);
    both.for_each(|((_, count), (_, more))| *count += more);
    one.sum += other.sum;
    one
}
