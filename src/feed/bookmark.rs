//! Places in feeds, as clients name them.

use std::fmt::Debug;

use crate::{
    error::Error,
    model::{PostId, Seq},
    store::Store,
};

/// A place in a feed, as a client names it. It says of which post it is, and not which id the post has now.
pub trait Bookmark: Debug + Send + Sync {
    /// Returns the position in the feed of the post with this id.
    ///
    /// # Errors
    ///
    /// Returns `BadUserInput` if it is a place of another post, and `CursorExpired` if it is one of another
    /// epoch.
    fn seq(&self, post: &PostId) -> Result<Seq, Error>;
}

impl Bookmark for Seq {
    fn seq(&self, _: &PostId) -> Result<Seq, Error> {
        Ok(*self)
    }
}

/// Returns the position of `bookmark` in the feed of the post that has this id now.
///
/// # Errors
///
/// Fails as [`Bookmark::seq`] does. Returns `CursorExpired` if the bookmark is of an id that the post had
/// before it was moved.
pub async fn position(store: &Store, post: &PostId, bookmark: &dyn Bookmark) -> Result<Seq, Error> {
    let error = match bookmark.seq(post) {
        Err(error @ Error::BadUserInput { .. }) => error,
        known => return known,
    };
    let is_of = |id: &PostId| !matches!(bookmark.seq(id), Err(Error::BadUserInput { .. }));
    if store.old_ids(post).await?.iter().any(is_of) {
        Err(Error::CursorExpired)
    } else {
        Err(error)
    }
}
