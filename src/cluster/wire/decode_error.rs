//! The error of decoding a message.

use super::FORMAT;

/// The reason for which a message is ignored.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum DecodeError {
    #[error("malformed message: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("format version {0} is not supported; this node has {FORMAT}")]
    Format(u32),
}
