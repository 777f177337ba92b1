//! The database's shape, as a list of steps that every start runs to its end.
//!
//! A step that was released is never changed: what must differ is a new step.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261124_000001_posts_and_comments;
mod m20261125_000002_reply_depth;
mod m20261125_000003_bans;

/// Runs the steps that a database does not have yet, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_posts_and_comments::Migration),
            Box::new(m20261125_000002_reply_depth::Migration),
            Box::new(m20261125_000003_bans::Migration),
        ]
    }
}
