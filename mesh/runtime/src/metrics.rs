//! In: the metrics that each crate registers by hand at start. Out: the text that Prometheus scrapes.
//!
//! Each crate has one `metrics.rs` with one struct: its fields are the metrics, and its
//! `register(&mut Registry) -> Self` is the only place that names them. Labels are structs whose values are enums
//! (`EncodeLabelSet`, `EncodeLabelValue`), so that nothing a user writes can grow the number of series. There is no
//! global registry: two control planes in one test process must not count together.
//!
//! A counter is registered without `_total`; the encoder adds it, as OpenMetrics demands. [`BareCounter`] is for the names
//! of Istio's that lack it.

mod bare_counter;

use std::sync::Arc;

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use crate::process::ProcessCollector;

pub use bare_counter::BareCounter;

/// The media type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Collects metrics while the process is put together.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

/// All metrics of the process, ready to be read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exposition {
    registry: Arc<Registry>,
}

impl Metrics {
    /// A registry that knows the process: memory, CPU time, open files and start time, under Prometheus's own names.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        Self { registry }
    }

    /// Where a crate's `register` puts its metrics.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Adds `<name>_info 1` with these labels, such as the version and the commit of the build.
    pub fn build_info(&mut self, name: &str, labels: Vec<(&'static str, String)>) {
        self.registry.register(name, "What was built", Info::new(labels));
    }

    /// Nothing is registered after this.
    pub fn finish(self) -> Exposition {
        Exposition { registry: Arc::new(self.registry) }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Exposition {
    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a String can't fail; what could is a collector, and then the scrape shows what was written so
        // far, without the closing `# EOF` that makes it valid.
        if let Err(error) = text::encode(&mut out, &self.registry) {
            tracing::error!(%error, "a metric could not be encoded");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::{
        encoding::{EncodeLabelSet, EncodeLabelValue},
        metrics::{counter::Counter, family::Family},
    };

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Labels {
        kind: Kind,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
    enum Kind {
        Cds,
    }

    #[test]
    fn registered_metrics_and_the_process_are_rendered() {
        let mut metrics = Metrics::new();
        let pushes = Family::<Labels, Counter>::default();
        metrics.registry().register("pushes", "Pushes", pushes.clone());
        let bare = Family::<Labels, BareCounter>::default();
        metrics.registry().register("pilot_xds_pushes", "Pushes", bare.clone());
        metrics.build_info("meltemi_build", vec![("version", "1.2.3".to_owned())]);
        let exposition = metrics.finish();
        pushes.get_or_create(&Labels { kind: Kind::Cds }).inc();
        bare.get_or_create(&Labels { kind: Kind::Cds }).inc_by(2);

        let text = exposition.render();
        for line in [
            "pushes_total{kind=\"Cds\"} 1",
            "pilot_xds_pushes{kind=\"Cds\"} 2",
            "meltemi_build_info{version=\"1.2.3\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in:\n{text}");
        }
        let resident = text.lines().find_map(|l| l.strip_prefix("process_resident_memory_bytes ")).unwrap();
        assert!(resident.parse::<u64>().unwrap() > 1_000_000, "{resident}");
        for name in
            ["process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds", "process_threads"]
        {
            assert!(text.contains(&format!("\n{name} ")), "{name} is not in:\n{text}");
        }
    }
}
