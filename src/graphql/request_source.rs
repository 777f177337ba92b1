//! The software and page that a request comes from.

use std::sync::Arc;

/// The software and page that a request comes from, as its headers say. A client may claim anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSource {
    /// `User-Agent`, at most 512 bytes of it.
    pub user_agent: Option<Arc<str>>,
    /// `Referer`, at most 512 bytes of it. Browsers send none when they open a WebSocket.
    pub referrer: Option<Arc<str>>,
}
