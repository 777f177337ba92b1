//! The stored state that decides over new comments, and the rows that are made of them.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    create::NewComment,
    effects::Effects,
    parents::{Parent, no_parent, read_parents},
    state::{StoredComment, Written},
};
use crate::{
    error::{Error, Kind},
    model::{
        ChangeKind, CommentId, CommentStatus, HoldReason, Post, PostId, Role, Seq, User, UserId,
    },
    store::{
        Store,
        entity::{comment::Model, post},
        posts::is_named,
        rows,
    },
};

/// The decision to create a comment.
pub(super) struct Accepted {
    depth: i64,
    /// The reason to hold it, if there is one.
    pub(super) hold: Option<HoldReason>,
}

/// The stored state that decides over a batch.
pub(super) struct Circumstances {
    pub(super) posts: HashMap<String, post::Model>,
    pub(super) parents: HashMap<CommentId, Parent>,
    /// The authors who have a published comment, of those for whom it matters.
    pub(super) published: HashSet<UserId>,
}

impl Store {
    /// Returns the post of a comment that would be created now, before its text is screened. Fails as
    /// [`Self::create_comment`] does.
    pub async fn post_of_new(&self, new: &NewComment) -> Result<Post, Error> {
        let new = new.clone();
        self.read(move |connection| {
            let new = new.clone();
            async move {
                let mut new = new;
                let posts = post::Entity::find()
                    .filter(is_named(post::Column::Id, &new.post_id))
                    .filter(post::Column::DeletedAt.is_null());
                let posts = posts.all(&connection).await?.into_iter();
                let post = posts.last().ok_or(Error::NotFound(Kind::Post))?;
                new.post_id = rows::post_id(&post.id)?;
                let circumstances = Circumstances {
                    parents: read_parents(&connection, new.parent_id).await?,
                    posts: HashMap::from([(post.id.clone(), post.clone())]),
                    published: HashSet::new(),
                };
                circumstances.accept(&new)?;
                rows::post(post)
            }
        })
        .await
    }
}

impl Circumstances {
    /// Decides whether a comment is created, and whether it is held.
    pub(super) fn accept(&self, new: &NewComment) -> Result<Accepted, Error> {
        let (post, author) = (self.post(&new.post_id)?, &new.author.user);
        if !post.is_open && author.role < Role::Moderator {
            return Err(Error::Forbidden("This post takes no new comments."));
        }
        let depth = match new.parent_id {
            None => 0,
            Some(id) => {
                let parent = self.parents.get(&id).ok_or_else(no_parent)?;
                parent.depth_of_reply(&new.post_id, &author.id, new.max_depth)?
            }
        };
        let has_published = self.published.contains(&author.id);
        Ok(Accepted {
            depth,
            hold: new.screened.hold(author, post, has_published),
        })
    }

    /// Returns the row of a comment, and the answer to its author.
    pub(super) fn write(
        &self,
        id: CommentId,
        new: NewComment,
        accepted: &Accepted,
        seqs: &mut HashMap<PostId, Seq>,
        authors: &HashMap<UserId, User>,
    ) -> Result<(Model, Written), Error> {
        let mut post = self.post(&new.post_id)?.clone();
        let seq = match (accepted.hold, seqs.get_mut(&new.post_id)) {
            (None, Some(next)) => {
                let seq = *next;
                *next = seq.next();
                post.seq = seq.0;
                Some(seq.0)
            }
            (None, None) => return Err(Error::NotFound(Kind::Post)),
            (Some(_), _) => None,
        };
        let author = authors.get(&new.author.user.id);
        let author = author.unwrap_or(&new.author.user).clone();
        let origin = new.origin.as_ref().map(ToString::to_string);
        let origin = origin.filter(|_| seq.is_some());
        let status = match accepted.hold {
            Some(_) => CommentStatus::Pending,
            None => CommentStatus::Published,
        };
        let row = Model {
            id: id.0,
            post_id: new.post_id.to_string(),
            parent_id: new.parent_id.map(|parent| parent.0),
            author_id: author.id.to_string(),
            body: new.body,
            created_at: new.at.0,
            edited_at: None,
            deleted_at: None,
            added_seq: seq,
            changed_seq: seq,
            entered_seq: seq,
            added_by: origin.clone(),
            entered_by: origin.clone(),
            changed_by: origin,
            change_kind: ChangeKind::Added.into(),
            reply_count: 0,
            depth: accepted.depth,
            status: status.into(),
            hold_reason: accepted.hold.map(Into::into),
            decided_by: None,
            decided_at: None,
            published_at: seq.map(|_| new.at.0),
            score: 0,
            reaction_version: 0,
        };
        let comment = StoredComment { row, author, post };
        let change = seq.map(|_| comment.change(new.origin)).transpose()?;
        let written = Written {
            held: accepted.hold,
            effects: Effects {
                change,
                queue: accepted.hold.is_some(),
                ..Effects::default()
            },
            ..comment.unchanged()?
        };
        Ok((comment.row, written))
    }

    fn post(&self, id: &PostId) -> Result<&post::Model, Error> {
        self.posts
            .get(id.as_str())
            .ok_or(Error::NotFound(Kind::Post))
    }
}
