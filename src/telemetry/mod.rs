//! Logs, spans, health checks and metrics for operators.

mod error;
mod health;
pub mod healthcheck;
mod metrics;
mod tracing;

pub use self::{
    error::TelemetryError,
    health::{Checks, Health, Report, State},
    metrics::{GaugeGuard, LabelPair, Registry},
    tracing::{OPERATION_TARGET, Telemetry, adopt, start},
};
