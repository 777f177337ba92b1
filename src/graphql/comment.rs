//! `Comment` and `CommentChange` as the schema shows them.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, dataloader::DataLoader};

use super::{
    allowance::Allowance,
    cursor::{self, Cursor},
    datetime::DateTime,
    error::Result,
    page::{self, Connection},
    replies::{Replies, RepliesOf},
    user::User,
};
use crate::{
    model::{self, ChangeKind, Seq},
    store,
};

/// A comment in one state.
#[derive(Clone, Debug)]
pub struct Comment {
    state: Arc<model::Comment>,
    /// Where it was read in a post's list, the place at which the post stood: what was added since
    /// comes by the post's feed, and not in the lists of replies as well.
    as_of: Option<Seq>,
}

impl From<Arc<model::Comment>> for Comment {
    fn from(state: Arc<model::Comment>) -> Self {
        Self { state, as_of: None }
    }
}

/// A comment on a post, or an answer to another comment of that post.
#[Object]
impl Comment {
    /// Unique over all posts.
    async fn id(&self) -> ID {
        self.state.id.to_string().into()
    }

    /// The post that it belongs to.
    async fn post_id(&self) -> ID {
        self.state.post_id.as_str().into()
    }

    /// The comment that it answers. Null for a top-level comment.
    async fn parent_id(&self) -> Option<ID> {
        self.state.parent_id.map(|parent| parent.to_string().into())
    }

    /// Who wrote it.
    async fn author(&self) -> User {
        User(self.state.author.clone())
    }

    /// The text as it was written, without the white space around it; empty once deleted. It is
    /// plain text: a page that puts it into HTML must escape it.
    async fn body(&self, context: &Context<'_>) -> Result<&str> {
        Ok(Allowance::take(context, &self.state.body)?)
    }

    /// When it was added.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.created_at)
    }

    /// When it was last edited. Null until edited.
    async fn edited_at(&self) -> Option<DateTime> {
        self.state.edited_at.map(DateTime)
    }

    /// Whether only the tombstone is left, which keeps the place of its replies.
    async fn is_deleted(&self) -> bool {
        self.state.is_deleted
    }

    /// The place in the post's feed at which this comment was added.
    async fn cursor(&self) -> Cursor {
        Cursor::new(&self.state.post_id, self.state.added_seq)
    }

    /// How many direct replies there are, deleted ones included: as many as `replies` lists.
    async fn reply_count(&self) -> i32 {
        i32::try_from(self.state.reply_count).unwrap_or(i32::MAX)
    }

    /// Direct replies, oldest first. At most 100 a page.
    async fn replies(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "How many, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i64>,
        #[graphql(desc = "Only what comes behind this edge's or page's cursor.")] after: Option<
            String,
        >,
    ) -> Result<Connection<Comment>> {
        let post = &self.state.post_id;
        let slice = page::slice(first, after, |text| cursor::decode(post, text))?;
        let replies = context
            .data_unchecked::<DataLoader<Replies>>()
            .load_one(RepliesOf {
                parent: self.state.id,
                slice,
                as_of: self.as_of,
            })
            .await?
            .unwrap_or_default();
        Ok(connection(replies, slice.after.is_some(), self.as_of))
    }
}

/// A page of comments of one post, of a list that ends at `as_of`.
pub(super) fn connection(
    page: store::Page<model::Comment>,
    is_behind_cursor: bool,
    as_of: Option<Seq>,
) -> Connection<Comment> {
    page::connection(
        page,
        is_behind_cursor,
        |comment| cursor::encode(&comment.post_id, comment.added_seq),
        |comment| Comment {
            state: Arc::new(comment),
            as_of,
        },
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
        Arc::clone(&self.0.comment).into()
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
