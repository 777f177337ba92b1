//! The error of connecting to a backplane.

use std::io;

/// An error that retrying would not fix.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A server's URL is invalid.
    #[error("BACKPLANE_URL (--backplane-url): {0}")]
    Url(io::Error),
    /// The credentials file cannot be read, or holds no credentials.
    #[error("BACKPLANE_CREDENTIALS (--backplane-credentials): {0}")]
    Credentials(io::Error),
    /// The client cannot connect with these settings.
    #[error("BACKPLANE_URL (--backplane-url): {0}")]
    Refused(#[from] async_nats::ConnectError),
}
