//! Errors of requests to other servers.

use std::time::Duration;

use hyper::StatusCode;

/// The reason why a request has no usable response.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The URL names an address that requests are not sent to.
    #[error(transparent)]
    Private(#[from] PrivateAddress),
    /// The connection failed, or the response is not HTTP.
    #[error("no response: {0}")]
    Unreachable(String),
    /// The status is not 2xx. A redirect is not followed.
    #[error("unexpected status {0}")]
    Status(StatusCode),
    /// The request timed out.
    #[error("no response within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The response is larger than this number of bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
}

/// The refusal of an address that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is private: WEBHOOK_ALLOW_PRIVATE (--webhook-allow-private) is off")]
pub struct PrivateAddress;

impl RequestError {
    /// Creates [`RequestError::Unreachable`] with the texts of `error` and of its causes.
    pub(super) fn unreachable(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Unreachable(text)
    }
}
