//! Cursors: the public form of a place in a feed.
//!
//! A cursor is base64url of one byte of version, seven of seq, and a checksum over both and the
//! post's id. It stays the same after a restart. The checksum is no secret: it finds cursors of
//! other posts, and ones that were truncated or made up.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::Error,
    model::{PostId, Seq},
};

const VERSION: u8 = 1;

/// A place in one post's feed of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(String);

/// A place in one post's feed of changes. It is opaque: store it, compare it only for equality, and
/// send it back as `after`. It stays valid when the server restarts.
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
    pub(crate) fn new(post: &PostId, seq: Seq) -> Self {
        Self(encode(post, seq))
    }
}

/// Encodes a place as a cursor.
pub(crate) fn encode(post: &PostId, seq: Seq) -> String {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&seq.0.to_be_bytes());
    bytes[0] = VERSION;
    let checksum = checksum(post, &bytes[..8]);
    bytes[8..].copy_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a cursor; `BadUserInput` for `after` if it is not one of this post.
pub(crate) fn decode(post: &PostId, text: &str) -> Result<Seq, Error> {
    let invalid = || Error::bad_input("after", "This is not a cursor of this post.");
    let mut bytes = [0; 12];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(12) if bytes[0] == VERSION && bytes[8..] == checksum(post, &bytes[..8]) => {}
        _ => return Err(invalid()),
    }
    let mut seq = [0; 8];
    seq[1..].copy_from_slice(&bytes[1..8]);
    Ok(Seq(i64::from_be_bytes(seq)))
}

fn checksum(post: &PostId, place: &[u8]) -> [u8; 4] {
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

    #[test]
    fn cursor_is_decoded_and_the_same_in_every_version() {
        for seq in [0, 1, 255, 1 << 40] {
            let text = encode(&post("p"), Seq(seq));
            assert_eq!(decode(&post("p"), &text).unwrap(), Seq(seq));
        }
        // Clients keep cursors for as long as they like: this text must stay readable.
        assert_eq!(encode(&post("hello"), Seq(42)), "AQAAAAAAACruqzOV");
    }

    #[test]
    fn malformed_or_foreign_cursor_is_refused() {
        let good = encode(&post("p"), Seq(7));
        for bad in [
            "",
            "x",
            "42",
            &good[1..],
            &format!("{good}A"),
            "AQAAAAAAAAAAAAAA",
            "åäö",
        ] {
            assert!(decode(&post("p"), bad).is_err(), "{bad}");
        }
        assert!(decode(&post("q"), &good).is_err());
        let other = encode(&post("p"), Seq(8));
        let mixed = format!("{}{}", &other[..11], &good[11..]);
        assert!(decode(&post("p"), &mixed).is_err());
    }
}
