//! Errors of starting a server. Each names the setting at fault.

use std::{io, net::SocketAddr};

use crate::{auth, cluster::backplane, error::Error, moderation, store::OpenError};

/// The reason why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Other nodes are configured, and they cannot share this node's database file.
    #[error(
        "BACKPLANE_URL (--backplane-url): nodes share one database, and DATABASE_URL names a local \
         file: it must be postgres://…"
    )]
    OwnDatabase,
    /// The backplane's settings cannot be used.
    #[error(transparent)]
    Backplane(#[from] backplane::ConnectError),
    /// The settings of tokens cannot be used.
    #[error(transparent)]
    Auth(#[from] auth::SetupError),
    /// The settings of screening cannot be used.
    #[error(transparent)]
    Screening(#[from] moderation::SetupError),
    /// The bans cannot be read.
    #[error("DATABASE_URL (--database-url): {0}")]
    Bans(#[source] Error),
    /// The address cannot be listened on.
    #[error("{setting}: {address}: {cause}")]
    Listen {
        /// The setting that names the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        cause: io::Error,
    },
}
