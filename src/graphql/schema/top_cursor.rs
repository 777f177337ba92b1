//! Cursors of lists by score. They are places of comments in one post's list, as [`cursor`](super::cursor) has
//! those of its feed, with the score.

use async_graphql::Context;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::cursor::{VERSION, bytes_of, checksum};
use crate::{
    error::Error,
    feed::{self, Bookmark},
    graphql::context::ContextExt,
    model::{Epoch, PostId, Seq},
    store::TopPlace,
};

/// The kind of a list by score.
const TOP: u8 = 2;
/// The number of bytes before the checksum.
const PLACE: usize = 22;

/// A cursor that a client sent back.
#[derive(Debug)]
struct ClientCursor<'a> {
    epoch: Epoch,
    text: &'a str,
}

impl Bookmark for ClientCursor<'_> {
    fn seq(&self, post: &PostId) -> Result<Seq, Error> {
        decode(self.epoch, post, self.text).map(|place| place.added)
    }
}

/// Reads the argument `after` of a list of the post's comments by score.
///
/// # Errors
///
/// Fails as [`feed::position`] does.
pub(super) async fn after(
    context: &Context<'_>,
    post: &PostId,
    after: Option<&str>,
) -> Result<Option<TopPlace>, Error> {
    let Some(text) = after else { return Ok(None) };
    let epoch = context.epoch();
    feed::position(context.store(), post, &ClientCursor { epoch, text }).await?;
    decode(epoch, post, text).map(Some)
}

/// Encodes a place as a cursor.
pub(super) fn encode(Epoch(epoch): Epoch, post: &PostId, place: TopPlace) -> String {
    let mut bytes = [0; PLACE + 4];
    bytes[0] = VERSION;
    bytes[1] = TOP;
    bytes[2..6].copy_from_slice(&epoch.to_be_bytes());
    bytes[6..14].copy_from_slice(&place.added.0.to_be_bytes());
    bytes[14..PLACE].copy_from_slice(&place.score.to_be_bytes());
    let checksum = checksum(post, &bytes[..PLACE]);
    bytes[PLACE..].copy_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a cursor of this post's list that was issued in `epoch`.
///
/// # Errors
///
/// Returns `BadUserInput` for `after` if it is no such cursor, and `CursorExpired` if it is one of another
/// epoch.
fn decode(epoch: Epoch, post: &PostId, text: &str) -> Result<TopPlace, Error> {
    let (issued_in, place) = place(post, text)
        .ok_or_else(|| Error::bad_input("after", "This is not a cursor of this list."))?;
    if issued_in == epoch {
        Ok(place)
    } else {
        Err(Error::CursorExpired)
    }
}

fn place(post: &PostId, text: &str) -> Option<(Epoch, TopPlace)> {
    let bytes: [u8; PLACE + 4] = bytes_of(text)?;
    let (place, sum) = bytes.split_at(PLACE);
    let is_place = place[..2] == [VERSION, TOP] && sum == checksum(post, place);
    let epoch = u32::from_be_bytes(place[2..6].try_into().ok()?);
    let added = Seq(i64::from_be_bytes(place[6..14].try_into().ok()?));
    let score = i64::from_be_bytes(place[14..].try_into().ok()?);
    is_place.then_some((Epoch(epoch), TopPlace { score, added }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::schema::cursor;

    fn post(id: &str) -> PostId {
        PostId::parse(id).unwrap()
    }

    #[test]
    fn place_survives_a_round_trip() {
        for (score, added) in [(0, 1), (-3, 1 << 40), (i64::MIN, i64::MAX)] {
            let place = TopPlace {
                score,
                added: Seq(added),
            };
            let text = encode(Epoch(7), &post("p"), place);
            assert_eq!(decode(Epoch(7), &post("p"), &text).unwrap(), place);
            assert!(matches!(
                decode(Epoch(8), &post("p"), &text),
                Err(Error::CursorExpired)
            ));
        }
    }

    #[test]
    fn cursor_of_another_list_is_refused() {
        let place = TopPlace {
            score: 1,
            added: Seq(7),
        };
        let good = encode(Epoch::FIRST, &post("p"), place);
        for bad in [
            "",
            "x",
            &good[1..],
            &encode(Epoch::FIRST, &post("q"), place),
            &cursor::encode(Epoch::FIRST, &post("p"), Seq(7)),
        ] {
            let refused = decode(Epoch::FIRST, &post("p"), bad);
            assert!(matches!(refused, Err(Error::BadUserInput { .. })), "{bad}");
        }
        // Nor is it a place in the feed.
        let refused = cursor::decode(Epoch::FIRST, &post("p"), &good);
        assert!(matches!(refused, Err(Error::BadUserInput { .. })));
    }
}
