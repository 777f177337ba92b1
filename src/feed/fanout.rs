//! The fan-out of a room's events to a subscriber group.

use std::sync::{Arc, Weak};

use super::{
    Event,
    batch::Update,
    origin::Origin,
    progress::{LastState, Progress},
    render_error::RenderError,
    subscriber_group::SubscriberGroup,
    topic::{ChangeFilter, Topic},
};
use crate::{
    error::Error,
    model::{Change, ChangeKind, Seq},
    rooms::{Changes, FeedEvent, Listener, Published, Typists, Values, differences},
};

/// Maximum number of changes in one batch. A batch is one write to each connection.
const MAX_BATCH: usize = 16;

/// The receiver of the events of a room that concern one topic.
pub(super) enum Fanout {
    Changes(ChangeFilter, Changes),
    Viewers(Values<usize>),
    Typing(Values<Typists>),
}

/// Events that were received together.
enum Received {
    Changes(Vec<Arc<Change>>),
    /// The room missed all changes up to this seq.
    Missed(Seq),
    Viewers(Published<usize>),
    Typing(Published<Typists>),
}

impl Fanout {
    /// Subscribes to a topic of the room. Returns the receiver, and the progress of a subscriber
    /// that needs nothing but its events.
    pub(super) fn new(listener: &Listener, topic: Topic) -> Result<(Self, Progress), Error> {
        Ok(match topic {
            Topic::Changes(filter) => {
                let changes = listener.changes().ok_or_else(|| {
                    Error::Internal("a room was listened to before it was established".into())
                })?;
                let progress = Progress::changes(changes.head().0);
                (Self::Changes(filter, changes), progress)
            }
            Topic::Viewers => {
                let mut counts = listener.counts();
                let progress = Progress::viewers(counts.current());
                (Self::Viewers(counts), progress)
            }
            Topic::Typing => {
                let mut typists = listener.typists();
                let progress = Progress::typists(typists.current());
                (Self::Typing(typists), progress)
            }
        })
    }

    /// Delivers events to the group until it is dropped or the room ends.
    pub(super) async fn run(mut self, group: Weak<SubscriberGroup>) {
        let mut pending = None;
        loop {
            let received = match pending.take() {
                Some(received) => received,
                None => match self.receive(&mut pending).await {
                    Some(received) => received,
                    None => return,
                },
            };
            let Some(group) = group.upgrade() else {
                return;
            };
            self.deliver(&group, received).await;
        }
    }

    /// Receives the next events. If a gap follows the changes, it is left in `pending`. Returns
    /// `None` when the room ends.
    async fn receive(&mut self, pending: &mut Option<Received>) -> Option<Received> {
        match self {
            Self::Changes(_, changes) => {
                let first = match changes.next().await? {
                    FeedEvent::Change(change) => change,
                    FeedEvent::Missed(seq) => return Some(Received::Missed(seq)),
                };
                let mut received = vec![first];
                while received.len() < MAX_BATCH {
                    match changes.ready() {
                        Some(FeedEvent::Change(change)) => received.push(change),
                        Some(FeedEvent::Missed(seq)) => {
                            *pending = Some(Received::Missed(seq));
                            break;
                        }
                        None => break,
                    }
                }
                Some(Received::Changes(received))
            }
            Self::Viewers(counts) => counts.next().await.map(Received::Viewers),
            Self::Typing(typists) => typists.next().await.map(Received::Typing),
        }
    }

    async fn deliver(&self, group: &Arc<SubscriberGroup>, received: Received) {
        let progress = group.progress();
        match received {
            Received::Missed(seq) => group.catch_up_to(seq.0),
            Received::Changes(changes) => {
                let mut updates = Vec::with_capacity(changes.len());
                let mut position = progress.position;
                for change in changes {
                    if change.seq.0 <= position {
                        continue;
                    }
                    if change.seq.0 > position + 1 {
                        // The room's ring buffer has overwritten changes that this task did not
                        // receive yet.
                        if !updates.is_empty() {
                            group.deliver(std::mem::take(&mut updates)).await;
                        }
                        group.catch_up_to(change.seq.0 - 1);
                    }
                    position = change.seq.0;
                    match self.render(group, change).await {
                        Ok(update) => updates.push(update),
                        Err(error) => return group.fail(error),
                    }
                }
                if !updates.is_empty() {
                    group.deliver(updates).await;
                }
            }
            Received::Viewers(count) => {
                let payload = match group.render.render(Event::Viewers(count.value)).await {
                    Ok(payload) => payload,
                    Err(error) => return group.fail(error),
                };
                let update = Update::shown(Progress::viewers(count), payload, None);
                group.deliver(vec![update]).await;
            }
            Received::Typing(typists) => {
                let LastState::Typists(before) = &progress.state else {
                    return;
                };
                match render_typing(group, progress.position, before, typists).await {
                    Ok(updates) => group.deliver(updates).await,
                    Err(error) => group.fail(error),
                }
            }
        }
    }

    /// Renders a change, if the topic shows it.
    async fn render(
        &self,
        group: &SubscriberGroup,
        change: Arc<Change>,
    ) -> Result<Update, RenderError> {
        let progress = Progress::changes(change.seq.0);
        let is_shown = match self {
            Self::Changes(ChangeFilter::Additions, _) => change.kind == ChangeKind::Added,
            _ => true,
        };
        if !is_shown {
            return Ok(Update::hidden(progress));
        }
        let origin = change.origin.clone().map(Origin::Client);
        let payload = group.render.render(Event::Change(change)).await?;
        Ok(Update::shown(progress, payload, origin))
    }
}

/// Renders the differences between `before` and `typists`, one update a user. Updates before the
/// last keep `position`, so a subscriber that took only these still gets the rest.
async fn render_typing(
    group: &SubscriberGroup,
    position: i64,
    before: &Typists,
    typists: Published<Typists>,
) -> Result<Vec<Update>, RenderError> {
    let mut users = before.to_vec();
    let mut updates = Vec::new();
    for event in differences(before, &typists.value) {
        let origin = Origin::User(event.user.id.clone());
        users.retain(|user| user.id != event.user.id);
        if event.is_typing {
            users.push(event.user.clone());
        }
        let event = Event::Typing(group.listener.post().clone(), event);
        let payload = group.render.render(event).await?;
        let progress = Progress {
            position,
            state: LastState::Typists(users.as_slice().into()),
        };
        updates.push(Update::shown(progress, payload, Some(origin)));
    }
    let progress = Progress::typists(typists);
    match updates.last_mut() {
        Some(last) => last.progress = progress,
        None => updates.push(Update::hidden(progress)),
    }
    Ok(updates)
}
