//! `Comment` and `CommentChange` as the schema shows them.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, connection::Connection, dataloader::DataLoader};

use super::{
    cursor::{self, Cursor},
    datetime::DateTime,
    error::Result,
    page,
    replies::{Replies, RepliesOf},
    user::User,
};
use crate::{
    model::{self, ChangeKind},
    store,
};

/// A comment in one state.
#[derive(Clone, Debug)]
pub struct Comment(pub Arc<model::Comment>);

/// A comment on a post, or an answer to another comment of that post.
#[Object]
impl Comment {
    /// Unique over all posts.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The post that it belongs to.
    async fn post_id(&self) -> ID {
        self.0.post_id.as_str().into()
    }

    /// The comment that it answers. Null for a top-level comment.
    async fn parent_id(&self) -> Option<ID> {
        self.0.parent_id.map(|parent| parent.to_string().into())
    }

    /// Who wrote it.
    async fn author(&self) -> User {
        User(self.0.author.clone())
    }

    /// The text as it was written, without the white space around it; empty once deleted. It is
    /// plain text: a page that puts it into HTML must escape it.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// When it was added.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last edited. Null until edited.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// Whether only the tombstone is left, which keeps the place of its replies.
    async fn is_deleted(&self) -> bool {
        self.0.is_deleted
    }

    /// The place in the post's feed at which this comment was added.
    async fn cursor(&self) -> Cursor {
        Cursor::new(&self.0.post_id, self.0.added_seq)
    }

    /// How many direct replies there are, deleted ones included: as many as `replies` lists.
    async fn reply_count(&self) -> i32 {
        i32::try_from(self.0.reply_count).unwrap_or(i32::MAX)
    }

    /// Direct replies, oldest first. At most 100 a page.
    async fn replies(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "How many, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes behind this edge's or page's cursor.")] after: Option<
            String,
        >,
    ) -> Result<Connection<String, Comment>> {
        let post = &self.0.post_id;
        let slice = page::slice(first, after, |text| cursor::decode(post, text))?;
        let replies = context
            .data_unchecked::<DataLoader<Replies>>()
            .load_one(RepliesOf {
                parent: self.0.id,
                slice,
            })
            .await?
            .unwrap_or_default();
        Ok(connection(replies, slice.after.is_some()))
    }
}

/// A page of comments of one post.
pub(super) fn connection(
    page: store::Page<model::Comment>,
    is_behind_cursor: bool,
) -> Connection<String, Comment> {
    page::connection(
        page,
        is_behind_cursor,
        |comment| cursor::encode(&comment.post_id, comment.added_seq),
        |comment| Comment(Arc::new(comment)),
    )
}

/// One change in a post's feed.
#[derive(Clone, Debug)]
pub struct CommentChange(pub Arc<model::Change>);

/// One change in a post's feed, with the comment's state that it led to. Catching up, each comment
/// comes once, in its latest state.
#[Object]
impl CommentChange {
    /// What was done.
    async fn kind(&self) -> CommentChangeKind {
        match self.0.kind {
            ChangeKind::Added => CommentChangeKind::Added,
            ChangeKind::Edited => CommentChangeKind::Edited,
            ChangeKind::Deleted => CommentChangeKind::Deleted,
        }
    }

    /// The comment after the change.
    async fn comment(&self) -> Comment {
        Comment(Arc::clone(&self.0.comment))
    }

    /// The place in the post's feed of this change.
    async fn cursor(&self) -> Cursor {
        Cursor::new(&self.0.comment.post_id, self.0.seq)
    }
}

/// What a change did to its comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentChangeKind {
    /// The comment is new, to this subscriber at least.
    Added,
    /// Its body is another.
    Edited,
    /// Only its tombstone is left.
    Deleted,
}

/// The order of a post's top-level comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentOrder {
    /// In the order in which the post took them.
    OldestFirst,
    /// In the opposite order.
    NewestFirst,
}
