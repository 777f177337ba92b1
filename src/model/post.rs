//! Posts and their ids.

use super::{
    change::Seq, comment::CommentId, moderation::ModerationMode, shared_str::shared_str,
    timestamp::Timestamp,
};

/// Maximum length of a post's title, in characters after cleaning.
pub const MAX_TITLE_CHARS: usize = 300;

shared_str! {
    /// A post's id, chosen by the host site: 1 to 512 bytes without white space and control characters.
    ///
    /// Ids are compared byte by byte, so differently composed letters make different ids.
    PostId
}

impl PostId {
    /// Returns `None` if `text` is not a valid post id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_excluded = |character: char| character.is_whitespace() || character.is_control();
        let is_id = (1..=512).contains(&text.len()) && !text.contains(is_excluded);
        is_id.then(|| Self(text.into()))
    }
}

/// A page that can be commented on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The id that the host site gave it.
    pub id: PostId,
    /// The title that the host site gave it.
    pub title: String,
    /// The page's address, http or https.
    pub url: Option<String>,
    /// Time at which the post was opened for comments.
    pub created_at: Timestamp,
    /// Number of comments that are not deleted.
    pub comment_count: i64,
    /// Position of the latest change in the post's feed.
    pub seq: Seq,
    /// Number of commits that changed anything public of the post.
    pub version: i64,
    /// Version at the latest change of its details: title, URL, state, moderation and pin.
    pub detail_version: i64,
    /// True if new comments are taken.
    pub is_open: bool,
    /// The comments that wait for a moderator. `None`: as the server's setting says.
    pub moderation: Option<ModerationMode>,
    /// The pinned comment.
    pub pinned: Option<CommentId>,
    /// Time at which the newest published comment was published.
    pub last_comment_at: Option<Timestamp>,
}

impl Post {
    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let url = self.url.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.id.as_str().len() + self.title.len() + url
    }
}
