//! Logs, spans, health checks and metrics for operators.

mod error;
mod health;
pub mod healthcheck;
mod log_limit;
mod metrics;
mod tracing;

pub use self::{
    error::TelemetryError,
    health::{Checks, Health, Report, State},
    log_limit::LogLimit,
    metrics::{GaugeGuard, LabelPair, Registry},
    tracing::{OPERATION_TARGET, Telemetry, adopt, start},
};
