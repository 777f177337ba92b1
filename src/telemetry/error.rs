//! Errors of starting telemetry.

use opentelemetry_otlp::ExporterBuildError;
use tracing_subscriber::filter::ParseError;

/// A setting of logs or spans that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is invalid.
    #[error("LOG (--log): {0}")]
    Filter(#[from] ParseError),
    /// The exporter of spans cannot be built.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT (--otel-exporter-otlp-endpoint): {0}")]
    Exporter(#[from] ExporterBuildError),
}
