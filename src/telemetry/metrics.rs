//! The registry of metrics, in Prometheus's text format.
//!
//! Each part of the server registers its own metrics, in a file `metrics.rs` beside the code that
//! they measure. A server has a registry of its own: there is no global recorder. Every label has
//! few values, all known at the start. Ids, names and texts of users are never labels.
//! docs/metrics.md gives the meaning of each metric.

use std::{sync::Arc, time::Duration};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, with_local_recorder,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

/// Interval at which measured times are sorted into buckets. Until then each takes some bytes.
const UPKEEP: Duration = Duration::from_secs(1);
/// Upper bounds of the buckets of times, in seconds.
const SECONDS: [f64; 15] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets of sizes, in elements. A name that ends in this has them.
const SIZES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const SIZE_SUFFIX: &str = "_writes";

/// A label's name and value.
pub type LabelPair = (&'static str, &'static str);

/// The metrics of one server. Clones share them.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: Collector,
}

/// A guard that keeps a gauge incremented until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    const METADATA: Metadata<'static> = Metadata::new("causerie", Level::INFO, None);

    /// Creates a registry with the metrics of the process and the version.
    pub fn new() -> Self {
        let sizes = Matcher::Suffix(SIZE_SUFFIX.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets(&SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(sizes, &SIZES))
            .expect("the buckets are not empty")
            .build_recorder();
        let process = Collector::default();
        with_local_recorder(&recorder, || process.describe());
        let registry = Self {
            shared: Arc::new(Shared {
                handle: recorder.handle(),
                process,
                recorder,
            }),
        };
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let build = registry.gauge(
            "causerie_build_info",
            &version,
            "1, with the version as a label.",
        );
        build.set(1.0);
        registry
    }

    /// Registers a counter, at zero.
    pub fn counter(&self, name: &'static str, labels: &[LabelPair], help: &'static str) -> Counter {
        let recorder = &self.shared.recorder;
        recorder.describe_counter(KeyName::from_const_str(name), None, help.into());
        let counter = recorder.register_counter(&key(name, labels), &Self::METADATA);
        // An event that has not happened yet is 0, and not missing.
        counter.increment(0);
        counter
    }

    /// Registers a gauge, at zero.
    pub fn gauge(&self, name: &'static str, labels: &[LabelPair], help: &'static str) -> Gauge {
        let recorder = &self.shared.recorder;
        recorder.describe_gauge(KeyName::from_const_str(name), None, help.into());
        let gauge = recorder.register_gauge(&key(name, labels), &Self::METADATA);
        gauge.set(0.0);
        gauge
    }

    /// Registers a histogram of times in seconds. A name that ends in `_writes` counts elements.
    pub fn histogram(
        &self,
        name: &'static str,
        labels: &[LabelPair],
        help: &'static str,
    ) -> Histogram {
        let recorder = &self.shared.recorder;
        recorder.describe_histogram(KeyName::from_const_str(name), None, help.into());
        recorder.register_histogram(&key(name, labels), &Self::METADATA)
    }

    /// Renders all metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        let Shared {
            recorder,
            handle,
            process,
        } = &*self.shared;
        with_local_recorder(recorder, || process.collect());
        handle.render()
    }

    /// Sorts measured times into buckets. Runs until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.shared.handle.run_upkeep();
        }
    }
}

fn key(name: &'static str, labels: &[LabelPair]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|&(name, value)| Label::from_static_parts(name, value))
        .collect();
    Key::from_parts(name, labels)
}

impl GaugeGuard {
    /// Increments `gauge` until the guard is dropped.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
