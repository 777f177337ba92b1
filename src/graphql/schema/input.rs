//! The contract's rules for input.

use std::time::Duration;

use async_graphql::ID;

use crate::{
    error::{Error, Kind},
    model::{
        CommentId, MAX_BODY_CHARS, MAX_NOTE_CHARS, MAX_REASON_CHARS, MAX_TITLE_CHARS, PostId,
        UserId,
    },
    text::{self, MAX_URL_BYTES},
};

/// Maximum number of posts that a request names.
const MAX_POSTS: usize = 100;
/// Maximum length of the text of a search, in characters.
const MAX_SEARCH_CHARS: usize = 200;
/// Minimum time for which addresses are banned.
const MIN_BAN_TIME: Duration = Duration::from_secs(1);
/// Maximum time for which addresses are banned.
const MAX_BAN_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Cleans and checks a comment's text.
pub(crate) fn body(text: &str) -> Result<String, Error> {
    let text = text::paragraphs(text).map(|text| match text.chars().count() {
        // A text that fits without its indentation is not refused for it.
        length if length > MAX_BODY_CHARS => text.trim_start(),
        _ => text,
    });
    checked("body", "A comment", text, MAX_BODY_CHARS).map(str::to_owned)
}

/// Cleans and checks a post's title.
pub(crate) fn title(text: &str) -> Result<String, Error> {
    checked("title", "A title", text::line(text), MAX_TITLE_CHARS)
}

/// Cleans and checks a guest's name.
pub(crate) fn name(text: &str) -> Result<String, Error> {
    visible("name", "A name", text::name(text))
}

/// Checks a post's URL, http or https, and returns it in its serialized form.
pub(crate) fn url(text: &str) -> Result<String, Error> {
    let text = text.trim();
    // The parser accepts what browsers do: `https:a` too, and it skips control characters.
    let is_written_out = text.contains("://")
        && !text.contains(|character: char| character.is_control() || character.is_whitespace());
    let url = is_written_out.then(|| text::web_url(text)).flatten();
    url.ok_or_else(|| {
        Error::bad_input(
            "url",
            format!("A URL is http or https and has at most {MAX_URL_BYTES} bytes."),
        )
    })
}

/// Checks the id that a post is to have.
pub(crate) fn new_post_id(field: &'static str, text: &str) -> Result<PostId, Error> {
    PostId::parse(text).ok_or_else(|| {
        let rule = "A post's id is 1 to 512 bytes without white space and control characters.";
        Error::bad_input(field, rule)
    })
}

/// Reads the id of a post; `NotFound` for text that cannot be an id.
pub(crate) fn post_id(text: &str) -> Result<PostId, Error> {
    PostId::parse(text).ok_or(Error::NotFound(Kind::Post))
}

/// Reads the ids of posts; `None` for text that cannot be an id.
pub(crate) fn post_ids(ids: &[ID]) -> Result<Vec<Option<PostId>>, Error> {
    if ids.len() > MAX_POSTS {
        let message = format!(
            "There are at most {MAX_POSTS} ids; these are {}.",
            ids.len()
        );
        return Err(Error::bad_input("ids", message));
    }
    Ok(ids.iter().map(|id| PostId::parse(id)).collect())
}

/// Reads the id of a comment; `NotFound` for text that cannot be an id.
pub(crate) fn comment_id(text: &str) -> Result<CommentId, Error> {
    CommentId::parse(text).ok_or(Error::NotFound(Kind::Comment))
}

/// Reads the id of a user, who need not have been here.
pub(crate) fn user_id(text: &str) -> Result<UserId, Error> {
    let refusal = || Error::bad_input("userId", format!("A user's id {}.", UserId::RULE));
    UserId::parse(text).ok_or_else(refusal)
}

/// Cleans and checks the reason of a ban. Returns `None` if nothing of it is visible.
pub(crate) fn reason(text: &str) -> Result<Option<String>, Error> {
    remark("reason", "A reason", text, MAX_REASON_CHARS)
}

/// Checks the seconds for which addresses are banned.
pub(crate) fn ban_time(seconds: i32) -> Result<Duration, Error> {
    let time = u64::try_from(seconds).map(Duration::from_secs);
    let time = time
        .ok()
        .filter(|time| (MIN_BAN_TIME..=MAX_BAN_TIME).contains(time));
    time.ok_or_else(|| {
        let (min, max) = (MIN_BAN_TIME.as_secs(), MAX_BAN_TIME.as_secs());
        let message = format!("Addresses are banned for {min} to {max} seconds.");
        Error::bad_input("banAddressFor", message)
    })
}

/// Cleans and checks the note of a report. Returns `None` if nothing of it is visible.
pub(crate) fn note(text: &str) -> Result<Option<String>, Error> {
    remark("note", "A note", text, MAX_NOTE_CHARS)
}

/// Checks the text of a search.
pub(crate) fn search(text: &str) -> Result<String, Error> {
    let text = Some(text).filter(|text| !text.is_empty());
    checked("search", "A search", text, MAX_SEARCH_CHARS).map(str::to_owned)
}

/// Checks the beginning of names, which may be empty.
pub(crate) fn beginning(text: String) -> Result<String, Error> {
    if text.chars().count() > MAX_SEARCH_CHARS {
        let message = format!("A search has at most {MAX_SEARCH_CHARS} characters.");
        return Err(Error::bad_input("search", message));
    }
    Ok(text)
}

/// Refuses `None`, the cleaned form of a text without a visible character.
fn visible<T>(field: &'static str, what: &str, text: Option<T>) -> Result<T, Error> {
    let refusal = || Error::bad_input(field, format!("{what} must have a visible character."));
    text.ok_or_else(refusal)
}

/// Cleans and checks a text that may be left out.
fn remark(
    field: &'static str,
    what: &str,
    text: &str,
    longest: usize,
) -> Result<Option<String>, Error> {
    let Some(text) = text::paragraphs(text) else {
        return Ok(None);
    };
    let text = checked(field, what, Some(text.trim_start()), longest)?;
    Ok(Some(text.to_owned()))
}

/// Checks the length of a cleaned text; `None` is one without a visible character.
fn checked<T: AsRef<str>>(
    field: &'static str,
    what: &str,
    text: Option<T>,
    longest: usize,
) -> Result<T, Error> {
    let refusal = |rule: &str| Error::bad_input(field, format!("{what} {rule}"));
    let text = visible(field, what, text)?;
    let length = text.as_ref().chars().count();
    if length > longest {
        return Err(refusal(&format!(
            "has at most {longest} characters; this has {length}."
        )));
    }
    // PostgreSQL cannot store it.
    if text.as_ref().contains('\0') {
        return Err(refusal("must not contain U+0000."));
    }
    Ok(text)
}
