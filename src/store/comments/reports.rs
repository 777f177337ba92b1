//! Reports of comments by readers.

use std::num::NonZeroU32;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{effects::Effects, locked::LockedComment};
use crate::{
    error::{Error, Kind},
    model::{CommentId, HoldReason, Profile, ReportReason, Timestamp},
    store::{
        Store,
        entity::report::{ActiveModel, Column, Entity},
    },
};

/// A report of a comment.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The comment's id.
    pub comment: CommentId,
    /// The user who reports it, whose row is updated to match. Guests of one address count as one.
    pub by: Profile,
    /// The reason.
    pub reason: ReportReason,
    /// A note for moderators, cleaned.
    pub note: Option<String>,
    /// The current time.
    pub at: Timestamp,
    /// Number of reports after which a comment is held; `None` if they never hold one.
    pub reports_to_hold: Option<NonZeroU32>,
}

impl Store {
    /// Stores a report, in place of the user's earlier one of the same comment. Holds the comment if its
    /// unresolved reports are enough, unless a moderator approved it. Returns the effects that
    /// others are to hear of.
    ///
    /// Fails with `NotFound` if readers see no such comment.
    pub async fn report_comment(&self, new: NewReport) -> Result<Effects, Error> {
        let source = match &new.by.source {
            Some(guest) => guest.address.to_string(),
            // Guests cost nothing, so those of unknown addresses are one source.
            None if new.by.user.id.is_guest() => "guests".to_owned(),
            None => new.by.user.id.to_string(),
        };
        let reported = self
            .writer
            .write(move |transaction| {
                let (new, source) = (new.clone(), source.clone());
                Box::pin(async move { report(transaction, new, source).await })
            })
            .await?;
        self.moderation.reported(reported.held);
        Ok(reported.effects)
    }
}

/// The result of a report.
struct Reported {
    /// The reason why it held the comment, if it did.
    held: Option<HoldReason>,
    effects: Effects,
}

impl Reported {
    /// Returns the result of a report that holds nothing.
    fn kept() -> Self {
        let held = None;
        let effects = Effects {
            queue: true,
            ..Effects::default()
        };
        Self { held, effects }
    }
}

async fn report(
    transaction: &DatabaseTransaction,
    new: NewReport,
    source: String,
) -> Result<Reported, Error> {
    // The change has no origin: the reporter's client is to see it too.
    let mut comment = LockedComment::find(transaction, new.comment, &new.by, new.at, None).await?;
    if !comment.now.is_visible() {
        return Err(Error::NotFound(Kind::Comment));
    }
    comment.store_profile(transaction, &new.by).await?;
    let row = ActiveModel {
        id: Set(Uuid::now_v7()),
        comment_id: Set(new.comment.0),
        reporter_id: Set(new.by.user.id.to_string()),
        source: Set(source),
        reason: Set(new.reason.into()),
        note: Set(new.note),
        created_at: Set(new.at.0),
        resolved_at: Set(None),
    };
    let replaced = [
        Column::Source,
        Column::Reason,
        Column::Note,
        Column::CreatedAt,
        Column::ResolvedAt,
    ];
    Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::CommentId, Column::ReporterId])
                .update_columns(replaced)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    let is_exempt = comment.is_approved() || comment.now.author.role.is_trusted();
    let Some(enough) = new.reports_to_hold.filter(|_| !is_exempt) else {
        return Ok(Reported::kept());
    };
    if count_sources(transaction, new.comment).await? < i64::from(enough.get()) {
        return Ok(Reported::kept());
    }
    comment.hold(HoldReason::Reports);
    comment.withdraw(transaction).await?;
    let written = comment.save(transaction).await?;
    Ok(Reported {
        held: written.held,
        effects: written.effects,
    })
}

/// Counts the sources of a comment's unresolved reports.
async fn count_sources(
    transaction: &DatabaseTransaction,
    comment: CommentId,
) -> Result<i64, DbErr> {
    let sources = Entity::find()
        .select_only()
        .expr(Expr::col(Column::Source).count_distinct())
        .filter(Column::CommentId.eq(comment.0))
        .filter(Column::ResolvedAt.is_null());
    let row = transaction.query_one(&sources.into_query()).await?;
    row.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Resolves the reports of a comment. Returns true if there were any.
pub(super) async fn resolve_reports(
    transaction: &DatabaseTransaction,
    comment: CommentId,
    at: Timestamp,
) -> Result<bool, DbErr> {
    let resolved = Entity::update_many()
        .col_expr(Column::ResolvedAt, Expr::value(at.0))
        .filter(Column::CommentId.eq(comment.0))
        .filter(Column::ResolvedAt.is_null())
        .exec(transaction)
        .await?;
    Ok(resolved.rows_affected > 0)
}
