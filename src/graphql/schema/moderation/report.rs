//! Reports of comments, and their loader.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, ID, Object, dataloader::Loader};

use super::enums::ReportReason;
use crate::{
    graphql::{
        context::ContextExt,
        error::{At, Result},
        schema::{
            datetime::DateTime,
            loader::{SharedError, StoreLoader},
            relatives::whole,
            user::User,
        },
    },
    model::{self, CommentId},
};

/// A report.
#[derive(Clone, Debug)]
pub(in crate::graphql::schema) struct Report(pub Arc<model::Report>);

/// A reader's report of a comment, which no moderator has resolved.
#[Object]
impl Report {
    /// The id.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The user who reported it.
    async fn reporter(&self) -> User {
        User(self.0.reporter.clone())
    }

    /// The reason.
    async fn reason(&self) -> ReportReason {
        self.0.reason.into()
    }

    /// The reporter's note: at most 500 characters.
    async fn note(&self, context: &Context<'_>) -> Option<Result<&str>> {
        let note = self.0.note.as_deref()?;
        Some(context.text(note).at(context))
    }

    /// The time of the report.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.at)
    }
}

/// The first unresolved reports of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReportsOf {
    /// The comment.
    pub comment: CommentId,
    /// Maximum number of reports.
    pub first: u64,
}

impl Loader<ReportsOf> for StoreLoader {
    type Value = Vec<Arc<model::Report>>;
    type Error = SharedError;

    async fn load(
        &self,
        keys: &[ReportsOf],
    ) -> std::result::Result<HashMap<ReportsOf, Self::Value>, SharedError> {
        let mut comments: HashMap<u64, Vec<CommentId>> = HashMap::new();
        for key in keys {
            comments.entry(key.first).or_default().push(key.comment);
        }
        let mut found: HashMap<ReportsOf, Self::Value> = HashMap::new();
        for (first, ids) in comments {
            let reports = self.store().open_reports(&ids, first, self.allowance());
            for report in self.in_turn(whole(reports)).await? {
                let comment = report.comment_id;
                let reports = found.entry(ReportsOf { comment, first }).or_default();
                reports.push(Arc::new(report));
            }
        }
        Ok(found)
    }
}
