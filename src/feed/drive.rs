//! Listening to a room for a whole audience.

use std::sync::{Arc, Weak};

use super::{
    Event,
    audience::Audience,
    batch::{By, Shown, Update},
    join::{Known, Seen, Topic, View},
    outlet::Unrendered,
};
use crate::{
    error::Error,
    model::{Change, ChangeKind, Seq},
    rooms::{Changes, FeedEvent, Listener, Published, Typists, Values, differences},
};

/// How many changes that came together are delivered together: so many messages are then one
/// write.
const MAX_TOGETHER: usize = 16;

/// What an audience hears of its room.
pub(super) enum Source {
    Changes(View, Changes),
    Viewers(Values<usize>),
    Typing(Values<Typists>),
}

/// What came.
enum Heard {
    Changes(Vec<Arc<Change>>),
    Missed(Seq),
    Viewers(Published<usize>),
    Typing(Published<Typists>),
}

impl Source {
    /// What is heard from now on of this topic, and what was to be seen before.
    pub(super) fn new(listener: &Listener, topic: Topic) -> Result<(Self, Seen), Error> {
        Ok(match topic {
            Topic::Changes(view) => {
                let changes = listener.changes().ok_or_else(|| {
                    Error::Internal("a room was listened to before it was established".into())
                })?;
                let seen = Seen {
                    place: changes.head().0,
                    known: Known::Changes,
                };
                (Self::Changes(view, changes), seen)
            }
            Topic::Viewers => {
                let mut counts = listener.counts();
                let seen = Seen::count(counts.current());
                (Self::Viewers(counts), seen)
            }
            Topic::Typing => {
                let mut typists = listener.typists();
                let seen = Seen::typists(typists.current());
                (Self::Typing(typists), seen)
            }
        })
    }

    /// Hands what is heard to the audience, until nobody is in it any more.
    pub(super) async fn drive(mut self, audience: Weak<Audience>) {
        let mut unheard = None;
        loop {
            let heard = match unheard.take() {
                Some(heard) => heard,
                None => match self.next(&mut unheard).await {
                    Some(heard) => heard,
                    None => return,
                },
            };
            let Some(audience) = audience.upgrade() else {
                return;
            };
            self.hand_over(&audience, heard).await;
        }
    }

    /// What comes next. What cannot be handed over together with it is left in `unheard`.
    async fn next(&mut self, unheard: &mut Option<Heard>) -> Option<Heard> {
        match self {
            Self::Changes(_, changes) => {
                let first = match changes.next().await? {
                    FeedEvent::Change(change) => change,
                    FeedEvent::Missed(seq) => return Some(Heard::Missed(seq)),
                };
                let mut together = vec![first];
                while together.len() < MAX_TOGETHER {
                    match changes.ready() {
                        Some(FeedEvent::Change(change)) => together.push(change),
                        Some(FeedEvent::Missed(seq)) => {
                            *unheard = Some(Heard::Missed(seq));
                            break;
                        }
                        None => break,
                    }
                }
                Some(Heard::Changes(together))
            }
            Self::Viewers(counts) => counts.next().await.map(Heard::Viewers),
            Self::Typing(typists) => typists.next().await.map(Heard::Typing),
        }
    }

    async fn hand_over(&self, audience: &Arc<Audience>, heard: Heard) {
        let seen = audience.seen();
        match heard {
            Heard::Missed(seq) => audience.miss(seq.0),
            Heard::Changes(changes) => {
                let mut updates = Vec::with_capacity(changes.len());
                let mut place = seen.place;
                for change in changes {
                    if change.seq.0 <= place {
                        continue;
                    }
                    if change.seq.0 > place + 1 {
                        // The room's ring has overtaken this task.
                        if !updates.is_empty() {
                            audience.deliver(std::mem::take(&mut updates)).await;
                        }
                        audience.miss(change.seq.0 - 1);
                    }
                    place = change.seq.0;
                    match self.update_of(audience, change).await {
                        Ok(update) => updates.push(update),
                        Err(why) => return audience.fail(why),
                    }
                }
                if !updates.is_empty() {
                    audience.deliver(updates).await;
                }
            }
            Heard::Viewers(count) => {
                let payload = match audience.render.render(Event::Viewers(count.value)).await {
                    Ok(payload) => payload,
                    Err(why) => return audience.fail(why),
                };
                let shown = Some(Shown {
                    payload,
                    by: By::Nobody,
                });
                let after = Seen::count(count);
                audience.deliver(vec![Update { after, shown }]).await;
            }
            Heard::Typing(typists) => {
                let Known::Typists(before) = &seen.known else {
                    return;
                };
                match typing(audience, seen.place, before, typists).await {
                    Ok(updates) => audience.deliver(updates).await,
                    Err(why) => audience.fail(why),
                }
            }
        }
    }

    /// A change as the audience is given it.
    async fn update_of(
        &self,
        audience: &Audience,
        change: Arc<Change>,
    ) -> Result<Update, Unrendered> {
        let after = Seen {
            place: change.seq.0,
            known: Known::Changes,
        };
        let is_shown = match self {
            Self::Changes(View::Added, _) => change.kind == ChangeKind::Added,
            _ => true,
        };
        let mut shown = None;
        if is_shown {
            let by = change.origin.clone().map_or(By::Nobody, By::Client);
            let payload = audience.render.render(Event::Change(change)).await?;
            shown = Some(Shown { payload, by });
        }
        Ok(Update { after, shown })
    }
}

/// What leads from `before` to who is typing now, one user after the other. One who is given a part
/// of it has seen what that part leads to, and is still at the place from which it began.
async fn typing(
    audience: &Audience,
    place: i64,
    before: &Typists,
    typists: Published<Typists>,
) -> Result<Vec<Update>, Unrendered> {
    let mut users = before.to_vec();
    let mut updates = Vec::new();
    for event in differences(before, &typists.value) {
        let by = By::User(event.user.id.clone());
        users.retain(|user| user.id != event.user.id);
        if event.is_typing {
            users.push(event.user.clone());
        }
        let event = Event::Typing(audience.listener.post().clone(), event);
        let payload = audience.render.render(event).await?;
        updates.push(Update {
            after: Seen {
                place,
                known: Known::Typists(users.as_slice().into()),
            },
            shown: Some(Shown { payload, by }),
        });
    }
    let after = Seen::typists(typists);
    match updates.last_mut() {
        Some(last) => last.after = after,
        None => updates.push(Update { after, shown: None }),
    }
    Ok(updates)
}
