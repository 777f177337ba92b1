//! Subscriptions as streams of outcomes, for transports that poll for the next one.

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

/// Maximum number of buffered events, without those in the transport's own buffer. A client that is
/// further behind is caught up from the store.
const MAX_BUFFERED: usize = 4;

/// The sending half of the stream.
struct ChannelSink {
    payloads: mpsc::Sender<Payload>,
    failure: Arc<Failure>,
}

/// The error that ends the stream.
#[derive(Default)]
struct Failure {
    error: Mutex<Option<Error>>,
    is_set: Notify,
}

impl Sink for ChannelSink {
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
        // The permit is returned when it is dropped.
        self.payloads.reserve().map(drop).boxed()
    }

    fn fail(&self, error: Error) {
        *self.failure.error.lock() = Some(error);
        self.failure.is_set.notify_one();
    }
}

/// Returns the events of one subscription as a stream. Dropping the stream ends the subscription.
///
/// `opened` is called once, when the subscription was opened or refused. Its result is kept until
/// the stream ends.
pub(super) fn events<Kept: Send + 'static>(
    executor: Executor,
    operation: Operation,
    caller: Caller,
    opened: impl FnOnce(Result<(), &[ServerError]>) -> Kept + Send + 'static,
) -> impl Stream<Item = Outcome> + Send + 'static {
    let span = Span::current();
    stream! {
        let (sender, mut payloads) = mpsc::channel(MAX_BUFFERED);
        let failure = Arc::new(Failure::default());
        let sink = Arc::new(ChannelSink { payloads: sender, failure: Arc::clone(&failure) });
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
                    Some(payload) => yield Outcome::rendered(payload),
                    None => return,
                },
                () = failure.is_set.notified() => {
                    let error = failure.error.lock().take();
                    let error = error.unwrap_or_else(|| Error::Internal("a subscription failed".into()));
                    yield Outcome::Refused(vec![server_error(error)]);
                    return;
                }
            }
        }
    }
}
