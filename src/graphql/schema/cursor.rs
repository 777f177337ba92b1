//! Cursors: the public form of a place in a feed.
//!
//! A cursor is base64url of a byte of version, a byte for the kind of its feed, four bytes of epoch, eight of
//! seq, and a checksum over all of these and the feed's id. It stays the same after a restart. The checksum
//! is no secret: it finds cursors of other feeds, and ones that were truncated or made up.

use async_graphql::{Context, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::Error,
    feed::{self, Bookmark},
    graphql::context::ContextExt,
    model::{Epoch, PostId, Seq},
};

pub(super) const VERSION: u8 = 2;
/// The kind of a post's feed.
const POST: u8 = 1;
/// The number of bytes before the checksum.
const PLACE: usize = 14;

/// A place in one post's feed of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(String);

/// A place in one post's feed of changes. It is opaque: store it, compare it only for equality, and
/// send it back as `after`. It stays valid when the server restarts. CURSOR_EXPIRED: the post
/// was moved since, or the database was restored from a backup; query again.
#[Scalar(name = "Cursor")]
impl ScalarType for Cursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl Cursor {
    /// Creates the cursor of a place.
    pub(crate) fn new(epoch: Epoch, post: &PostId, seq: Seq) -> Self {
        Self(encode(epoch, post, seq))
    }
}

/// A cursor that a client sent back.
#[derive(Clone, Debug)]
pub(super) struct ClientCursor {
    /// The epoch in which it must have been issued.
    pub(super) epoch: Epoch,
    /// The text.
    pub(super) text: String,
}

impl Bookmark for ClientCursor {
    fn seq(&self, post: &PostId) -> Result<Seq, Error> {
        decode(self.epoch, post, &self.text)
    }
}

/// Reads the argument `after` of a list of the post's comments.
///
/// # Errors
///
/// Fails as [`feed::position`] does.
pub(super) async fn after(
    context: &Context<'_>,
    post: &PostId,
    after: Option<&str>,
) -> Result<Option<Seq>, Error> {
    let Some(text) = after else { return Ok(None) };
    let cursor = ClientCursor {
        epoch: context.epoch(),
        text: text.to_owned(),
    };
    let position = feed::position(context.store(), post, &cursor);
    position.await.map(Some)
}

/// Encodes a place as a cursor.
pub(crate) fn encode(Epoch(epoch): Epoch, post: &PostId, Seq(seq): Seq) -> String {
    let mut bytes = [0; PLACE + 4];
    bytes[0] = VERSION;
    bytes[1] = POST;
    bytes[2..6].copy_from_slice(&epoch.to_be_bytes());
    bytes[6..PLACE].copy_from_slice(&seq.to_be_bytes());
    let checksum = checksum(post, &bytes[..PLACE]);
    bytes[PLACE..].copy_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a cursor of this post that was issued in `epoch`.
///
/// # Errors
///
/// Returns `BadUserInput` for `after` if it is not a cursor of this post, and `CursorExpired` if it is one
/// of another epoch.
pub(crate) fn decode(epoch: Epoch, post: &PostId, text: &str) -> Result<Seq, Error> {
    let place = place(post, text).or_else(|| old_place(post, text));
    let (issued_in, seq) =
        place.ok_or_else(|| Error::bad_input("after", "This is not a cursor of this post."))?;
    if issued_in == epoch {
        Ok(seq)
    } else {
        Err(Error::CursorExpired)
    }
}

fn place(post: &PostId, text: &str) -> Option<(Epoch, Seq)> {
    let bytes: [u8; PLACE + 4] = bytes_of(text)?;
    let (place, sum) = bytes.split_at(PLACE);
    let is_place = place[..2] == [VERSION, POST] && sum == checksum(post, place);
    let (epoch, seq) = place[2..].split_at(4);
    let seq = i64::from_be_bytes(seq.try_into().ok()?);
    let epoch = u32::from_be_bytes(epoch.try_into().ok()?);
    is_place.then_some((Epoch(epoch), Seq(seq)))
}

/// Decodes the first version: a byte of version, seven of seq, and a checksum. Clients keep cursors for as
/// long as they like.
fn old_place(post: &PostId, text: &str) -> Option<(Epoch, Seq)> {
    let bytes: [u8; 12] = bytes_of(text)?;
    let (place, sum) = bytes.split_at(8);
    let is_place = place[0] == 1 && sum == checksum(post, place);
    let mut seq = [0; 8];
    seq[1..].copy_from_slice(&place[1..]);
    is_place.then_some((Epoch::FIRST, Seq(i64::from_be_bytes(seq))))
}

pub(super) fn bytes_of<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == LENGTH).then_some(bytes)
}

pub(super) fn checksum(post: &PostId, place: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(post.as_str().as_bytes());
    hasher.update(place);
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: &str) -> PostId {
        PostId::parse(id).unwrap()
    }

    fn seq_of(text: &str) -> Result<Seq, Error> {
        decode(Epoch::FIRST, &post("p"), text)
    }

    #[test]
    fn cursor_of_any_version_is_decoded() {
        for seq in [0, 1, 255, 1 << 40, i64::MAX] {
            let text = encode(Epoch(7), &post("p"), Seq(seq));
            assert_eq!(decode(Epoch(7), &post("p"), &text).unwrap(), Seq(seq));
        }
        // These texts must stay readable.
        let hello = post("hello");
        for text in ["AQAAAAAAACruqzOV", "AgEAAAABAAAAAAAAAColBMCy"] {
            assert_eq!(
                decode(Epoch::FIRST, &hello, text).unwrap(),
                Seq(42),
                "{text}"
            );
        }
    }

    #[test]
    fn cursor_of_another_epoch_has_expired() {
        let restored = decode(Epoch(9), &post("hello"), "AQAAAAAAACruqzOV");
        assert!(matches!(restored, Err(Error::CursorExpired)));
        let text = encode(Epoch(9), &post("p"), Seq(7));
        assert!(matches!(seq_of(&text), Err(Error::CursorExpired)));
    }

    #[test]
    fn malformed_or_foreign_cursor_is_refused() {
        let good = encode(Epoch::FIRST, &post("p"), Seq(7));
        let other = encode(Epoch::FIRST, &post("p"), Seq(8));
        for bad in [
            "",
            "x",
            "42",
            &good[1..],
            &format!("{good}A"),
            "AQAAAAAAAAAAAAAA",
            "åäö",
            &encode(Epoch::FIRST, &post("q"), Seq(7)),
            &format!("{}{}", &other[..19], &good[19..]),
        ] {
            assert!(
                matches!(seq_of(bad), Err(Error::BadUserInput { .. })),
                "{bad}"
            );
        }
    }
}
