//! The conditions on a comment's status, in the words of the partial indexes.
//!
//! Databases use a partial index only if its condition is in the statement, and not among its parameters.

use sea_orm::sea_query::Expr;

/// Holds for a comment that readers see.
pub(in crate::store) const PUBLISHED: &str = "comment.status = 0 AND comment.deleted_at IS NULL";
/// Holds for a comment that waits for a moderator. SQLite does not conclude that it is not published.
pub(in crate::store) const PENDING: &str =
    "comment.status = 1 AND comment.status <> 0 AND comment.deleted_at IS NULL";
/// Holds for a comment that was rejected.
pub(in crate::store) const REJECTED: &str =
    "comment.status = 2 AND comment.status <> 0 AND comment.deleted_at IS NULL";
/// Holds for a comment that was not deleted.
pub(in crate::store) const KEPT: &str = "comment.deleted_at IS NULL";

/// Holds for a comment whose post was not deleted. A job deletes those of deleted posts, of which there are few.
pub(in crate::store) const OF_KEPT_POST: &str =
    "comment.post_id NOT IN (SELECT post.id FROM post WHERE post.deleted_at IS NOT NULL)";

/// Returns the condition of this SQL.
pub(in crate::store) fn holds(condition: &'static str) -> Expr {
    Expr::cust(condition)
}
