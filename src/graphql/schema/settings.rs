//! Settings that pages adapt to.

use async_graphql::{ID, Object};

use super::{moderation::ModerationMode, reaction::ReactionContent};
use crate::{graphql::settings, model::MAX_BODY_CHARS};

/// The settings that are public.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings(pub settings::Settings);

/// Limits and features of this server that a page adapts to. They are the same for every reader.
#[Object]
impl Settings {
    /// A constant, for caches.
    async fn id(&self) -> ID {
        "settings".into()
    }

    /// True if readers without an account may sign in as guests.
    async fn allows_guests(&self) -> bool {
        self.0.allow_guests
    }

    /// Maximum length of a comment's body, in characters.
    async fn body_limit(&self) -> i32 {
        saturated(MAX_BODY_CHARS)
    }

    /// The contents that reactions may have, in the order of ReactionContent. Empty if reactions are off.
    async fn reactions(&self) -> Vec<ReactionContent> {
        let allowed = self.0.reactions.iter();
        allowed.map(Into::into).collect()
    }

    /// Maximum depth of replies; a reply to a top-level comment has depth 1.
    async fn reply_depth(&self) -> i32 {
        saturated(self.0.reply_depth)
    }

    /// The comments that wait for a moderator on posts that do not say.
    async fn moderation(&self) -> ModerationMode {
        self.0.moderation.into()
    }

    /// Time in which an author may edit a comment, in seconds. Null for no end.
    async fn edit_window(&self) -> Option<i32> {
        Some(saturated(self.0.edit_window.as_secs()))
    }
}

fn saturated(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
