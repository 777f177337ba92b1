//! The table `post`.

use sea_orm::entity::prelude::*;

use super::codes::ModerationMode;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "post")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub url: Option<String>,
    pub created_at: i64,
    pub comment_count: i64,
    pub seq: i64,
    /// The number of commits that changed anything public of the post.
    pub version: i64,
    /// The version at the latest change of its title, URL, state, moderation or pin.
    pub detail_version: i64,
    /// The version at the latest change of a reaction; 0 before the first one.
    pub reaction_version: i64,
    pub is_open: bool,
    /// The comments that wait for a moderator; null for the server's setting.
    pub moderation: Option<ModerationMode>,
    pub pinned_comment: Option<Uuid>,
    /// The time at which its newest published comment was published.
    pub last_comment_at: Option<i64>,
    /// The time at which it was last opened to comments.
    pub opened_at: i64,
    /// The time at which its page opened it; null once it is in the list of posts.
    pub unlisted_since: Option<i64>,
    /// The time at which it was deleted; its comments are still being deleted.
    pub deleted_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
