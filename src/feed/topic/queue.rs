//! The lengths of the lists that wait for moderators: the current value, then each new one.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Place, Received, Relation, Request, Step, Topic};
use crate::{
    error::Error,
    feed::{
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        store_page::StorePage,
    },
    model::{QueueStatus, Role},
    rooms::{Hub, Participant, RoomId},
    store::Store,
};

/// The room of the lists. No hub creates it.
const ROOM: RoomId = RoomId::new(u64::MAX);
/// Minimum time between two values.
const WINDOW: Duration = Duration::from_millis(250);
/// Time after which the lists are read again, because an announcement of another node may be lost.
const REREAD_INTERVAL: Duration = Duration::from_secs(5);
/// Delay before the lists are read again that could not be read.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A request for the lengths of the lists that wait for moderators.
#[derive(Clone, Copy, Debug)]
pub struct QueueRequest;

/// The lengths of the lists that wait for moderators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue;

/// The hub that announces changes, and the store that has the lists.
#[derive(Clone, Debug)]
pub struct QueueSource {
    hub: Hub,
    store: Store,
}

/// The receiver of announcements.
#[derive(Debug)]
pub struct QueueReceiver {
    hub: Hub,
    store: Store,
    changes: watch::Receiver<u64>,
    /// Time before which no value is sent.
    next: Instant,
    /// The value that was received last.
    last: Option<QueueStatus>,
}

impl Request for QueueRequest {
    type Topic = Queue;

    /// # Errors
    ///
    /// Returns `Unauthenticated` without a user, and `Forbidden` unless the user is a moderator.
    async fn join(self, feed: &Feed, participant: &Participant) -> Result<Joined<Queue>, Error> {
        let user = participant.user.as_ref().ok_or(Error::Unauthenticated)?;
        if user.role < Role::Moderator {
            return Err(Error::ROLE);
        }
        let source = QueueSource {
            hub: feed.hub.clone(),
            store: feed.store.clone(),
        };
        let start = Progress::none(None);
        Ok(Joined::new(Queue, ROOM, source, (), start, None))
    }
}

impl Topic for Queue {
    type Event = QueueStatus;
    /// The value that was sent last.
    type State = Option<QueueStatus>;
    type Source = QueueSource;
    type Receiver = QueueReceiver;
    type Scan = ();

    const IS_LOG: bool = false;

    fn receiver(
        &self,
        source: &QueueSource,
    ) -> Result<(QueueReceiver, Progress<Option<QueueStatus>>), Error> {
        let mut changes = source.hub.queue_changes();
        let position = position(*changes.borrow_and_update());
        let receiver = QueueReceiver {
            hub: source.hub.clone(),
            store: source.store.clone(),
            changes,
            next: Instant::now(),
            last: None,
        };
        let state = None;
        Ok((receiver, Progress { position, state }))
    }

    async fn receive(&self, receiver: &mut QueueReceiver) -> Option<Received<Self>> {
        if timeout(REREAD_INTERVAL, receiver.changes.changed())
            .await
            .is_err()
        {
            // Each value that was read has a position of its own.
            receiver.hub.announce_queue();
        }
        sleep_until(receiver.next).await;
        receiver.next = Instant::now() + WINDOW;
        loop {
            let position = position(*receiver.changes.borrow_and_update());
            match receiver.store.moderation_queue().await {
                Ok(status) => {
                    let state = Some(status);
                    let progress = Progress { position, state };
                    let last = receiver.last.replace(status);
                    let step = Step::of_value(progress, &last, status);
                    return Some(Received::Steps(vec![step]));
                }
                Err(error) => tracing::warn!(?error, "failed to read the queue, retrying"),
            }
            sleep(RETRY_DELAY).await;
        }
    }

    async fn catch_up(
        &self,
        page: &StorePage<'_>,
        source: &QueueSource,
        from: &Progress<Option<QueueStatus>>,
        _: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let position = position(*source.hub.queue_changes().borrow());
        let status = page.store.moderation_queue().await?;
        let state = Some(status);
        let progress = Progress { position, state };
        Ok(vec![Step::of_value(progress, &from.state, status)])
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(
        known: &Progress<Option<QueueStatus>>,
        update: &Progress<Option<QueueStatus>>,
    ) -> Relation {
        Relation::of_value(known, update)
    }
}

/// Returns the position after `changes` announcements.
fn position(changes: u64) -> i64 {
    i64::try_from(changes).unwrap_or(i64::MAX)
}
