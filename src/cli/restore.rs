//! `causerie restore`: the way back from a backup.

use std::path::PathBuf;

use causerie::{config::StoreConfig, store};
use clap::Args;

use super::Error;

#[derive(Args)]
pub(super) struct Arguments {
    /// A backup of a SQLite database, which replaces the present one. Without it, the database was restored
    /// by other means, such as pg_restore.
    backup: Option<PathBuf>,
    #[command(flatten)]
    store: StoreConfig,
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(arguments: &Arguments) -> Result<(), Error> {
    Ok(store::restore(&arguments.store, arguments.backup.as_deref()).await?)
}
