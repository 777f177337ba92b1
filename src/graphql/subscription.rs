//! `Subscription`: being in a post's room. Each stream owns a membership, so that whoever is here
//! is in the room, and whoever goes, for whatever reason, has left it.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Subscription};
use futures_util::{Stream, StreamExt};

use super::{
    caller::Caller,
    comment::{Comment, CommentChange},
    cursor::Cursor,
    error::{Failure, Result},
    input,
    user::User,
};
use crate::{
    feed::{Feed, View},
    model::{Change, PostId},
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
    ) -> Result<impl Stream<Item = Result<Comment>>> {
        let changes = follow(context, &post_id, View::Added, after, include_own).await?;
        Ok(changes.map(|change| Ok(Arc::clone(&change?.comment).into())))
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
    ) -> Result<impl Stream<Item = Result<CommentChange>>> {
        let changes = follow(context, &post_id, View::Changed, after, include_own).await?;
        Ok(changes.map(|change| Ok(CommentChange(change?))))
    }

    /// How many distinct readers are in the room, this one included: at once, then after changes.
    /// A signed-in reader counts once however many tabs, an anonymous one once a client. Bursts are
    /// conflated to the latest value.
    async fn viewer_count(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
    ) -> Result<impl Stream<Item = i32>> {
        let membership = join(context, &post_id).await?;
        Ok(membership
            .viewer_counts()
            .map(|count| i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// Who starts and stops typing, never the subscriber's own user. Those already typing come
    /// first.
    async fn typing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The post.")] post_id: ID,
    ) -> Result<impl Stream<Item = TypingEvent>> {
        let post = input::post_id(&post_id)?;
        let membership = join(context, &post_id).await?;
        let identity = Caller::of(context).identity.as_ref();
        let myself = identity.map(|identity| identity.user.id.clone());
        Ok(membership
            .typing(myself)
            .map(move |event| TypingEvent(post.clone(), event)))
    }
}

async fn join(context: &Context<'_>, post_id: &ID) -> Result<rooms::Membership> {
    let post = input::post_id(post_id)?;
    let feed = context.data_unchecked::<Feed>();
    let visitor = Caller::of(context).visitor();
    Ok(feed.join(&post, &visitor).await?)
}

async fn follow(
    context: &Context<'_>,
    post_id: &ID,
    view: View,
    after: Option<Cursor>,
    include_own: bool,
) -> Result<impl Stream<Item = Result<Arc<Change>>> + use<>> {
    let post = input::post_id(post_id)?;
    let after = after.map(|cursor| cursor.seq(&post)).transpose()?;
    let visitor = Caller::of(context).visitor();
    let changes = context
        .data_unchecked::<Feed>()
        .follow(&post, &visitor, view, after, include_own)
        .await?;
    Ok(changes.map(|change| change.map_err(Failure::from)))
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
