//! A comment that is about to be stored.

use crate::model::{ClientAddress, CommentId, Post, User};

/// A new comment, or a comment's new body, with what is known of its sender.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The post.
    pub post: &'a Post,
    /// The user who wrote it.
    pub author: &'a User,
    /// The body, cleaned.
    pub body: &'a str,
    /// The comment that it replies to.
    pub parent: Option<CommentId>,
    /// The comment whose body it replaces; `None` for a new comment.
    pub edited: Option<CommentId>,
    /// The sender's address, as far as it is known.
    pub address: Option<ClientAddress>,
    /// The `User-Agent` of the sender's request.
    pub user_agent: Option<&'a str>,
    /// The `Referer` of the sender's request.
    pub referrer: Option<&'a str>,
}
