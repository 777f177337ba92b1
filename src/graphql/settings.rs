//! What of the configuration the resolvers go by.

use std::time::Duration;

/// What of the configuration the resolvers go by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether readers without an account may sign in.
    pub allow_guests: bool,
    /// How long a guest's token is good for.
    pub guest_token_lifetime: Duration,
    /// How long after writing it an author may edit a comment.
    pub edit_window: Duration,
    /// How deep replies may stand below one another.
    pub reply_depth: u32,
    /// How long the answer to a query or mutation is waited for.
    pub operation_timeout: Duration,
}
