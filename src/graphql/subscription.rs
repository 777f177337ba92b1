//! `Subscription`: being in a post's room. Each subscription owns a membership, so that whoever is
//! here is in the room, and whoever goes, for whatever reason, has left it.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Subscription};
use futures_util::{Stream, stream};

use super::{
    caller::Caller,
    comment::{Comment, CommentChange},
    cursor::Cursor,
    error::Result,
    input,
    shared::Purpose,
    user::User,
};
use crate::{
    feed::{Event, Feed, Joined, View, Wish},
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
    /// Each new comment, in the order in which the post took them.
    async fn comment_added(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
        #[graphql(
            desc = "First everything added after that place, then live, with nothing missed and nothing twice in between."
        )]
        after: Option<Cursor>,
        #[graphql(
            desc = "Also the comments that this same client created.",
            default = false
        )]
        include_own: bool,
    ) -> Result<impl Stream<Item = Comment>> {
        let shown = match Purpose::of(context) {
            Purpose::Open(here) => {
                here.put(follow(context, &post_id, View::Added, after, include_own).await?);
                None
            }
            Purpose::Render(Event::Change(change)) => Some(Arc::clone(&change.comment).into()),
            Purpose::Render(_) => None,
        };
        Ok(stream::iter(shown))
    }

    /// Every change to the post's comments, in order: added, edited, deleted. Resumes as
    /// commentAdded does.
    async fn comment_changed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
        #[graphql(
            desc = "First the latest state of every comment that changed after that place, then live."
        )]
        after: Option<Cursor>,
        #[graphql(desc = "Also the changes that this same client made.", default = false)]
        include_own: bool,
    ) -> Result<impl Stream<Item = CommentChange>> {
        let shown = match Purpose::of(context) {
            Purpose::Open(here) => {
                here.put(follow(context, &post_id, View::Changed, after, include_own).await?);
                None
            }
            Purpose::Render(Event::Change(change)) => Some(CommentChange(Arc::clone(change))),
            Purpose::Render(_) => None,
        };
        Ok(stream::iter(shown))
    }

    /// How many distinct readers are in the room, this one included: at once, then after changes.
    /// A signed-in reader counts once however many tabs, an anonymous one once a client. Bursts are
    /// conflated to the latest value.
    async fn viewer_count(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
    ) -> Result<impl Stream<Item = i32>> {
        let shown = match Purpose::of(context) {
            Purpose::Open(here) => {
                here.put(join(context, &post_id, Wish::Viewers).await?);
                None
            }
            Purpose::Render(Event::Viewers(count)) => {
                Some(i32::try_from(*count).unwrap_or(i32::MAX))
            }
            Purpose::Render(_) => None,
        };
        Ok(stream::iter(shown))
    }

    /// Who starts and stops typing, never the subscriber's own user. Those already typing come
    /// first.
    async fn typing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
    ) -> Result<impl Stream<Item = TypingEvent>> {
        let shown = match Purpose::of(context) {
            Purpose::Open(here) => {
                here.put(join(context, &post_id, Wish::Typing).await?);
                None
            }
            Purpose::Render(Event::Typing(post, event)) => {
                Some(TypingEvent(post.clone(), event.clone()))
            }
            Purpose::Render(_) => None,
        };
        Ok(stream::iter(shown))
    }
}

async fn join(context: &Context<'_>, post_id: &ID, wish: Wish) -> Result<Joined> {
    let post = input::post_id(post_id)?;
    let visitor = Caller::of(context)?.visitor();
    let feed = context.data_unchecked::<Feed>();
    Ok(feed.join(&post, &visitor, wish).await?)
}

async fn follow(
    context: &Context<'_>,
    post_id: &ID,
    view: View,
    after: Option<Cursor>,
    include_own: bool,
) -> Result<Joined> {
    let post = input::post_id(post_id)?;
    let after = after.map(|cursor| cursor.seq(&post)).transpose()?;
    let wish = Wish::Changes {
        view,
        after,
        include_own,
    };
    join(context, post_id, wish).await
}

/// Somebody started or stopped typing.
#[derive(Debug)]
pub struct TypingEvent(PostId, rooms::TypingEvent);

/// Somebody started or stopped typing.
#[Object]
impl TypingEvent {
    /// The post.
    async fn post_id(&self) -> ID {
        self.0.as_str().into()
    }

    /// Who.
    async fn user(&self) -> User {
        User(self.1.user.clone())
    }

    /// True: started. False: stopped, for whatever reason.
    async fn is_typing(&self) -> bool {
        self.1.is_typing
    }
}
