//! Users.

use async_graphql::{Context, ID, Object};

use crate::{
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

    /// The https URL of a picture.
    async fn avatar(&self, context: &Context<'_>) -> Option<Result<&str>> {
        let avatar = self.0.avatar.as_deref()?;
        Some(context.text(avatar).at(context))
    }
}
