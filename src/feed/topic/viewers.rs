//! The number of a post's viewers: the current value, then each new one.

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
    rooms::{Listener, Participant, Published, Values},
};

/// A request for the number of a post's viewers.
#[derive(Clone, Debug)]
pub struct ViewersRequest {
    /// The post.
    pub post: PostId,
}

/// The number of a post's viewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewers;

/// A number of viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerCount(pub usize);

impl Request for ViewersRequest {
    type Topic = Viewers;

    async fn join(self, feed: &Feed, participant: &Participant) -> Result<Joined<Viewers>, Error> {
        let membership = feed.enter(&self.post, participant).await?;
        Ok(Joined::of_post(
            Viewers,
            membership,
            Progress::none(None),
            None,
        ))
    }
}

impl Topic for Viewers {
    type Event = ViewerCount;
    /// The number that was sent last.
    type State = Option<usize>;
    type Source = Listener;
    type Receiver = Values<usize>;
    type Scan = ();

    const IS_LOG: bool = false;

    fn receiver(
        &self,
        source: &Listener,
    ) -> Result<(Values<usize>, Progress<Option<usize>>), Error> {
        let mut counts = source.counts();
        let progress = progress(&counts.current());
        Ok((counts, progress))
    }

    async fn receive(&self, receiver: &mut Values<usize>) -> Option<Received<Self>> {
        let count = receiver.next().await?;
        let step = Step::shown(progress(&count), ViewerCount(count.value));
        Some(Received::Steps(vec![step]))
    }

    async fn catch_up(
        &self,
        _: &StorePage<'_>,
        source: &Listener,
        from: &Progress<Option<usize>>,
        _: Option<&Origin>,
        _: &mut Option<()>,
    ) -> Result<Vec<Step<Self>>, Error> {
        let count = source.count_now();
        let progress = progress(&count);
        let count = ViewerCount(count.value);
        Ok(vec![Step::of_value(progress, &from.state, count)])
    }

    fn place(_: &Self::Event) -> Option<Place> {
        None
    }

    fn relation(known: &Progress<Option<usize>>, update: &Progress<Option<usize>>) -> Relation {
        Relation::of_value(known, update)
    }
}

/// Returns the progress after `count` was sent.
fn progress(count: &Published<usize>) -> Progress<Option<usize>> {
    Progress {
        position: count.version,
        state: Some(count.value),
    }
}
