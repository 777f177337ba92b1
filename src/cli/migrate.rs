//! `causerie migrate`: migrations without a server.

use causerie::{config::StoreConfig, store::Store, telemetry::Registry};

use super::Error;

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(config: &StoreConfig) -> Result<(), Error> {
    Store::open(config, &Registry::new()).await?.close().await;
    Ok(())
}
