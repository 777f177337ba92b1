//! All topics of a post in one stream of events.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object};

use super::{
    comment::{Comment, CommentChange},
    cursor::Cursor,
    post::Post,
    typing::TypingEvent,
    viewer_list::ViewerList,
};
use crate::{
    error::Error,
    feed::{
        ChangeEvent, ChangesRequest, Event, PostChanged, PostRequest, ReactedComment,
        ReactionsRequest, TypingAt, TypingRequest, ViewerCount, ViewersRequest,
    },
    graphql::{context::ContextExt, execute::SubscriptionRequest},
    model::{self, Change},
};

/// A topic of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum RoomTopic {
    /// Every change of its comments.
    Comments,
    /// Its readers.
    Viewers,
    /// The users who type.
    Typing,
    /// The reactions to its comments.
    Reactions,
    /// Its title, URL, isOpen, moderation and pinned comment.
    Post,
}

impl RoomTopic {
    /// All topics, as the schema lists them.
    pub(super) const ALL: [Self; 5] = [
        Self::Comments,
        Self::Viewers,
        Self::Typing,
        Self::Reactions,
        Self::Post,
    ];
    /// All topics, in the order in which a client subscribes to them: it begins with the current readers.
    const IN_ORDER: [Self; 5] = [
        Self::Viewers,
        Self::Comments,
        Self::Typing,
        Self::Reactions,
        Self::Post,
    ];
}

/// Returns the request for some topics of the post that `changes` are of.
///
/// # Errors
///
/// Returns `BadUserInput` if there is no topic.
pub(super) fn request(
    topics: &[RoomTopic],
    changes: ChangesRequest,
) -> Result<SubscriptionRequest, Error> {
    if topics.is_empty() {
        return Err(Error::bad_input(
            "topics",
            "At least one topic is required.",
        ));
    }
    let post = changes.post.clone();
    let mut changes = Some(changes);
    let topics = RoomTopic::IN_ORDER
        .into_iter()
        .filter(|topic| topics.contains(topic));
    let requests = topics.filter_map(|topic| {
        let post = post.clone();
        Some(match topic {
            RoomTopic::Comments => SubscriptionRequest::new(changes.take()?),
            RoomTopic::Viewers => SubscriptionRequest::new(ViewersRequest { post }),
            RoomTopic::Typing => SubscriptionRequest::new(TypingRequest { post }),
            RoomTopic::Reactions => SubscriptionRequest::new(ReactionsRequest { post }),
            RoomTopic::Post => SubscriptionRequest::new(PostRequest { post }),
        })
    });
    Ok(SubscriptionRequest::several(requests.collect()))
}

/// An event of any topic of a post.
#[derive(Debug)]
pub(super) enum RoomEvent {
    /// A change of its comments.
    Comments(Arc<Change>),
    /// The number of its readers.
    Viewers(usize),
    /// A start or stop of typing.
    Typing(TypingAt),
    /// A comment after a change of its reactions.
    Reactions(ReactedComment),
    /// The post.
    Post(Arc<model::Post>),
}

impl RoomEvent {
    /// Returns the event as its topic's. Returns `None` if no topic of a post has such events.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let changes = event
            .get()
            .map(|ChangeEvent(change)| Self::Comments(Arc::clone(change)));
        changes
            .or_else(|| event.get().map(|ViewerCount(count)| Self::Viewers(*count)))
            .or_else(|| {
                event
                    .get()
                    .map(|typing: &TypingAt| Self::Typing(typing.clone()))
            })
            .or_else(|| {
                event
                    .get()
                    .map(|reacted: &ReactedComment| Self::Reactions(reacted.clone()))
            })
            .or_else(|| {
                event
                    .get()
                    .map(|PostChanged(post)| Self::Post(Arc::clone(post)))
            })
    }
}

/// An event of a post's room: the field of its topic is set, and the other ones are null.
///
/// It is an object and no union. So one selection has the fields of all topics, and a client that was built
/// before a topic existed reads an event of it as one without a field that it knows.
#[Object]
impl RoomEvent {
    /// The topic of the event.
    async fn topic(&self) -> RoomTopic {
        match self {
            Self::Comments(_) => RoomTopic::Comments,
            Self::Viewers(_) => RoomTopic::Viewers,
            Self::Typing(_) => RoomTopic::Typing,
            Self::Reactions(_) => RoomTopic::Reactions,
            Self::Post(_) => RoomTopic::Post,
        }
    }

    /// The place in the post's feed, if the event is a change of its comments.
    async fn cursor(&self, context: &Context<'_>) -> Option<Cursor> {
        match self {
            Self::Comments(change) => Some(Cursor::new(
                context.epoch(),
                &change.comment.post_id,
                change.seq,
            )),
            _ => None,
        }
    }

    /// The change of the post's comments.
    async fn comment_change(&self) -> Option<CommentChange> {
        match self {
            Self::Comments(change) => Some(CommentChange(Arc::clone(change))),
            _ => None,
        }
    }

    /// The readers, with the first 20 users.
    async fn viewers(&self) -> Option<ViewerList> {
        match self {
            Self::Viewers(count) => Some(ViewerList { count: *count }),
            _ => None,
        }
    }

    /// The user who started or stopped typing.
    async fn typing(&self) -> Option<TypingEvent> {
        match self {
            Self::Typing(typing) => Some(TypingEvent(typing.clone())),
            _ => None,
        }
    }

    /// The comment whose reactions changed.
    async fn reacted(&self) -> Option<Comment> {
        match self {
            Self::Reactions(reacted) => Some(reacted.into()),
            _ => None,
        }
    }

    /// The post after a change of its title, URL, isOpen, moderation or pinned comment.
    async fn post(&self) -> Option<Post> {
        match self {
            Self::Post(post) => Some(Post(model::Post::clone(post))),
            _ => None,
        }
    }
}
