//! Joining a post's room, and where a subscriber begins.

use crate::{
    error::{Error, Kind},
    metrics::FeedMetrics,
    model::{ClientId, PostId, Seq, UserId},
    rooms::{Hub, Membership, Published, RoomId, Typists, Visitor},
    store::Store,
};

/// Which changes of a feed are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeFilter {
    /// Additions.
    Additions,
    /// Additions, edits and deletions.
    All,
}

/// What somebody wants to hear of a post.
#[derive(Clone, Copy, Debug)]
pub enum SubscribeOptions {
    /// The changes of its feed.
    Changes {
        /// Which of them.
        filter: ChangeFilter,
        /// Those behind this place; `None` for those from now on.
        after: Option<Seq>,
        /// Also those that the visitor's own client made.
        include_own: bool,
    },
    /// How many viewers there are: now, and whenever that changes.
    Viewers,
    /// Who is typing, besides the visitor.
    Typing,
}

/// What is heard of a post, the same for all of an group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Changes(ChangeFilter),
    Viewers,
    Typing,
}

/// Whose doings a subscriber is not told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Excluded {
    Nobody,
    Client(ClientId),
    User(UserId),
}

/// What a subscriber was given last.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// A seq of the feed, or the version of a published value: everything up to here was given, or
    /// was not to be given.
    pub(super) place: i64,
    pub(super) known: LastState,
}

/// What a subscriber takes to hold.
#[derive(Clone, Debug)]
pub(super) enum LastState {
    /// All changes up to the place.
    Changes,
    /// So many viewers; `None` before the first word.
    Viewers(Option<usize>),
    /// These type.
    Typists(Typists),
}

impl Progress {
    /// Nothing yet: what holds is behind it.
    fn nothing(known: LastState) -> Self {
        Self { place: -1, known }
    }

    /// This count of viewers.
    pub(super) fn count(count: Published<usize>) -> Self {
        Self {
            place: count.version,
            known: LastState::Viewers(Some(count.value)),
        }
    }

    /// These users typing.
    pub(super) fn typists(typists: Published<Typists>) -> Self {
        Self {
            place: typists.version,
            known: LastState::Typists(typists.value),
        }
    }
}

/// Somebody who is in a post's room and begins to hear of it.
#[derive(Debug)]
pub struct Joined {
    pub(super) membership: Membership,
    pub(super) topic: Topic,
    pub(super) seen: Progress,
    pub(super) excluded: Excluded,
}

impl Joined {
    /// Which room was joined.
    pub fn room(&self) -> RoomId {
        self.membership.listener().room()
    }
}

/// A handle on the feeds of all posts.
#[derive(Clone, Debug)]
pub struct Feed {
    hub: Hub,
    pub(super) store: Store,
    pub(super) page: u64,
    pub(super) metrics: FeedMetrics,
}

impl Feed {
    /// Joins what the hub delivers to what the store keeps. A subscriber who catches up reads
    /// `page` comments at a time, and holds no more of them in memory.
    pub fn new(hub: Hub, store: Store, page: u64) -> Self {
        Self {
            hub,
            store,
            page,
            metrics: FeedMetrics::default(),
        }
    }

    /// With what it is counted by.
    #[must_use]
    pub fn measured(self, metrics: FeedMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Takes the visitor into the room of a post. They are in the room for as long as what is
    /// returned lives, and what it turns into.
    ///
    /// `NotFound` where there is no such post, `BadUserInput` where `after` is a place that its
    /// feed has not reached. Where the room's feed is established the post is known to exist; only
    /// those who join before that ask the store.
    pub async fn join(
        &self,
        post: &PostId,
        visitor: &Visitor,
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
                    seen: Progress::nothing(LastState::Viewers(None)),
                    excluded: Excluded::Nobody,
                });
            }
            SubscribeOptions::Typing => {
                let membership = self.hub.join(post, visitor);
                self.establish(post, &membership).await?;
                let myself = visitor.user.as_ref().map(|user| user.id.clone());
                return Ok(Joined {
                    membership,
                    topic: Topic::Typing,
                    seen: Progress::nothing(LastState::Typists(Typists::default())),
                    excluded: myself.map_or(Excluded::Nobody, Excluded::User),
                });
            }
        };
        // The order matters. First look where the feed stands, then join, then look again: what
        // was committed in between was published while nobody was there to hear it, and is read.
        // Where the room knows, it has sent everything up to there, and will send all that comes
        // behind.
        let before = match self.hub.head(post) {
            Some(head) => head,
            None => self.stored(post).await?,
        };
        let membership = self.hub.join(post, visitor);
        let joined_at = membership.head();
        let head = self.establish(post, &membership).await?;
        let place = after.unwrap_or_else(|| joined_at.unwrap_or(before));
        if place > head {
            // The feed may be ahead of the room by changes whose publishing is under way.
            let stored = self.stored(post).await?;
            if place > stored {
                return Err(Error::bad_input(
                    "after",
                    "The post's feed has not come to this cursor.",
                ));
            }
        }
        Ok(Joined {
            membership,
            topic: Topic::Changes(filter),
            seen: Progress {
                place: place.0,
                known: LastState::Changes,
            },
            excluded: if include_own {
                Excluded::Nobody
            } else {
                Excluded::Client(visitor.client.clone())
            },
        })
    }

    /// Tells the room where the feed stands, where it does not know; returns where it stands now.
    async fn establish(&self, post: &PostId, membership: &Membership) -> Result<Seq, Error> {
        match membership.head() {
            Some(head) => Ok(head),
            None => {
                let seq = self.stored(post).await?;
                membership.establish(seq);
                Ok(membership.head().unwrap_or(seq))
            }
        }
    }

    async fn stored(&self, post: &PostId) -> Result<Seq, Error> {
        self.store
            .seq(post)
            .await?
            .ok_or(Error::NotFound(Kind::Post))
    }
}
