//! Comments and their changes.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Lookahead, Object};

use super::{
    cursor::{self, Cursor},
    datetime::DateTime,
    page::{self, Connection},
    post::Post,
    reaction::{self, ReactionGroup},
    relatives::{AncestorsOf, CommentWith},
    replies::RepliesOf,
    timed_place, top_cursor,
    user::User,
};
use crate::{
    error::Error,
    feed::ReactedComment,
    graphql::{
        context::ContextExt,
        error::{At, Result},
        execute::ResponseBudget,
    },
    model::{self, ChangeKind, CommentId, ReactionCounts, Seq},
    store::{self, Bodies, Listed, Order, PublishedAt, Slice, TopPlace},
};

/// A comment in one state.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    state: Arc<model::Comment>,
    /// The place at which the post's feed stood when the comment was read in a list. Replies that
    /// were added later come by the feed, so the lists of replies leave them out.
    as_of: Option<Seq>,
    /// Its reactions, if they were read with it.
    reactions: Option<ReactionCounts>,
}

impl From<Arc<model::Comment>> for Comment {
    fn from(state: Arc<model::Comment>) -> Self {
        Self {
            state,
            as_of: None,
            reactions: None,
        }
    }
}

impl From<&ReactedComment> for Comment {
    fn from(reacted: &ReactedComment) -> Self {
        Self {
            reactions: Some(reacted.reactions.counts),
            ..Arc::clone(&reacted.comment).into()
        }
    }
}

/// A comment on a post, or a reply to another comment of that post.
#[Object]
impl Comment {
    /// The id, unique over all posts.
    async fn id(&self) -> ID {
        self.state.id.to_string().into()
    }

    /// The id of its post.
    async fn post_id(&self) -> ID {
        self.state.post_id.as_str().into()
    }

    /// The id of the comment that it replies to. Null for a top-level comment.
    async fn parent_id(&self) -> Option<ID> {
        self.state.parent_id.map(|parent| parent.to_string().into())
    }

    /// The user who wrote it. Of a tombstone: the placeholder user, whose id is `deleted`.
    async fn author(&self) -> User {
        User(if self.state.is_deleted {
            model::User::deleted()
        } else {
            self.state.author.clone()
        })
    }

    /// The text as it was written, without blank lines before it and white space after it. Empty once
    /// deleted. It is plain text: a page that puts it into HTML must escape it.
    async fn body(&self, context: &Context<'_>) -> Result<&str> {
        context.text(&self.state.body).at(context)
    }

    /// The time at which it was written.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.created_at)
    }

    /// The time at which readers first saw it: lists are in this order. Later than `createdAt` if it waited
    /// for a moderator. Of one never published: `createdAt`.
    async fn published_at(&self) -> DateTime {
        DateTime(self.state.published_at)
    }

    /// The time of the last edit. Null if it was never edited, and while it is withdrawn.
    async fn edited_at(&self) -> Option<DateTime> {
        self.state.edited_at.map(DateTime)
    }

    /// True for a tombstone. It is listed if it had replies when it was deleted.
    async fn is_deleted(&self) -> bool {
        self.state.is_deleted
    }

    /// True while the comment is in a list: of its post, or of its parent's replies. A comment that had no
    /// replies when it was deleted is in none.
    async fn is_listed(&self) -> bool {
        self.state.is_listed()
    }

    /// The place in the post's feed at which this comment was added.
    async fn cursor(&self, context: &Context<'_>) -> Cursor {
        Cursor::new(context.epoch(), &self.state.post_id, self.state.added_seq)
    }

    /// The number of direct replies: as many as `replies` lists.
    async fn reply_count(&self) -> i32 {
        i32::try_from(self.state.reply_count).unwrap_or(i32::MAX)
    }

    /// Its post. In a subscription this is one query an event, whatever the number of subscribers.
    async fn post(&self, context: &Context<'_>) -> Result<Post> {
        let post = Post::load(context, &self.state.post_id);
        Box::pin(post).await.at(context)
    }

    /// The number of its ancestors: 0 for a top-level comment.
    async fn depth(&self) -> i32 {
        i32::try_from(self.state.depth).unwrap_or(i32::MAX)
    }

    /// The time until which its author may edit it, which may be over. Null for a tombstone.
    async fn editable_until(&self, context: &Context<'_>) -> Option<DateTime> {
        let window = context.settings().edit_window;
        let until = self.state.created_at.plus(window);
        (!self.state.is_deleted).then_some(DateTime(until))
    }

    /// The comment that it replies to. Null for a top-level comment.
    async fn parent(&self, context: &Context<'_>) -> Option<Result<Self>> {
        let id = self.state.parent_id?;
        let parent = Box::pin(self.load_parent(context, id)).await;
        parent.at(context).transpose()
    }

    /// All comments above it, from the top-level comment down to its parent. Empty for a top-level comment.
    async fn ancestors(&self, context: &Context<'_>) -> Result<Vec<Self>> {
        Box::pin(self.load_ancestors(context)).await.at(context)
    }

    /// The reactions: one group for each content with at least one, in the order of ReactionContent. Empty for a
    /// tombstone. In a subscription this is one query an event, whatever the number of subscribers.
    async fn reactions(&self, context: &Context<'_>) -> Result<Vec<ReactionGroup>> {
        let counts = Box::pin(self.load_reactions(context)).await;
        let groups = counts.and_then(|counts| reaction::groups(context, counts));
        groups.at(context)
    }

    /// The number of reactions other than THUMBS_DOWN and CONFUSED, less the number of those two. The order
    /// TOP is by it.
    async fn score(&self, context: &Context<'_>) -> Result<i32> {
        let counts = Box::pin(self.load_reactions(context)).await;
        let score = counts.at(context)?.score();
        Ok(i32::try_from(score).unwrap_or(if score > 0 { i32::MAX } else { i32::MIN }))
    }

    /// Direct replies, oldest first. At most 100 a page.
    async fn replies(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Maximum number of items, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i32>,
        #[graphql(desc = "The cursor of an edge or a page: items after it.")] after: Option<String>,
    ) -> Result<Connection<Comment>> {
        Box::pin(self.load_replies(context, first, after))
            .await
            .at(context)
    }
}

// The resolvers put these on the heap, because the library keeps a resolver's future on the stack for each
// level of a document.
impl Comment {
    async fn load_parent(
        &self,
        context: &Context<'_>,
        id: CommentId,
    ) -> std::result::Result<Option<Self>, Error> {
        let bodies = bodies(&context.look_ahead());
        let parent = context
            .loader()
            .load_one(CommentWith { id, bodies })
            .await?;
        Ok(parent.map(|state| self.beside(state)))
    }

    async fn load_ancestors(&self, context: &Context<'_>) -> std::result::Result<Vec<Self>, Error> {
        let ancestors = context.loader().load_one(AncestorsOf {
            comment: self.state.id,
            bodies: bodies(&context.look_ahead()),
        });
        let ancestors = ancestors.await?.unwrap_or_default();
        let fields = ancestors.len() * page::fields_below(context.field());
        context.budget().take_fields(fields)?;
        let ancestors = ancestors.into_iter().map(|state| self.beside(state));
        Ok(ancestors.collect())
    }

    async fn load_reactions(
        &self,
        context: &Context<'_>,
    ) -> std::result::Result<ReactionCounts, Error> {
        match self.reactions {
            Some(counts) => Ok(counts),
            None => reaction::counts(context, &self.state).await,
        }
    }

    /// Returns another comment of the post that was read in the same list.
    fn beside(&self, state: Arc<model::Comment>) -> Self {
        Self {
            as_of: self.as_of,
            ..state.into()
        }
    }

    async fn load_replies(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> std::result::Result<Connection<Self>, Error> {
        let post = &self.state.post_id;
        let slice = Slice {
            first: page::first(first)?,
            after: cursor::after(context, post, after.as_deref()).await?,
        };
        let replies = context.loader().load_one(RepliesOf {
            parent: self.state.id,
            slice,
            as_of: self.as_of,
            bodies: bodies_of_page(context),
        });
        let replies = replies.await?.unwrap_or_default();
        connection(context, replies, after, self.as_of)
    }
}

/// Tells whether a comment's selection shows its body. Fragments are inlined.
pub(super) fn bodies(comment: &Lookahead<'_>) -> Bodies {
    if comment.field("body").exists() {
        Bodies::Read
    } else {
        Bodies::Omit
    }
}

/// Tells whether the selection of a connection of comments shows their bodies.
pub(super) fn bodies_of_page(context: &Context<'_>) -> Bodies {
    let connection = context.look_ahead();
    match bodies(&connection.field("nodes")) {
        Bodies::Read => Bodies::Read,
        Bodies::Omit => bodies(&connection.field("edges").field("node")),
    }
}

/// Converts a page of comments of one post, of a list that ends at `as_of`.
///
/// # Errors
///
/// Fails if the memory for the items cannot be reserved.
pub(super) fn connection(
    context: &Context<'_>,
    page: store::Page<Arc<model::Comment>>,
    after: Option<String>,
    as_of: Option<Seq>,
) -> std::result::Result<Connection<Comment>, Error> {
    page::connection(
        context,
        page,
        after,
        |comment| cursor::encode(context.epoch(), &comment.post_id, comment.added_seq),
        |state| Comment {
            as_of,
            ..state.into()
        },
    )
}

/// Reads a page of the comments of all posts.
pub(super) async fn recent(
    context: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
) -> std::result::Result<Connection<Comment>, Error> {
    let slice = page::slice(first, after.as_deref(), |text| {
        let (at, id) = timed_place::decode(text, CommentId::parse)?;
        Ok(PublishedAt { at, id })
    })?;
    let budget = context.budget();
    let allowance = Arc::<ResponseBudget>::clone(budget);
    let (store, bodies) = (context.store(), bodies_of_page(context));
    let page = store.recent_comments(slice, bodies, allowance);
    let page = budget.in_turn(page).await?.map(Arc::new);
    let cursor =
        |comment: &Arc<model::Comment>| timed_place::encode(comment.published_at, comment.id);
    page::connection(context, page, after, cursor, Comment::from)
}

/// Converts a page of comments of one post in this order, of a list that ends at `as_of`.
///
/// # Errors
///
/// Fails if the memory for the items cannot be reserved.
pub(super) fn listed(
    context: &Context<'_>,
    page: store::Page<Listed>,
    after: Option<String>,
    order: Order,
    as_of: Seq,
) -> std::result::Result<Connection<Comment>, Error> {
    let epoch = context.epoch();
    let cursor = |Listed { comment, score }: &Listed| {
        let (post, added) = (&comment.post_id, comment.added_seq);
        match order {
            Order::OldestFirst(_) | Order::NewestFirst(_) => cursor::encode(epoch, post, added),
            Order::Top(_) => {
                let score = *score;
                top_cursor::encode(epoch, post, TopPlace { score, added })
            }
        }
    };
    page::connection(context, page, after, cursor, |listed| Comment {
        as_of: Some(as_of),
        ..Arc::new(listed.comment).into()
    })
}

/// A change in a post's feed.
#[derive(Clone, Debug)]
pub(super) struct CommentChange(pub Arc<model::Change>);

/// A change in a post's feed, with the state of the comment after it.
///
/// A catch-up is a feed too: a comment that is listed comes where it entered the lists, in its latest
/// state, and once more at its latest change if that is later. So a comment comes before its replies.
#[Object]
impl CommentChange {
    /// The kind of the change.
    async fn kind(&self) -> CommentChangeKind {
        match self.0.kind {
            ChangeKind::Added => CommentChangeKind::Added,
            ChangeKind::Edited => CommentChangeKind::Edited,
            ChangeKind::Deleted => CommentChangeKind::Deleted,
            ChangeKind::Restored => CommentChangeKind::Restored,
        }
    }

    /// The comment after the change.
    async fn comment(&self) -> Comment {
        Arc::clone(&self.0.comment).into()
    }

    /// The place in the post's feed of this change.
    async fn cursor(&self, context: &Context<'_>) -> Cursor {
        Cursor::new(context.epoch(), &self.0.comment.post_id, self.0.seq)
    }

    /// False: the comment is in no list any more, so remove it. True: put it into its place by its id,
    /// whatever the kind; a tombstone if `comment.isDeleted`.
    async fn is_listed(&self) -> bool {
        self.0.comment.is_listed()
    }
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentChangeKind {
    /// The comment is new to this subscriber.
    Added,
    /// The comment's body changed.
    Edited,
    /// The comment was deleted. Its tombstone is left in the lists if it had replies.
    Deleted,
    /// A rejected comment was published again.
    Restored,
}

/// An order of comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentOrder {
    /// The order in which they were added.
    OldestFirst,
    /// The opposite order.
    NewestFirst,
    /// The highest score first, then the newest. Scores may change between two pages: put comments into a
    /// list by id.
    Top,
}
