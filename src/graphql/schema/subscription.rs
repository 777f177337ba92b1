//! The root of subscriptions. Resolvers only show events: `execute` joins the rooms.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Subscription};
use futures_util::{Stream, stream};

use super::{
    comment::{Comment, CommentChange},
    cursor::Cursor,
    user::User,
};
use crate::{
    feed::Event,
    graphql::{
        error::{At, Result},
        execute::Rendered,
    },
    model::PostId,
    rooms,
};

/// The root of subscriptions.
#[derive(Debug)]
pub struct SubscriptionRoot;

/// A subscription to a post is being in that post's room: the client is in the room from the
/// moment the stream starts until it ends, for whatever reason it ends. Any number of streams of
/// one client in one room are one membership.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// New comments, in the order in which the post took them.
    async fn comment_added(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
        #[graphql(
            name = "after",
            desc = "A place in the feed: everything that was added after it comes first, then live, with nothing missed and nothing twice."
        )]
        _after: Option<Cursor>,
        #[graphql(
            name = "includeOwn",
            desc = "Whether comments that this same client created come as well.",
            default = false
        )]
        _include_own: bool,
    ) -> Result<impl Stream<Item = Comment>> {
        render(context, |event| match event {
            Event::Change(change) => Some(Arc::clone(&change.comment).into()),
            _ => None,
        })
    }

    /// Every change of the post's comments, in order: added, edited, deleted. Resumes as
    /// commentAdded does.
    async fn comment_changed(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
        #[graphql(
            name = "after",
            desc = "A place in the feed: the latest state of every comment that changed after it comes first, then live."
        )]
        _after: Option<Cursor>,
        #[graphql(
            name = "includeOwn",
            desc = "Whether changes that this same client made come as well.",
            default = false
        )]
        _include_own: bool,
    ) -> Result<impl Stream<Item = CommentChange>> {
        render(context, |event| match event {
            Event::Change(change) => Some(CommentChange(Arc::clone(change))),
            _ => None,
        })
    }

    /// The number of distinct readers in the room, this one included: at once, then after changes.
    /// A signed-in reader counts once however many tabs, an anonymous one once a client. Bursts are
    /// conflated to the latest value.
    async fn viewer_count(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
    ) -> Result<impl Stream<Item = i32>> {
        render(context, |event| match event {
            Event::Viewers(count) => Some(i32::try_from(*count).unwrap_or(i32::MAX)),
            _ => None,
        })
    }

    /// Users who start and stop typing, never the subscriber's own user. Those already typing come
    /// first.
    async fn typing(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
    ) -> Result<impl Stream<Item = TypingEvent>> {
        render(context, |event| match event {
            Event::Typing(post, event) => Some(TypingEvent(post.clone(), event.clone())),
            _ => None,
        })
    }
}

/// Returns the event that is being rendered, as its field shows it. The field's arguments were read
/// when the subscriber joined the room.
fn render<Shown: Send + 'static>(
    context: &Context<'_>,
    show: impl FnOnce(&Event) -> Option<Shown>,
) -> Result<stream::Iter<std::option::IntoIter<Shown>>> {
    let event = Rendered::event(context).at(context)?;
    Ok(stream::iter(show(event)))
}

/// A user who started or stopped typing.
#[derive(Debug)]
pub struct TypingEvent(PostId, rooms::TypingEvent);

/// A user started or stopped typing.
#[Object]
impl TypingEvent {
    /// The id of the post.
    async fn post_id(&self) -> ID {
        self.0.as_str().into()
    }

    /// The user.
    async fn user(&self) -> User {
        User(self.1.user.clone())
    }

    /// True if the user started, false if they stopped for any reason.
    async fn is_typing(&self) -> bool {
        self.1.is_typing
    }
}
