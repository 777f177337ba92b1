//! Posts.
//!
//! A post's row is locked by each transaction that changes the post or its comments. So a post is opened,
//! updated, moved and deleted between the changes of its feed, and never during one.

mod create;
mod delete;
mod deleted;
mod ensure;
mod inactive;
mod lock;
mod moving;
mod old_ids;
mod page;
mod read;
mod update;

pub(super) use self::old_ids::{is_named, moved};
pub use self::{
    create::NewPost,
    delete::DeletePost,
    ensure::{EnsureOutcome, EnsurePost, Ensured, EnsuredTitle},
    moving::{MovePost, Moved},
    read::{FeedHead, PostKey, PostStand},
    update::{Field, UpdatePost},
};
