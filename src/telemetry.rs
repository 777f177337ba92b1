//! What the server tells the person who runs it: log lines on standard error, and spans to a
//! collector where one is named.

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
    filter::{FilterExt, FilterFn, ParseError},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use url::Url;

use crate::config::LogFormat;

/// What the lines and spans of operations are filtered by.
pub const OPERATIONS: &str = "causerie::operation";

/// How long the last spans may take to reach the collector.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter says nothing that can be understood.
    #[error("LOG (--log): {0}")]
    Filter(#[from] ParseError),
    /// Spans cannot be sent.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT (--otel-exporter-otlp-endpoint): {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// What goes on in the background for as long as the process does.
#[derive(Debug)]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

/// Starts logging for the whole process, and sending spans, where `collector` says whereto.
/// `filter` is a level, or a list of `target=level`; it does not hold for spans.
pub fn start(
    filter: &str,
    format: LogFormat,
    collector: Option<&Url>,
) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = collector.map(provider).transpose()?;
    let sent = spans.as_ref().map(|spans| {
        tracing_opentelemetry::layer()
            .with_tracer(spans.tracer("causerie"))
            // Which file and thread of this server it was says nothing to whoever reads traces.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(FilterFn::new(|of| of.target() == OPERATIONS))
    });
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(FilterFn::new(is_ours_or_harmless))))
        .with(sent)
        .init();
    Ok(Telemetry { spans })
}

impl Telemetry {
    /// Sends the last spans, and waits for that, not for long.
    pub fn end(self) {
        if let Some(Err(error)) = self
            .spans
            .map(|spans| spans.shutdown_with_timeout(LAST_SPANS))
        {
            tracing::warn!(%error, "the last spans may not have been sent");
        }
    }
}

/// Sends spans to the collector at this address, in batches, by a thread of its own. At its bound
/// (2,048 spans) those that come are dropped.
fn provider(collector: &Url) -> Result<SdkTracerProvider, ExporterBuildError> {
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

/// Below `info` libraries log what passes through them: frames, headers, statements, and in those
/// tokens and what people write. None of that is heard, whatever the filter says.
fn is_ours_or_harmless(of: &Metadata<'_>) -> bool {
    of.target().split("::").next() == Some("causerie") || *of.level() <= Level::INFO
}

/// Makes a span part of what another program has begun: `parent` is a `traceparent` of W3C's Trace
/// Context. One that is none changes nothing.
pub fn adopt(span: &Span, parent: &str) {
    let context = TraceContextPropagator::new().extract(&TraceParent(parent));
    // Where no spans are sent there is nothing that it could be part of.
    let _ = span.set_parent(context);
}

/// The one header that says what a request is part of.
struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        (name == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
