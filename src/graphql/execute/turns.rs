//! The order of a client's mutations.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{OptionFuture, maybe_done},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The turns of mutations that run one after another, in the order in which they begin. Clones share
/// them. The default lets mutations run at once.
#[derive(Clone, Debug, Default)]
pub struct Turns(Option<Arc<Mutex<()>>>);

impl Turns {
    /// Creates the turns of one connection.
    pub fn in_order() -> Self {
        Self(Some(Arc::default()))
    }

    /// Takes the next place in the order, and returns a future that waits for its turn. The turn lasts
    /// until the value is dropped. Dropping the future gives the place up.
    pub(super) fn take_place(
        &self,
    ) -> impl Future<Output = Option<OwnedMutexGuard<()>>> + Send + use<> {
        let lock = self.0.clone().map(Mutex::lock_owned);
        let mut turn = Box::pin(maybe_done(OptionFuture::from(lock)));
        // The first poll queues for the lock, which is granted in the order of its queue.
        let _ = turn.as_mut().now_or_never();
        async move {
            turn.as_mut().await;
            turn.as_mut().take_output().flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turn_comes_in_the_order_of_places_and_not_of_polls() {
        let turns = Turns::in_order();
        let (first, second, third) = (turns.take_place(), turns.take_place(), turns.take_place());
        let mut third = Box::pin(third);
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        let turn = first.await;
        assert!(turn.is_some() && third.as_mut().now_or_never().is_none());
        drop(turn);
        assert!(third.await.is_some());
    }

    #[test]
    fn mutations_without_order_wait_for_nothing() {
        let turns = Turns::default();
        let _first = turns.take_place();
        assert!(turns.take_place().now_or_never().is_some());
    }
}
