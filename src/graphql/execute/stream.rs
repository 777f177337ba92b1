//! A subscription as a stream, for transports that write one answer after another.

use std::sync::Arc;

use async_graphql::ServerError;
use async_stream::stream;
use futures_util::{FutureExt, Stream, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::{
    Notify,
    mpsc::{self, error::TrySendError},
};

use tracing::{Instrument, Span};

use super::{Executor, Operation, Outcome};
use crate::{
    error::Error,
    feed::{Closed, Payload, Sink},
    graphql::{Caller, error::server_error},
};

/// How many events wait for a reader, besides what its transport keeps. One who is further behind is
/// caught up.
const MAX_WAITING: usize = 4;

/// The other end of the stream.
struct Channel {
    payloads: mpsc::Sender<Payload>,
    failure: Arc<Failure>,
}

#[derive(Default)]
struct Failure {
    error: Mutex<Option<Error>>,
    told: Notify,
}

impl Sink for Channel {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        for (taken, payload) in payloads.iter().enumerate() {
            match self.payloads.try_send(Payload::clone(payload)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => return Ok(taken),
                Err(TrySendError::Closed(_)) => return Err(Closed),
            }
        }
        Ok(payloads.len())
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        // A permit that is dropped gives its room back.
        self.payloads.reserve().map(drop).boxed()
    }

    fn fail(&self, error: Error) {
        *self.failure.error.lock() = Some(error);
        self.failure.told.notify_one();
    }
}

/// The events of one subscriber. Dropping the stream ends the subscription. `opened` is told whether
/// there is one, and what it returns is kept until it ends.
pub(super) fn events<Kept: Send + 'static>(
    executor: Executor,
    operation: Operation,
    caller: Caller,
    opened: impl FnOnce(Result<(), &[ServerError]>) -> Kept + Send + 'static,
) -> impl Stream<Item = Outcome> + Send + 'static {
    let span = Span::current();
    stream! {
        let (sender, mut payloads) = mpsc::channel(MAX_WAITING);
        let failure = Arc::new(Failure::default());
        let sink = Arc::new(Channel { payloads: sender, failure: Arc::clone(&failure) });
        let subscription = executor.subscribe(operation, caller, sink).instrument(span).await;
        let _kept = opened(subscription.as_ref().map(drop).map_err(Vec::as_slice));
        let _subscription = match subscription {
            Ok(subscription) => subscription,
            Err(errors) => {
                yield Outcome::Refused(errors);
                return;
            }
        };
        loop {
            tokio::select! {
                biased;
                payload = payloads.recv() => match payload {
                    Some(payload) => yield Outcome::Rendered(payload),
                    None => return,
                },
                () = failure.told.notified() => {
                    let error = failure.error.lock().take();
                    let error = error.unwrap_or_else(|| Error::Internal("a subscription failed".into()));
                    yield Outcome::Refused(vec![server_error(error)]);
                    return;
                }
            }
        }
    }
}
