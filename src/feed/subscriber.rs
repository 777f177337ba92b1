//! A subscriber of a group: its progress, and its part in the fan-out.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::task::AbortHandle;

use super::{
    batch::{Batch, Update},
    origin::Origin,
    payload::Payload,
    progress::Progress,
    sink::{Closed, Sink, Turn},
    topic::Topic,
};
use crate::{error::Error, memory::Account};

/// The status of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Receives each batch as it comes.
    Live,
    /// Is to be caught up before it is live again.
    Behind,
    /// Receives nothing any more.
    Ended,
}

/// The outcome of a delivery to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The sink took all that was new to the subscriber and not excluded.
    Complete,
    /// The sink is full and took a part at most. The subscriber is behind.
    Full,
    /// Nothing was sent, because something else comes first. The subscriber is behind.
    Behind,
    /// The subscription has ended.
    Ended,
}

/// A subscription's place in its group.
pub(super) struct Subscriber<T: Topic> {
    sink: Arc<dyn Sink>,
    excluded: Option<Origin>,
    /// The memory of what it catches up on.
    memory: Account,
    state: Mutex<State<T>>,
}

struct State<T: Topic> {
    status: Status,
    progress: Progress<T::State>,
    /// The task that catches the subscriber up.
    catch_up: Option<AbortHandle>,
}

impl<T: Topic> Subscriber<T> {
    /// Creates a subscriber that is behind.
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        excluded: Option<Origin>,
        progress: Progress<T::State>,
        memory: Account,
    ) -> Self {
        Self {
            sink,
            excluded,
            memory,
            state: Mutex::new(State {
                status: Status::Behind,
                progress,
                catch_up: None,
            }),
        }
    }

    /// Returns the origin whose events the subscriber is not sent.
    pub(super) fn excluded(&self) -> Option<&Origin> {
        self.excluded.as_ref()
    }

    /// Returns the account of what it catches up on.
    pub(super) fn memory(&self) -> &Account {
        &self.memory
    }

    /// Returns the subscriber's progress, or `None` after the subscription ended.
    pub(super) fn progress(&self) -> Option<Progress<T::State>> {
        let state = self.state.lock();
        (state.status != Status::Ended).then(|| state.progress.clone())
    }

    /// Waits until the sink has capacity or is closed.
    pub(super) async fn ready(&self) {
        self.sink.ready().await;
    }

    /// Waits for the subscriber's turn to read a page of what it missed.
    pub(super) async fn turn(&self) -> Turn {
        self.sink.turn().await
    }

    /// Sends a live subscriber what is new to it. Adds the number of payloads taken to `delivered`.
    pub(super) fn deliver(&self, batch: &Batch<T>, delivered: &mut usize) -> Delivery {
        let mut state = self.state.lock();
        match state.status {
            Status::Live => self.offer(&mut state, batch, delivered),
            Status::Behind => Delivery::Behind,
            Status::Ended => Delivery::Ended,
        }
    }

    /// Makes the subscriber live, if it is at `position` or ahead of it. A subscriber before it is
    /// first sent the batch that `replay` returns for its progress, if there is one.
    pub(super) fn go_live(
        &self,
        position: i64,
        replay: impl FnOnce(&Progress<T::State>) -> Option<Batch<T>>,
        delivered: &mut usize,
    ) -> Delivery {
        let mut state = self.state.lock();
        if state.status == Status::Ended {
            return Delivery::Ended;
        }
        if state.progress.position < position {
            match replay(&state.progress) {
                Some(batch) => match self.offer(&mut state, &batch, delivered) {
                    Delivery::Complete => {}
                    other => return other,
                },
                None => return Delivery::Behind,
            }
        }
        state.status = Status::Live;
        state.catch_up = None;
        Delivery::Complete
    }

    /// Sends the next update of a catch-up, and then sets the progress. Changes nothing if the
    /// sink is full.
    pub(super) fn send(&self, update: &Update<T>) -> Delivery {
        let mut state = self.state.lock();
        if state.status == Status::Ended {
            return Delivery::Ended;
        }
        if let Some(payload) = update.payload() {
            match self.sink.offer(std::slice::from_ref(payload)) {
                Ok(0) => return Delivery::Full,
                Ok(_) => {}
                Err(Closed) => return Delivery::Ended,
            }
        }
        state.progress = update.progress.clone();
        Delivery::Complete
    }

    /// Starts the catch-up task of a subscriber that is behind. The task is aborted when the
    /// subscription ends.
    ///
    /// Calls `start` with the state locked, so the task cannot finish before its handle is stored.
    pub(super) fn start_catch_up(&self, start: impl FnOnce() -> AbortHandle) {
        let mut state = self.state.lock();
        if state.status == Status::Behind {
            state.catch_up = Some(start());
        }
    }

    /// Marks a live subscriber as behind, because its room missed changes.
    pub(super) fn fall_behind(&self) {
        let mut state = self.state.lock();
        if state.status == Status::Live {
            state.status = Status::Behind;
        }
    }

    /// Ends the subscription. Nothing is sent after the return.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.status = Status::Ended;
        if let Some(task) = state.catch_up.take() {
            task.abort();
        }
    }

    /// Ends the subscription with an error.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        if state.status != Status::Ended {
            state.status = Status::Ended;
            state.catch_up = None;
            self.sink.fail(error);
        }
    }

    /// Offers a batch to the sink. The caller holds the lock of `state`, so nothing is sent after
    /// the subscription ended.
    fn offer(&self, state: &mut State<T>, batch: &Batch<T>, delivered: &mut usize) -> Delivery {
        let part;
        let (indices, payloads) = match batch.whole(&state.progress, self.excluded()) {
            Some(all) => (None, all),
            None => match batch.part(&state.progress, self.excluded()) {
                Some(some) => {
                    part = some.into_iter().unzip::<usize, Payload, Vec<_>, Vec<_>>();
                    (Some(&part.0), &part.1[..])
                }
                None => {
                    state.status = Status::Behind;
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
                    state.status = Status::Ended;
                    return Delivery::Ended;
                }
            }
        };
        *delivered += taken;
        if taken == payloads.len() {
            if batch.after().position > state.progress.position {
                state.progress = batch.after().clone();
            }
            return Delivery::Complete;
        }
        // An update has one payload at most, so no update was taken in part.
        let first_missing = indices.map_or_else(|| batch.update_index(taken), |of| of[taken]);
        if let Some(last) = first_missing.checked_sub(1) {
            let progress = &batch.updates()[last].progress;
            if progress.position >= state.progress.position {
                state.progress = progress.clone();
            }
        }
        state.status = Status::Behind;
        Delivery::Full
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;
    use crate::{
        feed::topic::{Step, TypingAt, typing::Typing},
        model::{PostId, Role, User, UserId},
        rooms::{TypingEvent, Typists},
    };

    /// A sink with a fixed capacity that nothing empties.
    struct LimitedSink(AtomicUsize);

    impl Sink for LimitedSink {
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

    fn user(name: &str) -> User {
        User {
            id: UserId::parse(name).unwrap(),
            name: name.into(),
            avatar: None,
            role: Role::Reader,
        }
    }

    fn progress(position: i64, typing: &[&str]) -> Progress<Typists> {
        Progress {
            position,
            state: typing.iter().map(|name| user(name)).collect(),
        }
    }

    fn starts(name: &str, position: i64, typing: &[&str]) -> Update<Typing> {
        let event = TypingAt {
            post: PostId::parse("p").unwrap(),
            event: TypingEvent {
                user: user(name),
                is_typing: true,
            },
        };
        let step = Step::shown(progress(position, typing), event);
        Update::new(&step, Some(name.into()))
    }

    #[test]
    fn partly_delivered_batch_records_only_what_was_delivered() {
        let start = progress(3, &[]);
        let sink = Arc::new(LimitedSink(AtomicUsize::new(1)));
        let subscriber = Subscriber::new(sink, None, start.clone(), Account::separate(0));
        let mut delivered = 0;
        let delivery = subscriber.go_live(3, |_| None, &mut delivered);
        assert_eq!(delivery, Delivery::Complete);
        // Both lead to position 4, and only the second has it.
        let updates = vec![
            starts("bob", 3, &["bob"]),
            starts("cleo", 4, &["bob", "cleo"]),
        ];
        let batch = Batch::new(start, updates);
        let delivery = subscriber.deliver(&batch, &mut delivered);
        assert_eq!(delivery, Delivery::Full);
        assert_eq!(delivered, 1);
        assert_eq!(subscriber.progress().unwrap(), progress(3, &["bob"]));
    }
}
