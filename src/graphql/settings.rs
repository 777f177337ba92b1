//! The settings of resolvers.

use std::time::Duration;

/// The part of the configuration that resolvers go by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// True if readers without an account may sign in.
    pub allow_guests: bool,
    /// Lifetime of a guest's token.
    pub guest_token_lifetime: Duration,
    /// Time after its creation in which an author may edit a comment.
    pub edit_window: Duration,
    /// Maximum depth of replies.
    pub reply_depth: u32,
    /// Time after which a query or mutation is answered with `OPERATION_TIMEOUT`.
    pub operation_timeout: Duration,
}
