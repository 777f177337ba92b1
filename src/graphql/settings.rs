//! The settings of resolvers.

use std::{num::NonZeroU32, time::Duration};

use crate::model::{ModerationMode, ReactionSet};

/// The part of the configuration that resolvers go by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// True if readers without an account may sign in.
    pub allow_guests: bool,
    /// Lifetime of a guest's token.
    pub guest_token_lifetime: Duration,
    /// Time after its creation in which an author may edit a comment.
    pub edit_window: Duration,
    /// The comments that wait for a moderator on posts that do not say.
    pub moderation: ModerationMode,
    /// Number of reports after which a comment is held; `None` if they never hold one.
    pub reports_to_hold: Option<NonZeroU32>,
    /// The contents that reactions may have.
    pub reactions: ReactionSet,
    /// Maximum depth of replies.
    pub reply_depth: u32,
    /// Time after which a query or mutation is answered with `OPERATION_TIMEOUT`.
    pub operation_timeout: Duration,
}
