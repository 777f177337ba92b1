//! `User` as the schema shows it.

use async_graphql::{Context, ID, Object};

use super::{allowance::Allowance, error::Result};
use crate::model;

/// A user.
#[derive(Clone, Debug)]
pub struct User(pub model::User);

/// Who writes and reads under a name.
#[Object]
impl User {
    /// The `sub` of the user's tokens; a guest's begins with `guest:`.
    async fn id(&self) -> ID {
        self.0.id.as_str().into()
    }

    /// What others see, 1 to 80 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// An https URL of a picture.
    async fn avatar(&self, context: &Context<'_>) -> Result<Option<&str>> {
        let avatar = self.0.avatar.as_deref();
        Ok(avatar
            .map(|avatar| Allowance::take(context, avatar))
            .transpose()?)
    }
}
