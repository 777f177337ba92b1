//! The contract's rules for input.

use url::Url;

use crate::{
    error::{Error, Kind},
    model::{
        CommentId, MAX_BODY_CHARS, MAX_NAME_CHARS, MAX_REASON_CHARS, MAX_TITLE_CHARS,
        MAX_URL_BYTES, PostId, UserId,
    },
};

/// Trims and checks a comment's text.
pub(crate) fn body(text: &str) -> Result<String, Error> {
    text_of("body", "A comment", text, MAX_BODY_CHARS)
}

/// Trims and checks a post's title.
pub(crate) fn title(text: &str) -> Result<String, Error> {
    text_of("title", "A title", text, MAX_TITLE_CHARS)
}

/// Trims and checks a guest's name.
pub(crate) fn name(text: &str) -> Result<String, Error> {
    text_of("name", "A name", text, MAX_NAME_CHARS)
}

/// Trims and checks a post's URL, http or https.
pub(crate) fn url(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let is_web = text.len() <= MAX_URL_BYTES
        // The parser accepts what browsers do: `https:a` too, and it skips control characters.
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

/// Checks the id of a post to be opened.
pub(crate) fn new_post_id(text: &str) -> Result<PostId, Error> {
    PostId::parse(text)
        .ok_or_else(|| Error::bad_input("id", "A post's id is 1 to 128 of A-Z a-z 0-9 . _ ~ : / -"))
}

/// Reads the id of a post; `NotFound` for text that cannot be an id.
pub(crate) fn post_id(text: &str) -> Result<PostId, Error> {
    PostId::parse(text).ok_or(Error::NotFound(Kind::Post))
}

/// Reads the id of a comment; `NotFound` for text that cannot be an id.
pub(crate) fn comment_id(text: &str) -> Result<CommentId, Error> {
    CommentId::parse(text).ok_or(Error::NotFound(Kind::Comment))
}

/// Reads the id of a user, who need not have been here.
pub(crate) fn user_id(text: &str) -> Result<UserId, Error> {
    UserId::parse(text)
        .ok_or_else(|| Error::bad_input("userId", "A user's id is 1 to 255 bytes, none of them 0."))
}

/// Trims and checks the reason of a ban. Returns `None` for white space.
pub(crate) fn reason(text: &str) -> Result<Option<String>, Error> {
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
