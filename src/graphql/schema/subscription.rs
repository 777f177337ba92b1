//! The root of subscriptions. A field has two parts: [`request`] reads its arguments and says which
//! topic it subscribes to, and its resolver shows an event of that topic.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, stream};

use super::{
    comment::{Comment, CommentChange},
    cursor::{ClientCursor, Cursor},
    input,
    moderation::ModerationQueueStatus,
    post::Post,
    room_event::{self, RoomEvent, RoomTopic},
    typing::TypingEvent,
};
use crate::{
    error::Error,
    feed::{
        ActivityRequest, Bookmark, ChangeEvent, ChangeFilter, ChangesRequest, PostActivity,
        PostChanged, PostRequest, QueueRequest, ReactedComment, ReactionsRequest, TypingAt,
        TypingRequest, ViewerCount, ViewersRequest,
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
        "commentAdded" => {
            let post = post()?;
            SubscriptionRequest::new(changes(ChangeFilter::Additions, post, arguments, epoch)?)
        }
        "commentChanged" => {
            let post = post()?;
            SubscriptionRequest::new(changes(ChangeFilter::All, post, arguments, epoch)?)
        }
        "viewerCount" => SubscriptionRequest::new(ViewersRequest { post: post()? }),
        "typing" => SubscriptionRequest::new(TypingRequest { post: post()? }),
        "postChanged" => SubscriptionRequest::new(PostRequest { post: post()? }),
        "reactionsChanged" => SubscriptionRequest::new(ReactionsRequest { post: post()? }),
        "roomEvents" => {
            let post = post()?;
            let topics = arguments.list("topics")?;
            let topics = topics.unwrap_or_else(|| RoomTopic::ALL.into());
            room_event::request(&topics, changes(ChangeFilter::All, post, arguments, epoch)?)?
        }
        "postsChanged" => SubscriptionRequest::in_several_rooms(ActivityRequest {
            posts: posts(&arguments.list("ids")?.unwrap_or_default())?,
        }),
        "moderationQueueChanged" => SubscriptionRequest::new(QueueRequest),
        _ => return Err(Error::Internal(format!("no topic is {field}").into())),
    })
}

/// Checks the ids of posts to follow. Text that cannot be an id is left out.
fn posts(ids: &[ID]) -> std::result::Result<Vec<PostId>, Error> {
    if ids.is_empty() {
        return Err(Error::bad_input("ids", "At least one id is required."));
    }
    Ok(input::post_ids(ids)?.into_iter().flatten().collect())
}

fn changes(
    filter: ChangeFilter,
    post: PostId,
    arguments: &mut Arguments,
    epoch: Epoch,
) -> std::result::Result<ChangesRequest, Error> {
    let after = arguments.cursor("after")?;
    Ok(ChangesRequest {
        filter,
        after: after.map(|text| -> Arc<dyn Bookmark> { Arc::new(ClientCursor { epoch, text }) }),
        include_own: arguments.flag("includeOwn")?,
        post,
    })
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

    /// A comment after a change of its reactions: the first change at once, then at most one value a comment in
    /// 250 ms, the last one always. Nothing is replayed: query the post again after a loss.
    async fn reactions_changed(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
    ) -> Result<impl Stream<Item = Comment>> {
        render(context, |reacted: &ReactedComment| reacted.into())
    }

    /// Up to 100 posts, as a page lists them: each at once, then after changes of its `commentCount`,
    /// `viewerCount` or `lastCommentAt`. At most one value a post in 1 s, the last one always. Joins no room.
    /// NOT_FOUND if none of the posts exists. One that is moved or deleted later sends nothing more.
    async fn posts_changed(
        &self,
        context: &Context<'_>,
        #[graphql(
            name = "ids",
            desc = "The posts, 1 to 100. Unknown ids among them are left out."
        )]
        _ids: Vec<ID>,
    ) -> Result<impl Stream<Item = Post>> {
        render(context, |activity: &PostActivity| {
            Post(model::Post::clone(&activity.post))
        })
    }

    /// All topics of one post in one stream: for SSE over HTTP/1.1, where a browser has six connections a host,
    /// and for less memory. It begins with the current readers. Then come the changes of comments after
    /// `after`, and everything live. Each topic has its own order, as its own subscription has it.
    async fn room_events(
        &self,
        context: &Context<'_>,
        #[graphql(name = "postId", desc = "The post.")] _post: ID,
        #[graphql(
            name = "after",
            desc = "A place in the feed of comments, as commentChanged takes it."
        )]
        _after: Option<Cursor>,
        #[graphql(
            name = "includeOwn",
            desc = "True to receive the changes of comments that this same client made, too.",
            default = false
        )]
        _include_own: bool,
        #[graphql(
            name = "topics",
            desc = "The topics to follow, at least one.",
            default_with = "RoomTopic::ALL.to_vec()"
        )]
        _topics: Vec<RoomTopic>,
    ) -> Result<impl Stream<Item = RoomEvent>> {
        let event = Rendered::any(context).and_then(|event| {
            let unknown = || Error::Internal("the event is of no topic of a post".into());
            RoomEvent::of(event).ok_or_else(unknown)
        });
        Ok(stream::iter(Some(event.at(context)?)))
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
