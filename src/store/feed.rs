//! A post's feed, as a client that was away reads it.

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    sea_query::{Expr, ExprTrait, Order},
};

use super::{
    Store,
    entity::comment::{Column, Entity},
    page::{Allowance, Bodies, Page},
    query::{Parameters, select_page},
    rows,
};
use crate::{
    error::Error,
    model::{ChangeKind, ClientId, Comment, PostId, Seq},
};

/// A comment at one of its places in the feed.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    /// The position in the feed.
    pub seq: Seq,
    /// The comment's reason to be there.
    pub reason: Reason,
    /// The comment's latest state.
    pub comment: Arc<Comment>,
    /// The client that made the change at this place, if it named itself.
    pub origin: Option<ClientId>,
    /// The client that added the comment, if it named itself.
    pub added_by: Option<ClientId>,
}

/// A comment's reason to be at a place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It last became listed here.
    Entry,
    /// It was last changed here, after its entry or without one.
    LatestChange(ChangeKind),
}

/// A comment with both of its places.
struct Row {
    comment: Arc<Comment>,
    latest: ChangeKind,
    added_by: Option<ClientId>,
    entered_by: Option<ClientId>,
    changed_by: Option<ClientId>,
}

impl Store {
    /// Returns at most `first` of the listed comments that were added after `after`, ordered by
    /// `added_seq`. Each is in its latest state. The page ends early where `allowance` does.
    pub async fn added_after(
        &self,
        post: &PostId,
        after: Seq,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<FeedEntry>, Error> {
        let condition = Column::PostId
            .eq(post.as_str())
            .and(Column::AddedSeq.gt(after.0))
            .and(Column::EnteredSeq.is_not_null());
        let order = Column::AddedSeq.into_expr();
        let rows = self.feed_rows(condition, order, first, allowance);
        Ok(rows.await?.map(|row| FeedEntry {
            seq: row.comment.added_seq,
            reason: Reason::Entry,
            comment: row.comment,
            origin: row.added_by.clone(),
            added_by: row.added_by,
        }))
    }

    /// Returns at most `first` of the places after `after` in the feed, in order: a listed comment comes
    /// where it was entered, and each comment at its latest change. The page ends early where
    /// `allowance` does.
    pub async fn changed_after(
        &self,
        post: &PostId,
        after: Seq,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<FeedEntry>, Error> {
        // A row has one place or two. The first places of all are those of the first rows, and these are
        // among the first of each kind. So the statement finds them with two ranges of indexes.
        let rows = self.feed_rows(
            has_first_place(post, after, first + 1, self.backend()),
            first_place(after),
            first,
            allowance,
        );
        let Page { items, has_more } = rows.await?;
        // If there are more rows, one that was not read may come before a second place.
        let end = match items.last() {
            Some(last) if has_more => last.places(after).map(|entry| entry.seq).min(),
            _ => None,
        };
        let mut entries: Vec<FeedEntry> = items.iter().flat_map(|row| row.places(after)).collect();
        entries.sort_unstable_by_key(|entry| entry.seq);
        entries.retain(|entry| end.is_none_or(|end| entry.seq <= end));
        let max = usize::try_from(first).unwrap_or(usize::MAX);
        let has_more = has_more || entries.len() > max;
        entries.truncate(max);
        Ok(Page {
            items: entries,
            has_more,
        })
    }

    async fn feed_rows(
        &self,
        condition: Expr,
        order: Expr,
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Row>, Error> {
        let query = Entity::find().filter(condition).order_by(order, Order::Asc);
        let query = Arc::new(rows::with_authors(query, Bodies::Read));
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let bytes_of = |row: &Row| row.comment.bytes();
                select_page(&query, first, &*allowance, &connection, row, bytes_of).await
            }
        })
        .await
    }
}

impl Row {
    /// Returns the comment at each of its places after `after`.
    fn places(&self, after: Seq) -> impl Iterator<Item = FeedEntry> {
        let Comment {
            entered_seq,
            changed_seq,
            ..
        } = *self.comment;
        let entry = entered_seq.map(|seq| (seq, Reason::Entry, &self.entered_by));
        let latest = Reason::LatestChange(self.latest);
        let change =
            (entered_seq != Some(changed_seq)).then_some((changed_seq, latest, &self.changed_by));
        let places = entry.into_iter().chain(change);
        places
            .filter(move |(seq, ..)| *seq > after)
            .map(|(seq, reason, origin)| FeedEntry {
                seq,
                reason,
                comment: Arc::clone(&self.comment),
                origin: origin.clone(),
                added_by: self.added_by.clone(),
            })
    }
}

/// Returns the condition that a comment has one of the post's first `limit` places of entry after
/// `after`, or one of its first `limit` places of a latest change.
///
/// The statement has no other condition on the post. SQLite would take its index, and test this one for each
/// comment of the post.
fn has_first_place(post: &PostId, after: Seq, limit: u64, backend: DbBackend) -> Expr {
    let mut parameters = Parameters::new(backend);
    // The limits are text, because SQLite plans for the value of a bound limit; see `select_limited`.
    let mut first = |seq: &str| {
        format!(
            "SELECT id FROM (SELECT id FROM comment WHERE post_id = {} AND {seq} > {} \
             ORDER BY {seq} LIMIT {limit}) AS {seq}_first",
            parameters.place(post.as_str()),
            parameters.place(after.0)
        )
    };
    let ids = format!(
        "comment.id IN ({} UNION {})",
        first("entered_seq"),
        first("changed_seq")
    );
    parameters.condition(ids)
}

/// Returns the expression of a row's first place after `after`.
fn first_place(after: Seq) -> Expr {
    Expr::case(
        Column::EnteredSeq.gt(after.0),
        Column::EnteredSeq.into_expr(),
    )
    .finally(Column::ChangedSeq.into_expr())
    .into()
}

fn row(row: &QueryResult) -> Result<Row, Error> {
    let [added_by, entered_by, changed_by] = rows::origins(row)?;
    Ok(Row {
        comment: Arc::new(rows::comment(row)?),
        latest: rows::latest_change(row)?,
        added_by,
        entered_by,
        changed_by,
    })
}
