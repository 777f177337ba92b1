//! The body of a request to a check: what a spam filter needs.

use std::net::IpAddr;

use serde::Serialize;

use super::Submission;
use crate::model::Role;

/// The body of a request to a check.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckRequest<'a> {
    post: PostPart<'a>,
    comment: CommentPart<'a>,
    author: AuthorPart<'a>,
    /// The address; of an IPv6 client its /64.
    address: Option<IpAddr>,
    user_agent: Option<&'a str>,
    referrer: Option<&'a str>,
}

#[derive(Serialize)]
struct PostPart<'a> {
    id: &'a str,
    title: &'a str,
    url: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommentPart<'a> {
    /// `None` for a new comment.
    id: Option<String>,
    body: &'a str,
    parent_id: Option<String>,
    is_edit: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorPart<'a> {
    id: &'a str,
    name: &'a str,
    role: Role,
    is_guest: bool,
}

impl<'a> From<&Submission<'a>> for CheckRequest<'a> {
    fn from(submission: &Submission<'a>) -> Self {
        let Submission { post, author, .. } = *submission;
        Self {
            post: PostPart {
                id: post.id.as_str(),
                title: &post.title,
                url: post.url.as_deref(),
            },
            comment: CommentPart {
                id: submission.edited.map(|id| id.to_string()),
                body: submission.body,
                parent_id: submission.parent.map(|id| id.to_string()),
                is_edit: submission.edited.is_some(),
            },
            author: AuthorPart {
                id: author.id.as_str(),
                name: &author.name,
                role: author.role,
                is_guest: author.id.is_guest(),
            },
            address: submission.address.map(IpAddr::from),
            user_agent: submission.user_agent,
            referrer: submission.referrer,
        }
    }
}
