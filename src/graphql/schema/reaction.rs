//! Reactions to comments, read for many comments in one statement.

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, SimpleObject, dataloader::Loader};

use super::{
    loader::{SharedError, StoreLoader},
    page,
};
use crate::{
    error::Error,
    graphql::context::ContextExt,
    model::{self, CommentId, PostId, ReactionCounts, UserId},
};

/// The content of a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReactionContent")]
pub(super) enum ReactionContent {
    /// A thumb up.
    ThumbsUp,
    /// A thumb down. It lowers the score.
    ThumbsDown,
    /// A laughing face.
    Laugh,
    /// A party popper.
    Hooray,
    /// A confused face. It lowers the score.
    Confused,
    /// A heart.
    Heart,
    /// A rocket.
    Rocket,
    /// A pair of eyes.
    Eyes,
}

/// The reactions of one content to a comment.
#[derive(Debug, SimpleObject)]
pub(super) struct ReactionGroup {
    /// The content.
    content: ReactionContent,
    /// The number of users who reacted with it.
    count: i32,
}

/// A reaction of the caller.
#[derive(Debug, SimpleObject)]
pub(super) struct ViewerReaction {
    /// The id of the comment.
    comment_id: ID,
    /// The content.
    content: ReactionContent,
}

/// The numbers of reactions to the comment with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReactionsTo(pub CommentId);

impl Loader<ReactionsTo> for StoreLoader {
    type Value = ReactionCounts;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[ReactionsTo],
    ) -> Result<HashMap<ReactionsTo, ReactionCounts>, SharedError> {
        let ids: Vec<CommentId> = keys.iter().map(|ReactionsTo(id)| *id).collect();
        let reactions = self.in_turn(self.store().reactions_to(&ids)).await?;
        let keyed = reactions
            .into_iter()
            .map(|(id, reactions)| (ReactionsTo(id), reactions.counts));
        Ok(keyed.collect())
    }
}

/// Returns the numbers of reactions to a comment, as they are stored now.
pub(super) async fn counts(
    context: &Context<'_>,
    comment: &model::Comment,
) -> Result<ReactionCounts, Error> {
    if comment.is_deleted {
        return Ok(ReactionCounts::default());
    }
    let counts = context.loader().load_one(ReactionsTo(comment.id)).await?;
    Ok(counts.unwrap_or_default())
}

/// Returns the groups of these numbers.
pub(super) fn groups(
    context: &Context<'_>,
    counts: ReactionCounts,
) -> Result<Vec<ReactionGroup>, Error> {
    let groups = counts.groups().map(|(content, count)| ReactionGroup {
        content: content.into(),
        count: i32::try_from(count).unwrap_or(i32::MAX),
    });
    let groups: Vec<_> = groups.collect();
    take(context, groups.len())?;
    Ok(groups)
}

/// Returns a user's reactions to the comments of a post.
pub(super) async fn of_viewer(
    context: &Context<'_>,
    user: &UserId,
    post: &PostId,
) -> Result<Vec<ViewerReaction>, Error> {
    let reactions = context.store().reactions_of(user, post);
    let reactions = context.budget().in_turn(reactions).await?;
    take(context, reactions.len())?;
    let reactions = reactions.into_iter().map(|reaction| ViewerReaction {
        comment_id: reaction.comment.to_string().into(),
        content: reaction.content.into(),
    });
    Ok(reactions.collect())
}

/// Takes the results of `count` items of the field from the budget of the execution.
fn take(context: &Context<'_>, count: usize) -> Result<(), Error> {
    let fields = count * page::fields_below(context.field());
    context.budget().take_fields(fields)
}
