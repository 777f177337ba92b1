//! Users.

use async_graphql::{Context, Enum, ID, Object};

use crate::{
    auth::Principal,
    error::Error,
    graphql::{
        context::ContextExt,
        error::{At, Result},
    },
    model,
};

/// A user.
#[derive(Clone, Debug)]
pub(super) struct User(pub model::User);

/// A user who reads and writes under a name.
#[Object]
impl User {
    /// The `sub` of the user's tokens. A guest's begins with `guest:`.
    async fn id(&self) -> ID {
        self.0.id.as_str().into()
    }

    /// The name that others see, 1 to 80 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The http or https URL of a picture.
    async fn avatar(&self, context: &Context<'_>) -> Option<Result<&str>> {
        let avatar = self.0.avatar.as_deref()?;
        Some(context.text(avatar).at(context))
    }

    /// The role of the newest token that the user wrote with. READER for guests.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// True if the user signed in by signInAsGuest, under a name of their choice.
    async fn is_guest(&self) -> bool {
        self.0.id.is_guest()
    }
}

/// A user's permissions. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::Role")]
pub(super) enum Role {
    /// Reads and writes.
    Reader,
    /// Also opens posts to comments.
    Author,
    /// Also edits and deletes all comments, and bans users.
    Moderator,
}

/// Returns the caller's user: as it is stored, or as the token says if it is not, or the database is away.
pub(super) async fn profile(
    context: &Context<'_>,
    principal: &Principal,
) -> std::result::Result<model::User, Error> {
    let stored = context.store().user(&principal.user.id);
    match context.budget().in_turn(stored).await {
        Ok(Some(user)) => Ok(user),
        // A page needs to know its reader to say that nothing can be written now.
        Ok(None) | Err(Error::Unavailable(_)) => Ok(principal.user.clone()),
        Err(error) => Err(error),
    }
}
