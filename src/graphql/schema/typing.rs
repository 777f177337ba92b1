//! Users who start and stop typing.

use async_graphql::{ID, Object};

use super::user::User;
use crate::feed::TypingAt;

/// A user who started or stopped typing.
#[derive(Debug)]
pub(super) struct TypingEvent(pub TypingAt);

/// A user started or stopped typing.
#[Object]
impl TypingEvent {
    /// The id of the post.
    async fn post_id(&self) -> ID {
        self.0.post.as_str().into()
    }

    /// The user.
    async fn user(&self) -> User {
        User(self.0.event.user.clone())
    }

    /// True if the user started, false if they stopped for any reason.
    async fn is_typing(&self) -> bool {
        self.0.event.is_typing
    }
}
