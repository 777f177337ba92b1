//! The root of subscriptions. A field has two parts: [`request`] reads its arguments and says which
//! topic it subscribes to, and its resolver shows an event of that topic.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Subscription};
use futures_util::{Stream, stream};

use super::{
    comment::{Comment, CommentChange},
    cursor::{ClientCursor, Cursor},
    input,
    moderation::ModerationQueueStatus,
    post::Post,
    user::User,
};
use crate::{
    error::Error,
    feed::{
        Bookmark, ChangeEvent, ChangeFilter, ChangesRequest, PostChanged, PostRequest,
        QueueRequest, TypingAt, TypingRequest, ViewerCount, ViewersRequest,
    },
    graphql::{
        error::{At, Result},
        execute::{Arguments, Rendered, SubscriptionRequest},
    },
    model::{self, Epoch, PostId},
};

/// Reads the arguments of a root field into the request for its topic. Cursors are of `epoch`.
///
/// # Errors
///
/// Returns an error for an argument that is refused.
pub(in crate::graphql) fn request(
    field: &str,
    arguments: &mut Arguments,
    epoch: Epoch,
) -> std::result::Result<SubscriptionRequest, Error> {
    let mut post = || input::post_id(&arguments.id("postId")?);
    Ok(match field {
        "commentAdded" => changes(ChangeFilter::Additions, post()?, arguments, epoch)?,
        "commentChanged" => changes(ChangeFilter::All, post()?, arguments, epoch)?,
        "viewerCount" => SubscriptionRequest::new(ViewersRequest { post: post()? }),
        "typing" => SubscriptionRequest::new(TypingRequest { post: post()? }),
        "postChanged" => SubscriptionRequest::new(PostRequest { post: post()? }),
        "moderationQueueChanged" => SubscriptionRequest::new(QueueRequest),
        _ => return Err(Error::Internal(format!("no topic is {field}").into())),
    })
}

fn changes(
    filter: ChangeFilter,
    post: PostId,
    arguments: &mut Arguments,
    epoch: Epoch,
) -> std::result::Result<SubscriptionRequest, Error> {
    let after = arguments.cursor("after")?;
    Ok(SubscriptionRequest::new(ChangesRequest {
        filter,
        after: after.map(|text| -> Arc<dyn Bookmark> { Arc::new(ClientCursor { epoch, text }) }),
        include_own: arguments.flag("includeOwn")?,
        post,
    }))
}

/// The root of subscriptions.
#[derive(Debug)]
pub(crate) struct SubscriptionRoot;

/// A subscription to a post is being in that post's room: the client is in the room from the
/// moment the stream starts until it ends, for whatever reason it ends. Any number of streams of
/// one client in one room are one membership.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// New comments, in the order in which the post took them. A comment that was withdrawn and is published
    /// again comes by `commentChanged` only.
    async fn comment_added(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
        #[graphql(
            name = "after",
            desc = "A place in the feed: everything that was added after it and is still listed comes first, then live, with nothing missed and nothing twice."
        )]
        _after: Option<Cursor>,
        #[graphql(
            name = "includeOwn",
            desc = "True to receive the comments that this same client created, too.",
            default = false
        )]
        _include_own: bool,
    ) -> Result<impl Stream<Item = Comment>> {
        render(context, |ChangeEvent(change)| {
            Arc::clone(&change.comment).into()
        })
    }

    /// Every change of the post's comments, in order: added, edited, deleted, restored. Resumes as
    /// commentAdded does.
    async fn comment_changed(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
        #[graphql(
            name = "after",
            desc = "A place in the feed: what a page of that place must learn comes first, then live. Each comment comes where it entered the lists, and at its latest change."
        )]
        _after: Option<Cursor>,
        #[graphql(
            name = "includeOwn",
            desc = "True to receive the changes that this same client made, too.",
            default = false
        )]
        _include_own: bool,
    ) -> Result<impl Stream<Item = CommentChange>> {
        render(context, |ChangeEvent(change)| {
            CommentChange(Arc::clone(change))
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
        render(context, |ViewerCount(count)| {
            i32::try_from(*count).unwrap_or(i32::MAX)
        })
    }

    /// Users who start and stop typing, never the subscriber's own user. Those already typing come
    /// first.
    async fn typing(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
    ) -> Result<impl Stream<Item = TypingEvent>> {
        render(context, |typing: &TypingAt| TypingEvent(typing.clone()))
    }

    /// The post after a change of its title, URL, isOpen, moderation or pinned comment. Nothing is replayed:
    /// query the post again after a loss.
    async fn post_changed(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
    ) -> Result<impl Stream<Item = Post>> {
        render(context, |PostChanged(post)| Post(model::Post::clone(post)))
    }

    /// The lengths of the lists that wait for moderators: at once, then after changes. At most one value in
    /// 250 ms, the last one always. Needs the role `moderator`. Joins no post's room.
    async fn moderation_queue_changed(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Stream<Item = ModerationQueueStatus>> {
        render(context, |queue: &model::QueueStatus| (*queue).into())
    }
}

/// Returns the event that is being rendered, as its field shows it.
fn render<Event: 'static, Shown: Send + 'static>(
    context: &Context<'_>,
    show: impl FnOnce(&Event) -> Shown,
) -> Result<stream::Iter<std::option::IntoIter<Shown>>> {
    let event = Rendered::event(context).at(context)?;
    Ok(stream::iter(Some(show(event))))
}

/// A user who started or stopped typing.
#[derive(Debug)]
pub(super) struct TypingEvent(TypingAt);

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
