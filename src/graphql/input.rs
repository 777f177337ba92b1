//! The rules of the contract for what clients send.

use url::Url;

use crate::{
    error::{Error, Kind},
    model::{
        CommentId, MAX_BODY_CHARS, MAX_NAME_CHARS, MAX_REASON_CHARS, MAX_TITLE_CHARS,
        MAX_URL_BYTES, PostId, UserId,
    },
};

/// A comment's text, trimmed.
pub(super) fn body(text: &str) -> Result<String, Error> {
    text_of("body", "A comment", text, MAX_BODY_CHARS)
}

/// A post's title, trimmed.
pub(super) fn title(text: &str) -> Result<String, Error> {
    text_of("title", "A title", text, MAX_TITLE_CHARS)
}

/// A guest's name, trimmed.
pub(super) fn name(text: &str) -> Result<String, Error> {
    text_of("name", "A name", text, MAX_NAME_CHARS)
}

/// A post's address, http or https, as it was given but for the white space around it.
pub(super) fn url(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let is_web = text.len() <= MAX_URL_BYTES
        // The parser reads what browsers do: `https:a` too, and it passes over control characters.
        && text.contains("://")
        && !text.contains(|character: char| character.is_control() || character.is_whitespace())
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web {
        Ok(text.to_owned())
    } else {
        Err(Error::bad_input(
            "url",
            format!("A URL is http or https and has at most {MAX_URL_BYTES} bytes."),
        ))
    }
}

/// The id of a post that is to be opened.
pub(super) fn new_post_id(text: &str) -> Result<PostId, Error> {
    PostId::parse(text)
        .ok_or_else(|| Error::bad_input("id", "A post's id is 1 to 128 of A-Z a-z 0-9 . _ ~ : / -"))
}

/// The id of a post that should exist. What cannot be an id names no post.
pub(super) fn post_id(text: &str) -> Result<PostId, Error> {
    PostId::parse(text).ok_or(Error::NotFound(Kind::Post))
}

/// The id of a comment that should exist. What cannot be an id names no comment.
pub(super) fn comment_id(text: &str) -> Result<CommentId, Error> {
    CommentId::parse(text).ok_or(Error::NotFound(Kind::Comment))
}

/// The id of a user, who need not have been here.
pub(super) fn user_id(text: &str) -> Result<UserId, Error> {
    UserId::parse(text)
        .ok_or_else(|| Error::bad_input("userId", "A user's id is 1 to 255 bytes, none of them 0."))
}

/// The reason of a ban, trimmed; none where nothing is left.
pub(super) fn reason(text: &str) -> Result<Option<String>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    text_of("reason", "A reason", text, MAX_REASON_CHARS).map(Some)
}

fn text_of(field: &'static str, what: &str, text: &str, longest: usize) -> Result<String, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 {
        return Err(Error::bad_input(
            field,
            format!("{what} must not be empty."),
        ));
    }
    if length > longest {
        return Err(Error::bad_input(
            field,
            format!("{what} has at most {longest} characters; this has {length}."),
        ));
    }
    if text.contains('\0') {
        return Err(Error::bad_input(
            field,
            format!("{what} must not contain U+0000."),
        ));
    }
    Ok(text.to_owned())
}
