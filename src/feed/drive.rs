//! Listening to a room for a whole audience.

use std::sync::{Arc, Weak};

use super::{
    Event,
    audience::Audience,
    batch::{By, Shown, Update},
    join::{Known, Seen, Topic, View},
};
use crate::{
    error::Error,
    model::{Change, ChangeKind, Seq},
    rooms::{Changes, Listener, Next, Published, Typists, Values, differences},
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
                let counts = listener.counts();
                let seen = Seen::count(counts.current());
                (Self::Viewers(counts), seen)
            }
            Topic::Typing => {
                let typists = listener.typists();
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
                    Next::Change(change) => change,
                    Next::Missed(seq) => return Some(Heard::Missed(seq)),
                };
                let mut together = vec![first];
                while together.len() < MAX_TOGETHER {
                    match changes.ready() {
                        Some(Next::Change(change)) => together.push(change),
                        Some(Next::Missed(seq)) => {
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
                        Some(update) => updates.push(update),
                        None => return audience.fail(),
                    }
                }
                if !updates.is_empty() {
                    audience.deliver(updates).await;
                }
            }
            Heard::Viewers(count) => {
                let payload = audience.render.render(Event::Viewers(count.value)).await;
                let Some(payload) = payload else {
                    return audience.fail();
                };
                let shown = vec![Shown {
                    payload,
                    by: By::Nobody,
                }];
                let after = Seen::count(count);
                audience.deliver(vec![Update { after, shown }]).await;
            }
            Heard::Typing(typists) => {
                let Known::Typists(before) = &seen.known else {
                    return;
                };
                let post = audience.listener.post();
                let mut shown = Vec::new();
                for event in differences(before, &typists.value) {
                    let by = By::User(event.user.id.clone());
                    let event = Event::Typing(post.clone(), event);
                    let Some(payload) = audience.render.render(event).await else {
                        return audience.fail();
                    };
                    shown.push(Shown { payload, by });
                }
                let after = Seen::typists(typists);
                audience.deliver(vec![Update { after, shown }]).await;
            }
        }
    }

    /// A change as the audience is given it; `None` where it could not be rendered.
    async fn update_of(&self, audience: &Audience, change: Arc<Change>) -> Option<Update> {
        let after = Seen {
            place: change.seq.0,
            known: Known::Changes,
        };
        let is_shown = match self {
            Self::Changes(View::Added, _) => change.kind == ChangeKind::Added,
            _ => true,
        };
        let mut shown = Vec::new();
        if is_shown {
            let by = change.origin.clone().map_or(By::Nobody, By::Client);
            let payload = audience.render.render(Event::Change(change)).await?;
            shown.push(Shown { payload, by });
        }
        Some(Update { after, shown })
    }
}
