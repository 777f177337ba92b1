//! The decision to hold a comment.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::Expr,
};

use super::visibility::{PUBLISHED, holds};
use crate::{
    model::{HoldReason, ModerationMode, User, UserId},
    store::entity::{
        comment::{Column, Entity},
        post,
    },
};

/// The findings on a text before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screened {
    /// The reason to hold it, if a rule found one.
    pub reason: Option<HoldReason>,
    /// The mode of posts that have none of their own.
    pub mode: ModerationMode,
}

impl Screened {
    /// The findings on a text that is published in any case.
    pub const PASSED: Self = Self {
        reason: None,
        mode: ModerationMode::None,
    };

    /// Returns the reason to hold a text of `by` on `post`. Texts of authors and moderators never are held.
    pub(super) fn hold(
        self,
        by: &User,
        post: &post::Model,
        has_published: bool,
    ) -> Option<HoldReason> {
        if by.role.is_trusted() {
            return None;
        }
        let waits = match self.mode_of(post) {
            ModerationMode::None => false,
            ModerationMode::NewAuthors => !has_published,
            ModerationMode::All => true,
        };
        self.reason.or(waits.then_some(HoldReason::ModerationMode))
    }

    /// Returns true if the decision depends on the author's earlier comments.
    pub(super) fn asks_for_history(self, by: &User, post: &post::Model) -> bool {
        !by.role.is_trusted()
            && self.reason.is_none()
            && self.mode_of(post) == ModerationMode::NewAuthors
    }

    fn mode_of(self, post: &post::Model) -> ModerationMode {
        post.moderation.map_or(self.mode, Into::into)
    }
}

/// Returns true if the user has a published comment on any post.
pub(super) async fn has_published(
    connection: &impl ConnectionTrait,
    user: &UserId,
) -> Result<bool, DbErr> {
    let comments = Entity::find()
        .select_only()
        .expr(Expr::cust("1"))
        .filter(Column::AuthorId.eq(user.as_str()))
        .filter(holds(PUBLISHED))
        .limit(1);
    let found = connection.query_one(&comments.into_query()).await?;
    Ok(found.is_some())
}
