//! A comment that a transaction changes, and the two ways in which one changes for readers: it is published,
//! or withdrawn.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use uuid::Uuid;

use super::{
    effects::{ChangedDetails, Effects},
    held::{Screened, has_published},
    reactions::kept_score,
    seq::{Advance, advance, find_last_comment, lock_posts},
    state::{StoredComment, Written},
    visibility::{PENDING, holds},
};
use crate::{
    error::{Error, Kind},
    model::{
        ChangeKind, ClientId, CommentId, CommentStatus, HoldReason, Profile, Seq, Timestamp, User,
        UserId,
    },
    store::{
        entity::{
            comment::{Column, Entity, Model},
            post,
        },
        rows, users,
    },
};

/// A comment whose post is locked.
pub(super) struct LockedComment {
    /// The row as it is stored.
    stored: Model,
    /// The comment as it will be.
    pub(super) now: StoredComment,
    /// Time of the change.
    at: Timestamp,
    /// The client that makes it, if it named itself.
    origin: Option<ClientId>,
    /// The reason why this change holds it, if it does.
    held: Option<HoldReason>,
    /// True if the lists that wait for moderators may change.
    pub(super) queue_changed: bool,
    /// True if this change removed the post's pin.
    details_changed: bool,
}

impl LockedComment {
    /// Locks the comment's post and then reads the comment, because another node may be changing it.
    ///
    /// Fails with `NotFound` if there is no such comment, or `by` may not know of it.
    pub(super) async fn find(
        transaction: &DatabaseTransaction,
        id: CommentId,
        by: &Profile,
        at: Timestamp,
        origin: Option<ClientId>,
    ) -> Result<Self, Error> {
        let comment = Self::lock(transaction, id, at, origin).await?;
        let comment = comment.filter(|comment| comment.now.is_known_to(&by.user));
        comment.ok_or(Error::NotFound(Kind::Comment))
    }

    /// Locks and reads a comment as [`find`](Self::find) does, for a change that no user may be denied.
    pub(super) async fn lock(
        transaction: &DatabaseTransaction,
        id: CommentId,
        at: Timestamp,
        origin: Option<ClientId>,
    ) -> Result<Option<Self>, Error> {
        let post_id = Entity::find_by_id(id.0)
            .select_only()
            .column(Column::PostId)
            .into_query();
        let is_its_post = post::Column::Id.in_subquery(post_id);
        let mut posts = lock_posts(transaction, is_its_post.clone()).await?;
        if posts.is_empty() {
            // A statement that has waited for a move finds nothing. The next one finds the post.
            posts = lock_posts(transaction, is_its_post).await?;
        }
        let Some(post) = posts.into_iter().next() else {
            return Ok(None);
        };
        let now = StoredComment::find_of(post, transaction, id).await?;
        Ok(now.map(|now| Self {
            stored: now.row.clone(),
            now,
            at,
            origin,
            held: None,
            queue_changed: false,
            details_changed: false,
        }))
    }

    /// Returns true if a moderator approved its present text.
    pub(super) fn is_approved(&self) -> bool {
        let row = &self.now.row;
        let is_published = self.now.status() == CommentStatus::Published;
        is_published && row.decided_by.is_some() && row.edited_at <= row.decided_at
    }

    /// Stores the profile of the user who makes the change. A write that changes nothing does not come here.
    pub(super) async fn store_profile(
        &mut self,
        transaction: &DatabaseTransaction,
        by: &Profile,
    ) -> Result<(), Error> {
        let users = users::upsert(transaction, [by]).await?;
        // It may be the author.
        if let Some(author) = users.get(&self.now.author.id) {
            self.now.author = author.clone();
        }
        Ok(())
    }

    /// Returns the reason to hold its new text, which `by` wrote.
    pub(super) async fn hold_reason(
        &self,
        transaction: &DatabaseTransaction,
        screened: Screened,
        by: &User,
    ) -> Result<Option<HoldReason>, Error> {
        let asks = screened.asks_for_history(by, &self.now.post);
        let has_published = asks && has_published(transaction, &by.id).await?;
        Ok(screened.hold(by, &self.now.post, has_published))
    }

    /// Gives it a new text.
    pub(super) fn edit(&mut self, body: String) {
        self.now.row.body = body;
        self.now.row.edited_at = Some(self.at.0);
    }

    /// Erases its text for good.
    pub(super) fn erase(&mut self) {
        self.now.row.body = String::new();
        self.now.row.deleted_at = Some(self.at.0);
    }

    /// Records an automatic decision to hold it.
    pub(super) fn hold(&mut self, reason: HoldReason) {
        let row = &mut self.now.row;
        row.status = CommentStatus::Pending.into();
        row.hold_reason = Some(reason.into());
        row.decided_by = None;
        row.decided_at = None;
        self.held = Some(reason);
        self.queue_changed = true;
    }

    /// Records a moderator's decision.
    pub(super) fn decide(&mut self, status: CommentStatus, by: &UserId) {
        let row = &mut self.now.row;
        row.status = status.into();
        if status == CommentStatus::Rejected {
            row.hold_reason = Some(HoldReason::Moderator.into());
        }
        row.decided_by = Some(by.to_string());
        row.decided_at = Some(self.at.0);
        self.queue_changed = true;
    }

    /// Makes an edit of a published comment the feed's next change.
    pub(super) async fn publish_edit(
        &mut self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), Error> {
        let counted = Advance {
            changes: 1,
            comments: 0,
            published_at: None,
        };
        self.take_place(transaction, ChangeKind::Edited, counted)
            .await?;
        Ok(())
    }

    /// Shows it to readers: for the first time, or again.
    ///
    /// Fails with `Conflict` if it replies to a comment that is in no list.
    pub(super) async fn publish(&mut self, transaction: &DatabaseTransaction) -> Result<(), Error> {
        if let Some(parent) = self.now.row.parent_id {
            let parent = Entity::find_by_id(parent).all(transaction).await?;
            let is_listed = parent.iter().any(|parent| parent.entered_seq.is_some());
            if !is_listed {
                let message = "The comment that this one replies to is gone.";
                return Err(Error::Conflict(message));
            }
        }
        let kind = if self.now.was_published() {
            self.now.row.score = kept_score(transaction, self.now.row.id).await?;
            ChangeKind::Restored
        } else {
            ChangeKind::Added
        };
        let published_at = *self.now.row.published_at.get_or_insert(self.at.0);
        let counted = Advance {
            changes: 1,
            comments: 1,
            published_at: Some(Timestamp(published_at)),
        };
        let seq = self.take_place(transaction, kind, counted).await?;
        let row = &mut self.now.row;
        if row.added_seq.is_none() {
            row.added_seq = Some(seq.0);
            row.added_by = row.changed_by.clone();
        }
        if row.entered_seq.is_none() {
            row.entered_seq = Some(seq.0);
            row.entered_by = row.changed_by.clone();
            count_replies(transaction, row.parent_id, 1).await?;
        }
        Ok(())
    }

    /// Hides it from readers. Its tombstone stays in the lists if it has replies, published or pending.
    pub(super) async fn withdraw(
        &mut self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), Error> {
        let counted = Advance {
            changes: 1,
            comments: -1,
            published_at: None,
        };
        self.take_place(transaction, ChangeKind::Deleted, counted)
            .await?;
        let row = &mut self.now.row;
        row.score = 0;
        if row.reply_count == 0 && !has_pending_reply(transaction, row).await? {
            row.entered_seq = None;
            count_replies(transaction, row.parent_id, -1).await?;
        }
        if self.now.post.pinned_comment == Some(row.id) {
            // The change that withdraws it has raised the version.
            let version = Expr::col(post::Column::Version);
            post::Entity::update_many()
                .col_expr(post::Column::PinnedComment, Expr::cust("NULL"))
                .col_expr(post::Column::DetailVersion, version)
                .filter(post::Column::Id.eq(&row.post_id))
                .exec(transaction)
                .await?;
            self.details_changed = true;
        }
        Ok(())
    }

    /// Takes the feed's next place.
    async fn take_place(
        &mut self,
        transaction: &DatabaseTransaction,
        kind: ChangeKind,
        counted: Advance,
    ) -> Result<Seq, Error> {
        let StoredComment { row, post, .. } = &mut self.now;
        let seq = advance(transaction, &rows::post_id(&post.id)?, counted).await?;
        let seq = seq.ok_or(Error::NotFound(Kind::Post))?;
        post.seq = seq.0;
        post.version += 1;
        row.changed_seq = Some(seq.0);
        row.changed_by = self.origin.as_ref().map(ToString::to_string);
        row.change_kind = kind.into();
        Ok(seq)
    }

    /// Stores what changed.
    pub(super) async fn save(self, transaction: &DatabaseTransaction) -> Result<Written, Error> {
        let row = self.now.row.clone();
        let is_changed = row.changed_seq != self.stored.changed_seq;
        let newest = self.now.post.last_comment_at;
        let was_newest = row.published_at.is_some() && row.published_at == newest;
        let mut update = self.stored.into_active_model();
        update.body.set_if_not_equals(row.body);
        update.edited_at.set_if_not_equals(row.edited_at);
        update.deleted_at.set_if_not_equals(row.deleted_at);
        update.added_seq.set_if_not_equals(row.added_seq);
        update.added_by.set_if_not_equals(row.added_by);
        update.changed_seq.set_if_not_equals(row.changed_seq);
        update.changed_by.set_if_not_equals(row.changed_by);
        update.change_kind.set_if_not_equals(row.change_kind);
        update.entered_seq.set_if_not_equals(row.entered_seq);
        update.entered_by.set_if_not_equals(row.entered_by);
        update.status.set_if_not_equals(row.status);
        update.hold_reason.set_if_not_equals(row.hold_reason);
        update.decided_by.set_if_not_equals(row.decided_by);
        update.decided_at.set_if_not_equals(row.decided_at);
        update.published_at.set_if_not_equals(row.published_at);
        update.score.set_if_not_equals(row.score);
        Entity::update(update)
            .validate()?
            .exec_without_returning(transaction)
            .await?;
        if was_newest && !self.now.is_visible() {
            find_last_comment(transaction, &rows::post_id(&row.post_id)?).await?;
        }
        let details = self.details_changed.then(|| {
            Ok::<_, DbErr>(ChangedDetails {
                post: rows::post_id(&row.post_id)?,
                version: self.now.post.version,
            })
        });
        let change = is_changed.then(|| self.now.change(self.origin));
        Ok(Written {
            held: self.held,
            effects: Effects {
                change: change.transpose()?,
                details: details.transpose()?,
                queue: self.queue_changed,
                reactions: None,
            },
            ..self.now.unchanged()?
        })
    }
}

async fn has_pending_reply(transaction: &DatabaseTransaction, row: &Model) -> Result<bool, Error> {
    let replies = Entity::find()
        .select_only()
        .expr(Expr::cust("1"))
        .filter(Column::ParentId.eq(row.id))
        .filter(holds(PENDING))
        .limit(1);
    let found = transaction.query_one(&replies.into_query()).await?;
    Ok(found.is_some())
}

/// Adds replies that enter or leave the lists to their parent's reply count.
pub(super) async fn count_replies(
    transaction: &DatabaseTransaction,
    parent: Option<Uuid>,
    replies: i64,
) -> Result<(), DbErr> {
    let Some(parent) = parent else { return Ok(()) };
    Entity::update_many()
        .col_expr(
            Column::ReplyCount,
            Expr::col(Column::ReplyCount).add(replies),
        )
        .filter(Column::Id.eq(parent))
        .exec(transaction)
        .await?;
    Ok(())
}
