//! Logs, spans and health checks for operators.

mod error;
mod health;
pub mod healthcheck;
mod tracing;

pub use self::{
    error::TelemetryError,
    health::{Checks, Health, Report, State},
    tracing::{OPERATION_TARGET, Telemetry, adopt, start},
};
