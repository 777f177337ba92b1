//! The migrations of the database's schema. Every start runs the missing ones.
//!
//! A released migration never changes: a correction is a new migration.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261124_000001_posts_and_comments;
mod m20261125_000002_reply_depth;
mod m20261125_000003_bans;
mod m20261130_000004_entries;
mod m20261130_000005_user_profiles;
mod m20261130_000006_epoch;
mod m20261130_000007_idempotency_keys;
mod m20261201_000008_moderation;
mod m20261201_000009_jobs;
mod m20261201_000010_guest_addresses;
mod m20261201_000011_reactions;
mod m20261201_000012_recent_comments;
mod m20261201_000013_deleted_posts;

/// The list of all migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_posts_and_comments::Migration),
            Box::new(m20261125_000002_reply_depth::Migration),
            Box::new(m20261125_000003_bans::Migration),
            Box::new(m20261130_000004_entries::Migration),
            Box::new(m20261130_000005_user_profiles::Migration),
            Box::new(m20261130_000006_epoch::Migration),
            Box::new(m20261130_000007_idempotency_keys::Migration),
            Box::new(m20261201_000008_moderation::Migration),
            Box::new(m20261201_000009_jobs::Migration),
            Box::new(m20261201_000010_guest_addresses::Migration),
            Box::new(m20261201_000011_reactions::Migration),
            Box::new(m20261201_000012_recent_comments::Migration),
            Box::new(m20261201_000013_deleted_posts::Migration),
        ]
    }
}
