//! Joining a post's room, and the position at which a subscriber starts.

use super::{
    origin::Origin,
    progress::{LastState, Progress},
    topic::{SubscribeOptions, Topic},
};
use crate::{
    error::{Error, Kind},
    metrics::FeedMetrics,
    model::{PostId, Seq},
    rooms::{Hub, Membership, Participant, RoomId, Typists},
    store::Store,
};

/// A member of a post's room that is about to subscribe. Dropping it leaves the room.
#[derive(Debug)]
pub struct Joined {
    pub(super) membership: Membership,
    pub(super) topic: Topic,
    pub(super) progress: Progress,
    pub(super) excluded: Option<Origin>,
}

impl Joined {
    /// Returns the id of the joined room.
    pub fn room(&self) -> RoomId {
        self.membership.listener().room()
    }
}

/// A handle on the feeds of all posts. A clone is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Feed {
    hub: Hub,
    pub(super) store: Store,
    pub(super) page: u64,
    pub(super) metrics: FeedMetrics,
}

impl Feed {
    /// Creates a handle on the live changes of `hub` and the log of `store`. Each subscriber that
    /// catches up reads `page` comments at a time, and holds no more of them in memory.
    pub fn new(hub: Hub, store: Store, page: u64) -> Self {
        Self {
            hub,
            store,
            page,
            metrics: FeedMetrics::default(),
        }
    }

    /// Sets the metrics to record into.
    #[must_use]
    pub fn measured(self, metrics: FeedMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Takes the visitor into the room of a post. The membership ends when the result is dropped,
    /// or the subscription that is made of it.
    ///
    /// The store is asked only until the room knows the head of its feed. After that, the post is
    /// known to exist.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such post, and `BadUserInput` if `after` is beyond the end
    /// of the feed.
    pub async fn join(
        &self,
        post: &PostId,
        visitor: &Participant,
        options: SubscribeOptions,
    ) -> Result<Joined, Error> {
        let (filter, after, include_own) = match options {
            SubscribeOptions::Changes {
                filter,
                after,
                include_own,
            } => (filter, after, include_own),
            SubscribeOptions::Viewers => {
                let membership = self.hub.join(post, visitor);
                self.establish(post, &membership).await?;
                return Ok(Joined {
                    membership,
                    topic: Topic::Viewers,
                    progress: Progress::none(LastState::Viewers(None)),
                    excluded: None,
                });
            }
            SubscribeOptions::Typing => {
                let membership = self.hub.join(post, visitor);
                self.establish(post, &membership).await?;
                let user = visitor.user.as_ref();
                return Ok(Joined {
                    membership,
                    topic: Topic::Typing,
                    progress: Progress::none(LastState::Typists(Typists::default())),
                    excluded: user.map(|user| Origin::User(user.id.clone())),
                });
            }
        };
        // The order matters: read the head, join, then read the head again. A change that is
        // committed in between may have been published before the room had a member, so it is
        // read from the store. If the room knows its head, it has sent everything up to it, and
        // will send everything after it.
        let before = match self.hub.head(post) {
            Some(head) => head,
            None => self.stored_head(post).await?,
        };
        let membership = self.hub.join(post, visitor);
        let joined_at = membership.head();
        let head = self.establish(post, &membership).await?;
        let start = after.unwrap_or_else(|| joined_at.unwrap_or(before));
        if start > head {
            // The store may be ahead of the room by changes that are not published yet.
            let stored = self.stored_head(post).await?;
            if start > stored {
                return Err(Error::bad_input(
                    "after",
                    "The post's feed has not come to this cursor.",
                ));
            }
        }
        Ok(Joined {
            membership,
            topic: Topic::Changes(filter),
            progress: Progress::changes(start.0),
            excluded: (!include_own).then(|| Origin::Client(visitor.client.clone())),
        })
    }

    /// Returns the head of the room's feed. If the room does not know it yet, reads it from the
    /// store and sets it.
    async fn establish(&self, post: &PostId, membership: &Membership) -> Result<Seq, Error> {
        match membership.head() {
            Some(head) => Ok(head),
            None => {
                let seq = self.stored_head(post).await?;
                membership.establish(seq);
                Ok(membership.head().unwrap_or(seq))
            }
        }
    }

    async fn stored_head(&self, post: &PostId) -> Result<Seq, Error> {
        self.store
            .seq(post)
            .await?
            .ok_or(Error::NotFound(Kind::Post))
    }
}
