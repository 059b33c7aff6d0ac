//! How long the workload's certificate and its roots still live, under Istio's name: `istio_agent_cert_expiry_seconds`.
//!
//! In: the identity as it changes. Out: seconds at the moment of a scrape, less than zero once they have expired.

use std::{
    fmt::Error,
    time::{Duration, SystemTime},
};

use mesh_pki::Facts;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::sync::watch;

use crate::{
    Identity,
    sds::{CERTIFICATE, ROOTS},
};

/// Looks when it is asked.
#[derive(Debug)]
pub(super) struct Expiry {
    identity: watch::Receiver<Option<Identity>>,
}

impl Expiry {
    pub(super) fn new(identity: watch::Receiver<Option<Identity>>) -> Self {
        Self { identity }
    }
}

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        // None yet: nothing is told, and not that it has expired.
        let Some(Identity { credential, trusted, revoked: _ }) = self.identity.borrow().clone() else {
            return Ok(());
        };
        let roots = trusted.roots().iter().filter_map(|root| Facts::read(root).ok());
        let ends = [
            (CERTIFICATE, Some(credential.facts().not_after)),
            (ROOTS, roots.map(|facts| facts.not_after).min()),
        ];
        let help = "Seconds until the workload's certificate and the first of its roots expire";
        let mut family = encoder.encode_descriptor("cert_expiry_seconds", help, None, MetricType::Gauge)?;
        let now = SystemTime::now();
        for (name, end) in ends {
            let Some(end) = end else { continue };
            ConstGauge::new(until(end, now)).encode(family.encode_family(&[("resource_name", name)])?)?;
        }
        Ok(())
    }
}

fn until(end: SystemTime, now: SystemTime) -> f64 {
    let since = |error: std::time::SystemTimeError| -error.duration().as_secs_f64();
    end.duration_since(now).as_ref().map(Duration::as_secs_f64).map_err(Clone::clone).unwrap_or_else(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_expired_is_less_than_nothing() {
        let now = SystemTime::now();
        let minute = Duration::from_secs(60);
        assert!((until(now + minute, now) - 60.0).abs() < 0.001);
        assert!((until(now - minute, now) + 60.0).abs() < 0.001);
    }
}
