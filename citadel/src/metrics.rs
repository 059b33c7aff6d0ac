//! What the authority counts, under Istio's names where Istio has one.

use std::sync::atomic::{AtomicI64, AtomicU64};

use mesh_runtime::metrics::BareCounter;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// All metrics of the authority. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests for certificates.
    pub requests: BareCounter,
    /// Callers who did not prove who they are.
    pub unauthenticated: BareCounter,
    /// Requests that were not valid.
    pub unreadable: BareCounter,
    /// Requests that could not be signed.
    pub unsigned: BareCounter,
    /// Certificates issued.
    pub issued: BareCounter,
    /// Requests that were turned away because there were too many.
    pub refused: BareCounter,
    /// When a certificate expires, in seconds since 1970.
    pub expiry: Family<Labels, Gauge<i64, AtomicI64>>,
    /// Workloads whose certificates have not yet been renewed with the current roots.
    pub behind: Gauge<i64, AtomicI64>,
    /// Workloads' certificates that should have been renewed.
    pub overdue: Gauge<i64, AtomicI64>,
    /// Certificates in use.
    pub in_use: Gauge<i64, AtomicI64>,
    /// New material that was not taken because it would have broken connections, or was not fit.
    pub reloads_refused: BareCounter,
    /// Istio's names for the expiry of the root and of the signing certificate.
    root_expiry: Gauge<i64, AtomicI64>,
    chain_expiry: Gauge<i64, AtomicI64>,
    root_remaining: Gauge<f64, AtomicU64>,
    chain_remaining: Gauge<f64, AtomicU64>,
    /// Time that each step of a request takes.
    pub steps: Family<StepLabels, Histogram, fn() -> Histogram>,
}

/// Which certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    /// Its part in the tree.
    pub certificate: Part,
}

/// The parts of the tree of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
pub enum Part {
    /// The root that expires first.
    root,
    /// What signs.
    signer,
    /// What is between it and the root, and expires first.
    intermediate,
    /// The revocation list that ends first.
    revocations,
    /// The control plane's own.
    serving,
    /// The workload's that expires first.
    workload,
}

/// Which step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabels {
    /// The step.
    pub step: Step,
}

/// The steps of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
pub enum Step {
    /// Who calls?
    authenticate,
    /// Waiting for a turn.
    wait,
    /// Reading and checking the request.
    parse,
    /// Signing.
    sign,
    /// Writing the answer's message.
    encode,
}

fn histogram() -> Histogram {
    Histogram::new([0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0])
}

impl Metrics {
    /// Adds all to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let Self {
            requests,
            unauthenticated,
            unreadable,
            unsigned,
            issued,
            refused,
            expiry,
            behind,
            overdue,
            in_use,
            reloads_refused,
            root_expiry,
            chain_expiry,
            root_remaining,
            chain_remaining,
            steps,
        } = metrics.clone();
        let counters: [(&str, &str, BareCounter); 7] = [
            ("citadel_server_csr_count", "Requests for certificates", requests),
            ("citadel_server_authentication_failure_count", "Callers not known", unauthenticated),
            ("citadel_server_csr_parsing_err_count", "Requests that were not valid", unreadable),
            ("citadel_server_csr_sign_err_count", "Requests that could not be signed", unsigned),
            ("citadel_server_success_cert_issuance_count", "Certificates issued", issued),
            ("citadel_server_csr_refused_count", "Requests turned away: too many", refused),
            ("citadel_reload_refused_count", "New authority material that was not taken", reloads_refused),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter);
        }
        registry.register(
            "citadel_server_root_cert_expiry_timestamp",
            "When the root expires, in seconds since 1970",
            root_expiry,
        );
        registry.register(
            "citadel_server_cert_chain_expiry_timestamp",
            "When what signs expires, in seconds since 1970",
            chain_expiry,
        );
        registry.register(
            "citadel_server_root_cert_expiry_seconds",
            "Seconds until the root expires",
            root_remaining,
        );
        registry.register(
            "citadel_server_cert_chain_expiry_seconds",
            "Seconds until what signs expires",
            chain_remaining,
        );
        registry.register(
            "citadel_expiry_timestamp",
            "When certificates expire, in seconds since 1970",
            expiry,
        );
        registry.register("citadel_certificates_in_use", "Certificates neither renewed nor expired", in_use);
        registry.register(
            "citadel_certificates_overdue",
            "Of these, with less than a quarter of their life left",
            overdue,
        );
        registry.register(
            "citadel_certificates_behind",
            "Of these, not yet handed the current roots",
            behind,
        );
        registry.register("citadel_request_step_seconds", "Time that each step of a request takes", steps);
        metrics
    }

    /// Metrics that nobody reads, as in tests.
    pub fn unregistered() -> Self {
        Self {
            requests: BareCounter::default(),
            unauthenticated: BareCounter::default(),
            unreadable: BareCounter::default(),
            unsigned: BareCounter::default(),
            issued: BareCounter::default(),
            refused: BareCounter::default(),
            expiry: Family::default(),
            behind: Gauge::default(),
            overdue: Gauge::default(),
            in_use: Gauge::default(),
            reloads_refused: BareCounter::default(),
            root_expiry: Gauge::default(),
            chain_expiry: Gauge::default(),
            root_remaining: Gauge::default(),
            chain_remaining: Gauge::default(),
            steps: Family::new_with_constructor(histogram),
        }
    }

    /// Notes how long a step took.
    pub(crate) fn took(&self, step: Step, since: std::time::Instant) {
        self.steps.get_or_create(&StepLabels { step }).observe(since.elapsed().as_secs_f64());
    }

    /// Notes when a certificate expires.
    pub(crate) fn expires(&self, part: Part, at: std::time::SystemTime, now: std::time::SystemTime) {
        let since_epoch = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let timestamp = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        let remaining = at.duration_since(now).unwrap_or_default().as_secs_f64();
        self.expiry.get_or_create(&Labels { certificate: part }).set(timestamp);
        match part {
            Part::root => {
                self.root_expiry.set(timestamp);
                self.root_remaining.set(remaining);
            }
            Part::signer => {
                self.chain_expiry.set(timestamp);
                self.chain_remaining.set(remaining);
            }
            Part::intermediate | Part::revocations | Part::serving | Part::workload => {}
        }
    }
}
