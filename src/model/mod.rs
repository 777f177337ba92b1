//! The types of the domain, which all layers share. Nothing here does I/O.

mod ban;
mod change;
mod client;
mod comment;
mod post;
mod shared_str;
mod timestamp;
mod user;

pub use self::{
    ban::{Ban, MAX_REASON_CHARS},
    change::{Change, ChangeKind, Epoch, Seq},
    client::{ClientAddress, ClientId},
    comment::{Comment, CommentId, MAX_BODY_CHARS},
    post::{MAX_TITLE_CHARS, Post, PostId},
    timestamp::Timestamp,
    user::{MAX_NAME_CHARS, Profile, Role, User, UserId},
};
