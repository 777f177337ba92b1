//! Listening to a room for a whole group.

use std::sync::{Arc, Weak};

use super::{
    Event,
    batch::{By, Shown, Update},
    join::{ChangeFilter, LastState, Progress, Topic},
    sink::RenderError,
    subscriber_group::SubscriberGroup,
};
use crate::{
    error::Error,
    model::{Change, ChangeKind, Seq},
    rooms::{Changes, Listener, Next, Published, Typists, Values, differences},
};

/// How many changes that came together are delivered together: so many messages are then one
/// write.
const MAX_TOGETHER: usize = 16;

/// What an group hears of its room.
pub(super) enum Fanout {
    Changes(ChangeFilter, Changes),
    Viewers(Values<usize>),
    Typing(Values<Typists>),
}

/// What came.
enum Received {
    Changes(Vec<Arc<Change>>),
    Missed(Seq),
    Viewers(Published<usize>),
    Typing(Published<Typists>),
}

impl Fanout {
    /// What is heard from now on of this topic, and what was to be seen before.
    pub(super) fn new(listener: &Listener, topic: Topic) -> Result<(Self, Progress), Error> {
        Ok(match topic {
            Topic::Changes(filter) => {
                let changes = listener.changes().ok_or_else(|| {
                    Error::Internal("a room was listened to before it was established".into())
                })?;
                let seen = Progress {
                    place: changes.head().0,
                    known: LastState::Changes,
                };
                (Self::Changes(filter, changes), seen)
            }
            Topic::Viewers => {
                let mut counts = listener.counts();
                let seen = Progress::count(counts.current());
                (Self::Viewers(counts), seen)
            }
            Topic::Typing => {
                let mut typists = listener.typists();
                let seen = Progress::typists(typists.current());
                (Self::Typing(typists), seen)
            }
        })
    }

    /// Hands what is heard to the group, until nobody is in it any more.
    pub(super) async fn drive(mut self, group: Weak<SubscriberGroup>) {
        let mut unheard = None;
        loop {
            let heard = match unheard.take() {
                Some(heard) => heard,
                None => match self.next(&mut unheard).await {
                    Some(heard) => heard,
                    None => return,
                },
            };
            let Some(group) = group.upgrade() else {
                return;
            };
            self.hand_over(&group, heard).await;
        }
    }

    /// What comes next. What cannot be handed over together with it is left in `unheard`.
    async fn next(&mut self, unheard: &mut Option<Received>) -> Option<Received> {
        match self {
            Self::Changes(_, changes) => {
                let first = match changes.next().await? {
                    Next::Change(change) => change,
                    Next::Missed(seq) => return Some(Received::Missed(seq)),
                };
                let mut together = vec![first];
                while together.len() < MAX_TOGETHER {
                    match changes.ready() {
                        Some(Next::Change(change)) => together.push(change),
                        Some(Next::Missed(seq)) => {
                            *unheard = Some(Received::Missed(seq));
                            break;
                        }
                        None => break,
                    }
                }
                Some(Received::Changes(together))
            }
            Self::Viewers(counts) => counts.next().await.map(Received::Viewers),
            Self::Typing(typists) => typists.next().await.map(Received::Typing),
        }
    }

    async fn hand_over(&self, group: &Arc<SubscriberGroup>, heard: Received) {
        let seen = group.seen();
        match heard {
            Received::Missed(seq) => group.miss(seq.0),
            Received::Changes(changes) => {
                let mut updates = Vec::with_capacity(changes.len());
                let mut place = seen.place;
                for change in changes {
                    if change.seq.0 <= place {
                        continue;
                    }
                    if change.seq.0 > place + 1 {
                        // The room's ring has overtaken this task.
                        if !updates.is_empty() {
                            group.deliver(std::mem::take(&mut updates)).await;
                        }
                        group.miss(change.seq.0 - 1);
                    }
                    place = change.seq.0;
                    match self.update_of(group, change).await {
                        Ok(update) => updates.push(update),
                        Err(why) => return group.fail(why),
                    }
                }
                if !updates.is_empty() {
                    group.deliver(updates).await;
                }
            }
            Received::Viewers(count) => {
                let payload = match group.render.render(Event::Viewers(count.value)).await {
                    Ok(payload) => payload,
                    Err(why) => return group.fail(why),
                };
                let shown = Some(Shown {
                    payload,
                    by: By::Nobody,
                });
                let after = Progress::count(count);
                group.deliver(vec![Update { after, shown }]).await;
            }
            Received::Typing(typists) => {
                let LastState::Typists(before) = &seen.known else {
                    return;
                };
                match typing(group, seen.place, before, typists).await {
                    Ok(updates) => group.deliver(updates).await,
                    Err(why) => group.fail(why),
                }
            }
        }
    }

    /// A change as the group is given it.
    async fn update_of(
        &self,
        group: &SubscriberGroup,
        change: Arc<Change>,
    ) -> Result<Update, RenderError> {
        let after = Progress {
            place: change.seq.0,
            known: LastState::Changes,
        };
        let is_shown = match self {
            Self::Changes(ChangeFilter::Additions, _) => change.kind == ChangeKind::Added,
            _ => true,
        };
        let mut shown = None;
        if is_shown {
            let by = change.origin.clone().map_or(By::Nobody, By::Client);
            let payload = group.render.render(Event::Change(change)).await?;
            shown = Some(Shown { payload, by });
        }
        Ok(Update { after, shown })
    }
}

/// What leads from `before` to who is typing now, one user after the other. One who is given a part
/// of it has seen what that part leads to, and is still at the place from which it began.
async fn typing(
    group: &SubscriberGroup,
    place: i64,
    before: &Typists,
    typists: Published<Typists>,
) -> Result<Vec<Update>, RenderError> {
    let mut users = before.to_vec();
    let mut updates = Vec::new();
    for event in differences(before, &typists.value) {
        let by = By::User(event.user.id.clone());
        users.retain(|user| user.id != event.user.id);
        if event.is_typing {
            users.push(event.user.clone());
        }
        let event = Event::Typing(group.listener.post().clone(), event);
        let payload = group.render.render(event).await?;
        updates.push(Update {
            after: Progress {
                place,
                known: LastState::Typists(users.as_slice().into()),
            },
            shown: Some(Shown { payload, by }),
        });
    }
    let after = Progress::typists(typists);
    match updates.last_mut() {
        Some(last) => last.after = after,
        None => updates.push(Update { after, shown: None }),
    }
    Ok(updates)
}
