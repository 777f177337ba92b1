//! The users who type at a post, without the subscriber itself: those already typing, then each
//! start and stop.

use super::{Place, Received, Relation, Request, Step, Topic};
use crate::{
    error::Error,
    feed::{
        join::{Feed, Joined},
        origin::Origin,
        progress::Progress,
        store_page::StorePage,
    },
    model::PostId,
    rooms::{Listener, Participant, TypingEvent, Typists, Values, differences},
};

/// A request for the typing users of a post.
#[derive(Clone, Debug)]
pub struct TypingRequest {
    /// The post.
    pub post: PostId,
}

/// The typing users of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing;

/// A start or stop of typing at a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypingAt {
    /// The post.
    pub post: PostId,
    /// The user who started or stopped.
    pub event: TypingEvent,
}

/// The receiver of the typing users.
#[derive(Debug)]
pub struct TypingReceiver {
    post: PostId,
    values: Values<Typists>,
    /// The progress after the steps received so far.
    progress: Progress<Typists>,
}

impl Request for TypingRequest {
    type Topic = Typing;

    async fn join(self, feed: &Feed, participant: &Participant) -> Result<Joined<Typing>, Error> {
        let membership = feed.enter(&self.post, participant).await?;
        let user = participant.user.as_ref();
        Ok(Joined::of_post(
            Typing,
            membership,
            Progress::none(Typists::default()),
            user.map(|user| Origin::User(user.id.clone())),
        ))
    }
}

impl Topic for Typing {
    type Event = TypingAt;
    /// The users whose start was sent, and no stop.
    type State = Typists;
    type Source = Listener;
    type Receiver = TypingReceiver;
    type Scan = ();

    const IS_LOG: bool = false;

    fn receiver(&self, source: &Listener) -> Result<(TypingReceiver, Progress<Typists>), Error> {
        let mut values = source.typists();
        let typists = values.current();
        let progress = Progress {
            position: typists.version,
            state: typists.value,
        };
        let receiver = TypingReceiver {
            post: source.post().clone(),
            values,
            progress: progress.clone(),
        };
        Ok((receiver, progress))
    }

    async fn receive(&self, receiver: &mut TypingReceiver) -> Option<Received<Self>> {
        let typists = receiver.values.next().await?;
        let after = Progress {
            position: typists.version,
            state: typists.value,
        };
        let before = std::mem::replace(&mut receiver.progress, after.clone());
        Some(Received::Steps(steps(&receiver.post, &before, after)))
    }

    async fn catch_up(
        &self,
        _: &StorePage<'_>,
        source: &Listener,
        from: &Progress<Typists>,
        excluded: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let typists = source.typists_now();
        let after = Progress {
            position: typists.version,
            state: typists.value,
        };
        let mut steps = steps(source.post(), from, after);
        for step in &mut steps {
            if step.origin.as_ref() == excluded {
                step.event = None;
            }
        }
        Ok(steps)
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(_: &Progress<Typists>, _: &Progress<Typists>) -> Relation {
        Relation::Unrelated
    }
}

/// Returns the steps from `before` to `after`, one a user. Steps before the last keep the position
/// of `before`, so a subscriber that took only these still gets the rest.
fn steps(post: &PostId, before: &Progress<Typists>, after: Progress<Typists>) -> Vec<Step<Typing>> {
    let mut users = before.state.to_vec();
    let mut steps = Vec::new();
    for event in differences(&before.state, &after.state) {
        users.retain(|user| user.id != event.user.id);
        if event.is_typing {
            users.push(event.user.clone());
        }
        let progress = Progress {
            position: before.position,
            state: users.as_slice().into(),
        };
        let origin = Origin::User(event.user.id.clone());
        let event = TypingAt {
            post: post.clone(),
            event,
        };
        steps.push(Step::shown(progress, event).caused_by(Some(origin)));
    }
    match steps.last_mut() {
        Some(last) => last.progress = after,
        None => steps.push(Step::hidden(after)),
    }
    steps
}
