//! A comment that is about to be stored.

use crate::model::{Post, User};

/// A new comment, or a comment's new body.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The post.
    pub post: &'a Post,
    /// The user who wrote it.
    pub author: &'a User,
    /// The body, cleaned.
    pub body: &'a str,
}
