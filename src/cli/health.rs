//! `causerie health`: a health check for containers.

use std::net::SocketAddr;

use causerie::telemetry::healthcheck;
use clap::Args;

use super::Error;

#[derive(Args)]
pub(super) struct Arguments {
    /// Address that the server listens on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

pub(super) fn run(Arguments { listen }: &Arguments) -> Result<(), Error> {
    healthcheck::check(*listen).map_err(|error| format!("{listen}: {error}").into())
}
