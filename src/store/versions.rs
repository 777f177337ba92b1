//! The versions of what readers see, for caches to compare.
//!
//! Every commit that changes anything public of a post raises the post's version. All users share one version,
//! because their names stand on many posts.

use sea_orm::{
    DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use super::{
    Store,
    entity::{post, user_version},
    query::is_any_of,
};
use crate::{error::Error, model::PostId};

/// The versions of some posts, and of all users. What was read after them is as it is now while they stay the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    posts: Vec<(String, i64)>,
    users: i64,
}

impl Store {
    /// Returns the versions of these posts, or `None` if one of them does not exist.
    pub async fn versions(&self, posts: &[PostId]) -> Result<Option<Versions>, Error> {
        let mut ids: Vec<String> = posts.iter().map(ToString::to_string).collect();
        ids.sort_unstable();
        ids.dedup();
        let expected = ids.len();
        let users = user_version::Entity::find()
            .select_only()
            .column(user_version::Column::Value)
            .into_query();
        let query = post::Entity::find()
            .select_only()
            .columns([post::Column::Id, post::Column::Version])
            .expr(Expr::SubQuery(None, Box::new(users.into())))
            .filter(is_any_of(post::Column::Id, ids, self.backend()));
        let rows: Vec<(String, i64, i64)> = self
            .read(move |connection| {
                let query = query.clone().into_tuple();
                async move { Ok(query.all(&connection).await?) }
            })
            .await?;
        let Some((_, _, users)) = rows.first().filter(|_| rows.len() == expected) else {
            return Ok(None);
        };
        let users = *users;
        let mut posts: Vec<_> = rows
            .into_iter()
            .map(|(id, version, _)| (id, version))
            .collect();
        posts.sort_unstable();
        Ok(Some(Versions { posts, users }))
    }
}

/// Raises the version of all users. No other transaction raises it until this one ends. What comes later in a
/// transaction is guarded by the lock of its post.
pub(super) async fn raise_users(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    use user_version::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Value, Expr::col(Column::Value).add(1))
        .exec(transaction)
        .await?;
    Ok(())
}
