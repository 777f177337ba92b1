//! Reading the unresolved reports of comments.

use std::sync::Arc;

use sea_orm::{
    DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult, QueryTrait,
    sea_query::SelectStatement,
};

use crate::{
    error::Error,
    model::{CommentId, Report, Timestamp},
    store::{
        Allowance, Page, Store,
        entity::{
            report::{Column, Entity, Model},
            user,
        },
        query::{Parameters, select_page},
        rows,
    },
};

impl Store {
    /// Returns the first unresolved reports of each comment, oldest first. The page ends early where
    /// `allowance` does.
    pub async fn open_reports(
        &self,
        comments: &[CommentId],
        first: u64,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Page<Report>, Error> {
        let query = Arc::new(first_reports(comments, first, self.backend()));
        let most = comments.len().next_power_of_two() as u64 * first;
        self.read(move |connection| {
            let (query, allowance) = (Arc::clone(&query), Arc::clone(&allowance));
            async move {
                let (report, bytes_of) = (report, Report::bytes);
                select_page(&query, most, &*allowance, &connection, report, bytes_of).await
            }
        })
        .await
    }
}

/// Selects the first reports of each comment, by numbering those of each.
fn first_reports(comments: &[CommentId], first: u64, backend: DbBackend) -> SelectStatement {
    let mut parameters = Parameters::new(backend);
    let is_comment = parameters.any_of(comments.iter().map(|id| id.0).collect());
    let is_first = parameters.condition(format!(
        "report.id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER (\
         PARTITION BY comment_id ORDER BY created_at, id) AS place FROM report \
         WHERE resolved_at IS NULL AND comment_id {is_comment}) AS placed WHERE place <= {first})"
    ));
    Entity::find()
        .find_also_related(user::Entity)
        .filter(is_first)
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .into_query()
}

fn report(row: &QueryResult) -> Result<Report, Error> {
    let report = Model::from_query_result(row, "A_")?;
    let reporter = user::Model::from_query_result(row, "B_")?;
    Ok(Report {
        id: report.id,
        comment_id: CommentId(report.comment_id),
        reporter: rows::user(reporter)?,
        reason: report.reason.into(),
        note: report.note,
        at: Timestamp(report.created_at),
    })
}
