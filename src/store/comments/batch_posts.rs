//! The posts of a batch of new comments.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{create::NewComment, seq::lock_posts};
use crate::{
    model::PostId,
    store::{entity::post, posts::moved, query::is_any_of},
};

/// Maximum number of statements that look for a post that is being moved.
const MAX_LOOKUPS: usize = 4;

/// Locks and reads the posts of a batch. Comments that name a post by an old id get its present one.
pub(super) async fn read_posts(
    transaction: &DatabaseTransaction,
    batch: &mut [NewComment],
) -> Result<HashMap<String, post::Model>, DbErr> {
    let mut posts = HashMap::new();
    let mut ids: BTreeSet<PostId> = batch.iter().map(|new| new.post_id.clone()).collect();
    // A statement that has waited for a move does not find the post, so it is looked for again.
    for _ in 0..MAX_LOOKUPS {
        let missing = lock_missing(transaction, &ids, &mut posts).await?;
        if missing.is_empty() {
            break;
        }
        let moved = moved(transaction, &missing).await?;
        for new in &mut *batch {
            if let Some(present) = moved.get(&new.post_id) {
                new.post_id = present.clone();
            }
        }
        ids = moved.into_values().collect();
    }
    Ok(posts)
}

/// Locks the posts with these ids, adds them to `posts`, and returns the ids that no post has.
async fn lock_missing(
    transaction: &DatabaseTransaction,
    ids: &BTreeSet<PostId>,
    posts: &mut HashMap<String, post::Model>,
) -> Result<Vec<PostId>, DbErr> {
    let names = ids.iter().map(ToString::to_string);
    let is_one = is_any_of(post::Column::Id, names, transaction.get_database_backend());
    let locked = lock_posts(transaction, is_one).await?;
    posts.extend(locked.into_iter().map(|post| (post.id.clone(), post)));
    let missing = ids.iter().filter(|id| !posts.contains_key(id.as_str()));
    Ok(missing.cloned().collect())
}
