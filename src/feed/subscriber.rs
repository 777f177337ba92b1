//! One subscriber's place in an group: what they were given last, and whether they take part.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::task::AbortHandle;

use super::{
    batch::Batch,
    join::{Excluded, Progress},
    sink::{Closed, Payload, Sink},
};
use crate::error::Error;

/// How a subscriber takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Delivery what comes, as it comes.
    Live,
    /// Brought to where the others are.
    Behind,
    /// Delivery nothing any more.
    Left,
}

/// What became of something that a subscriber was to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All of it, or as much of it as was new and theirs to hear.
    All,
    /// Not all of it: the sink is full. The subscriber is behind.
    Full,
    /// Not all of it, for what comes first for this subscriber is something else.
    Behind,
    /// Nothing is given to this subscriber any more.
    Left,
}

/// One subscriber's place.
pub(super) struct Subscriber {
    sink: Arc<dyn Sink>,
    excluded: Excluded,
    state: Mutex<State>,
}

struct State {
    standing: Status,
    seen: Progress,
    /// Catches the subscriber up.
    catch_up: Option<AbortHandle>,
}

impl Subscriber {
    /// Of somebody who is behind.
    pub(super) fn new(sink: Arc<dyn Sink>, excluded: Excluded, seen: Progress) -> Self {
        Self {
            sink,
            excluded,
            state: Mutex::new(State {
                standing: Status::Behind,
                seen,
                catch_up: None,
            }),
        }
    }

    /// Whose doings are not told here.
    pub(super) fn excluded(&self) -> &Excluded {
        &self.excluded
    }

    /// What the subscriber was given last; `None` where they left.
    pub(super) fn seen(&self) -> Option<Progress> {
        let state = self.state.lock();
        (state.standing != Status::Left).then(|| state.seen.clone())
    }

    /// Waits until there is room for more, or the subscriber left.
    pub(super) async fn ready(&self) {
        self.sink.ready().await;
    }

    /// Gives a live subscriber what is new to them, and counts into `delivered` what was taken.
    pub(super) fn deliver(&self, batch: &Batch, delivered: &mut usize) -> Delivery {
        let mut state = self.state.lock();
        match state.standing {
            Status::Live => self.take(&mut state, batch, delivered),
            Status::Behind => Delivery::Behind,
            Status::Left => Delivery::Left,
        }
    }

    /// Has a subscriber take part from now on who has seen everything up to `place`; where they
    /// have not, `replay` is given to them first, if there is one that begins where they stand.
    pub(super) fn go_live(
        &self,
        place: i64,
        replay: impl FnOnce(&Progress) -> Option<Batch>,
        delivered: &mut usize,
    ) -> Delivery {
        let mut state = self.state.lock();
        if state.standing == Status::Left {
            return Delivery::Left;
        }
        if state.seen.place < place {
            match replay(&state.seen) {
                Some(batch) => match self.take(&mut state, &batch, delivered) {
                    Delivery::All => {}
                    other => return other,
                },
                None => return Delivery::Behind,
            }
        }
        state.standing = Status::Live;
        state.catch_up = None;
        Delivery::All
    }

    /// Gives one who is behind the next thing, behind which they have seen `seen`. Where there is
    /// no room nothing is changed.
    pub(super) fn give(&self, payload: Option<&Payload>, seen: Progress) -> Delivery {
        let mut state = self.state.lock();
        if state.standing == Status::Left {
            return Delivery::Left;
        }
        if let Some(payload) = payload {
            match self.sink.offer(std::slice::from_ref(payload)) {
                Ok(0) => return Delivery::Full,
                Ok(_) => {}
                Err(Closed) => return Delivery::Left,
            }
        }
        state.seen = seen;
        Delivery::All
    }

    /// Starts the task that catches up one who is behind; it ends when they leave. With the state
    /// locked, so that the task cannot come to its end before it is known here.
    pub(super) fn be_caught_up(&self, start: impl FnOnce() -> AbortHandle) {
        let mut state = self.state.lock();
        if state.standing == Status::Behind {
            state.catch_up = Some(start());
        }
    }

    /// Has a live subscriber read from the store what nobody was told of.
    pub(super) fn fall_behind(&self) {
        let mut state = self.state.lock();
        if state.standing == Status::Live {
            state.standing = Status::Behind;
        }
    }

    /// Gives the subscriber nothing any more, from this moment on.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.standing = Status::Left;
        if let Some(task) = state.catch_up.take() {
            task.abort();
        }
    }

    /// Ends the subscription with an error.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        if state.standing != Status::Left {
            state.standing = Status::Left;
            state.catch_up = None;
            self.sink.fail(error);
        }
    }

    /// With the state locked, so that nothing goes out behind a leaving.
    fn take(&self, state: &mut State, batch: &Batch, delivered: &mut usize) -> Delivery {
        let part;
        let (numbers, payloads) = match batch.whole(&state.seen, &self.excluded) {
            Some(all) => (None, all),
            None => match batch.part(&state.seen, &self.excluded) {
                Some(some) => {
                    part = some.into_iter().unzip::<usize, Payload, Vec<_>, Vec<_>>();
                    (Some(&part.0), &part.1[..])
                }
                None => {
                    state.standing = Status::Behind;
                    return Delivery::Behind;
                }
            },
        };
        let taken = if payloads.is_empty() {
            0
        } else {
            match self.sink.offer(payloads) {
                Ok(taken) => taken,
                Err(Closed) => {
                    state.standing = Status::Left;
                    return Delivery::Left;
                }
            }
        };
        *delivered += taken;
        if taken == payloads.len() {
            if batch.after().place > state.seen.place {
                state.seen = batch.after().clone();
            }
            return Delivery::All;
        }
        // An update shows one thing at most, so none was taken in part.
        let first_missing = numbers.map_or_else(|| batch.number_of(taken), |of| of[taken]);
        if let Some(last) = first_missing.checked_sub(1) {
            let after = &batch.updates()[last].after;
            if after.place >= state.seen.place {
                state.seen = after.clone();
            }
        }
        state.standing = Status::Behind;
        Delivery::Full
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;
    use crate::{
        feed::{
            batch::{By, Shown, Update},
            join::LastState,
        },
        model::{User, UserId},
        rooms::Typists,
    };

    /// An sink with room for so many.
    struct Narrow(AtomicUsize);

    impl Sink for Narrow {
        fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
            let taken = payloads.len().min(self.0.load(Ordering::Relaxed));
            self.0.fetch_sub(taken, Ordering::Relaxed);
            Ok(taken)
        }

        fn ready(&self) -> BoxFuture<'_, ()> {
            std::future::ready(()).boxed()
        }

        fn fail(&self, error: Error) {
            panic!("{error:?}");
        }
    }

    fn typists(names: &[&str]) -> Typists {
        let user = |name: &&str| User {
            id: UserId::parse(name).unwrap(),
            name: (*name).into(),
            avatar: None,
        };
        names.iter().map(user).collect()
    }

    fn starts(name: &str, place: i64, typing: &[&str]) -> Update {
        Update {
            after: Progress {
                place,
                known: LastState::Typists(typists(typing)),
            },
            shown: Some(Shown {
                payload: name.into(),
                by: By::User(UserId::parse(name).unwrap()),
            }),
        }
    }

    #[test]
    fn partly_delivered_batch_records_only_what_was_delivered() {
        let nobody = Progress {
            place: 3,
            known: LastState::Typists(typists(&[])),
        };
        let sink = Arc::new(Narrow(AtomicUsize::new(1)));
        let subscriber = Subscriber::new(sink, Excluded::Nobody, nobody.clone());
        let mut delivered = 0;
        let given = subscriber.go_live(3, |_| None, &mut delivered);
        assert_eq!(given, Delivery::All);
        // Both lead to place 4, and only the second is there.
        let updates = vec![
            starts("bob", 3, &["bob"]),
            starts("cleo", 4, &["bob", "cleo"]),
        ];
        let batch = Batch::new(nobody, updates);
        assert_eq!(subscriber.deliver(&batch, &mut delivered), Delivery::Full);
        assert_eq!(delivered, 1);
        let seen = subscriber.seen().unwrap();
        let LastState::Typists(known) = seen.known else {
            panic!("not typists");
        };
        assert_eq!((seen.place, known), (3, typists(&["bob"])));
    }
}
