//! Posts.
//!
//! A post's row is locked by each transaction that changes the post or its comments. So a post is opened,
//! updated, moved and deleted between the changes of its feed, and never during one.

mod create;
mod ensure;
mod lock;
mod read;
mod update;

pub use self::{
    create::NewPost,
    ensure::{EnsurePost, Ensured},
    read::{PostKey, PostStand},
    update::{Field, UpdatePost},
};
