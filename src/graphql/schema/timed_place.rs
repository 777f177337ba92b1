//! Cursors of lists by time: a time, and the id that orders items of the same millisecond.

use std::fmt::Display;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{error::Error, model::Timestamp};

/// Encodes a place in a list by time.
pub(super) fn encode(at: Timestamp, id: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", at.0))
}

/// Decodes a place in a list by time, whose ids `parse` reads.
///
/// # Errors
///
/// Returns `BadUserInput` for `after` if it is no such place.
pub(super) fn decode<Id>(
    text: &str,
    parse: impl FnOnce(&str) -> Option<Id>,
) -> Result<(Timestamp, Id), Error> {
    let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let (at, id) = text.split_once(':')?;
        Some((Timestamp(at.parse().ok()?), parse(id)?))
    });
    place.ok_or_else(|| Error::bad_input("after", "This is not a cursor of this list."))
}
