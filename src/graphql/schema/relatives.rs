//! Batching of what a comment belongs to: its post, its parent, all its ancestors, and users.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use super::loader::{SharedError, StoreLoader};
use crate::{
    error::Error,
    model::{Comment, CommentId, Post, PostId, User, UserId},
    store::{Bodies, Page},
};

/// The post with this id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PostWith(pub PostId);

/// The user with this id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserWith(pub UserId);

/// The comment with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CommentWith {
    /// The id.
    pub id: CommentId,
    /// The treatment of its body.
    pub bodies: Bodies,
}

/// The ancestors of a comment, from the top-level comment down to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AncestorsOf {
    /// The comment.
    pub comment: CommentId,
    /// The treatment of their bodies.
    pub bodies: Bodies,
}

impl Loader<PostWith> for StoreLoader {
    type Value = Post;
    type Error = SharedError;

    async fn load(&self, keys: &[PostWith]) -> Result<HashMap<PostWith, Post>, SharedError> {
        let ids: Vec<PostId> = keys.iter().map(|PostWith(id)| id.clone()).collect();
        let posts = self.store().posts_with(&ids, self.allowance());
        let posts = self.in_turn(whole(posts)).await?;
        let mut found: HashMap<PostId, Post> = posts
            .into_iter()
            .map(|post| (post.id.clone(), post))
            .collect();
        let missing: Vec<PostId> = ids
            .into_iter()
            .filter(|id| !found.contains_key(id))
            .collect();
        if !missing.is_empty() {
            let moved = self.in_turn(self.store().moved(&missing)).await?;
            let present: Vec<PostId> = moved.values().cloned().collect();
            let posts = self.store().posts_with(&present, self.allowance());
            let posts = self.in_turn(whole(posts)).await?;
            found.extend(moved.iter().filter_map(|(old, present)| {
                let post = posts.iter().find(|post| post.id == *present)?;
                Some((old.clone(), post.clone()))
            }));
        }
        let keyed = found.into_iter().map(|(id, post)| (PostWith(id), post));
        Ok(keyed.collect())
    }
}

impl Loader<UserWith> for StoreLoader {
    type Value = User;
    type Error = SharedError;

    async fn load(&self, keys: &[UserWith]) -> Result<HashMap<UserWith, User>, SharedError> {
        let ids: Vec<UserId> = keys.iter().map(|UserWith(id)| id.clone()).collect();
        let users = self.store().users_with(&ids, self.allowance());
        let users = self.in_turn(whole(users)).await?;
        let keyed = users
            .into_iter()
            .map(|user| (UserWith(user.id.clone()), user));
        Ok(keyed.collect())
    }
}

impl Loader<CommentWith> for StoreLoader {
    type Value = Arc<Comment>;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[CommentWith],
    ) -> Result<HashMap<CommentWith, Arc<Comment>>, SharedError> {
        let mut found = HashMap::with_capacity(keys.len());
        for (bodies, ids) in grouped(keys.iter().map(|key| (key.bodies, key.id))) {
            let comments = self.store().comments_with(&ids, bodies, self.allowance());
            let comments = self.in_turn(whole(comments)).await?;
            found.extend(comments.into_iter().map(|comment| {
                let id = comment.id;
                (CommentWith { id, bodies }, Arc::new(comment))
            }));
        }
        Ok(found)
    }
}

impl Loader<AncestorsOf> for StoreLoader {
    type Value = Vec<Arc<Comment>>;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[AncestorsOf],
    ) -> Result<HashMap<AncestorsOf, Vec<Arc<Comment>>>, SharedError> {
        let mut found = HashMap::with_capacity(keys.len());
        for (bodies, ids) in grouped(keys.iter().map(|key| (key.bodies, key.comment))) {
            let lines = self.in_turn(self.store().ancestors(&ids)).await?;
            // Comments of one thread share their ancestors, and each of them is read once.
            let mut distinct: Vec<CommentId> = lines.values().flatten().copied().collect();
            distinct.sort_unstable_by_key(|id| id.0);
            distinct.dedup();
            let comments = self
                .store()
                .comments_with(&distinct, bodies, self.allowance());
            let comments = self.in_turn(whole(comments)).await?;
            let comments: HashMap<CommentId, Arc<Comment>> = comments
                .into_iter()
                .map(|comment| (comment.id, Arc::new(comment)))
                .collect();
            found.extend(lines.into_iter().map(|(comment, line)| {
                let ancestors = line.iter().filter_map(|id| comments.get(id)).cloned();
                (AncestorsOf { comment, bodies }, ancestors.collect())
            }));
        }
        Ok(found)
    }
}

/// Returns all of a page. Fails if the execution may not read all of it, because single objects do not end
/// early.
pub(super) async fn whole<T>(
    page: impl Future<Output = Result<Page<T>, Error>>,
) -> Result<Vec<T>, Error> {
    let Page { items, has_more } = page.await?;
    if has_more {
        return Err(Error::TooLarge("The operation would read too much."));
    }
    Ok(items)
}

/// Groups ids by how their bodies are treated. Most requests have one treatment.
fn grouped<Id>(keys: impl Iterator<Item = (Bodies, Id)>) -> HashMap<Bodies, Vec<Id>> {
    let mut groups: HashMap<Bodies, Vec<Id>> = HashMap::new();
    for (bodies, id) in keys {
        groups.entry(bodies).or_default().push(id);
    }
    groups
}
