//! Log lines on standard error, and spans for a collector if one is configured.

use std::{io::IsTerminal, time::Duration};

use opentelemetry::{
    KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use url::Url;

use super::TelemetryError;
use crate::config::LogFormat;

/// Target of the log lines and spans of operations, for filters.
pub const OPERATION_TARGET: &str = "causerie::operation";

/// Timeout for sending the last spans at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The process's logs and spans. Call [`Telemetry::end`] so that the last spans are sent.
#[derive(Debug)]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

/// Starts logging for the whole process, and sends spans to `collector` if there is one.
///
/// `filter` is a level, or a list of `target=level`; spans ignore it. Panics if called twice.
pub fn start(
    filter: &str,
    format: LogFormat,
    collector: Option<&Url>,
) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match format {
        LogFormat::Pretty => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let spans = collector.map(tracer_provider).transpose()?;
    let exporter = spans.as_ref().map(|spans| {
        tracing_opentelemetry::layer()
            .with_tracer(spans.tracer("causerie"))
            // A source file and a thread say nothing to readers of traces.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(FilterFn::new(|span| span.target() == OPERATION_TARGET))
    });
    tracing_subscriber::registry()
        .with(log.with_filter(filter.and(FilterFn::new(is_safe_to_log))))
        .with(exporter)
        .init();
    Ok(Telemetry { spans })
}

impl Telemetry {
    /// Sends the last spans, for at most two seconds.
    pub fn end(self) {
        if let Some(Err(error)) = self
            .spans
            .map(|spans| spans.shutdown_with_timeout(FLUSH_TIMEOUT))
        {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// Creates a provider that sends spans in batches from a thread of its own. Its queue holds 2,048
/// spans; new spans are dropped when it is full.
fn tracer_provider(collector: &Url) -> Result<SdkTracerProvider, ExporterBuildError> {
    let address = collector.as_str().trim_end_matches('/');
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{address}/v1/traces"))
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name("causerie")
        .with_attribute(version)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// Returns false for lines of libraries below `info`, whatever the filter says. They contain frames,
/// headers and statements, and so tokens and users' texts.
fn is_safe_to_log(line: &Metadata<'_>) -> bool {
    line.target().split("::").next() == Some("causerie") || *line.level() <= Level::INFO
}

/// Makes `span` a child of the remote span that `traceparent` names (W3C Trace Context). Invalid
/// values are ignored.
pub fn adopt(span: &Span, traceparent: &str) {
    let context = TraceContextPropagator::new().extract(&TraceParent(traceparent));
    // Fails if no collector is configured: there are no spans then.
    let _ = span.set_parent(context);
}

/// A carrier with the `traceparent` header only.
struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        (name == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
