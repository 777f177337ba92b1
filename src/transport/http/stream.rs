//! Streaming responses: results and heartbeats written into the body by a task, in a
//! [`StreamEncoding`].
//!
//! The task feeds the body through a short queue and owns the stream of results, and with it the
//! subscription's membership of its room. So the membership ends when the client disconnects or
//! reads too slowly, when its token ends, and when the server shuts down. That holds even while
//! hyper waits for a client that does not read.

use std::{borrow::Cow, future::pending, pin::pin, sync::Arc, time::Duration};

use async_graphql::ServerError;
use axum::{
    body::{Body, Bytes},
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use super::response;
use crate::{
    auth::TokenError,
    error::Error,
    graphql::{ErrorCode, Outcome, Payload, SentAway, request_error, server_error},
    moderation::BanWatch,
    shutdown::ConnectionHandle,
    transport::{Transport, connections::StreamPermit, operation_log::TransportLabel},
};

/// Maximum number of chunks queued for a slow client, in addition to the buffers of hyper and the
/// kernel. At the bound the subscription waits, and catches up from the store later.
const QUEUE_LIMIT: usize = 32;
/// Maximum size of the queued chunks. The last chunk may exceed it.
const QUEUE_BYTES: u32 = 64 * 1024;
/// Size up to which a result is copied, to be one chunk with what encloses it.
const COPIED_BYTES: usize = 4 * 1024;
/// Time limit for queueing the last chunk after an interruption.
const FINAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The header that tells nginx and similar proxies not to buffer the body.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An encoding of results as a response body.
pub(super) trait StreamEncoding {
    /// The label of the stream in metrics.
    const LABEL: TransportLabel;
    /// The response's media type.
    const CONTENT_TYPE: &'static str;
    /// The beginning of the body.
    const PREAMBLE: &'static str;
    /// A chunk without a result, sent while there are none.
    const HEARTBEAT: &'static str;
    /// The end of the body after the last result of a complete operation.
    const COMPLETE: &'static str;

    /// The text after a result.
    const AFTER_RESULT: &'static str;

    /// Returns the text before a result, which is JSON in one line.
    fn before_result(result: &Payload) -> Cow<'static, str>;

    /// Returns the end of the body of an operation that `error` interrupts.
    fn interrupt(error: &ServerError) -> Ending;
}

/// The end of the body of an interrupted operation.
pub(super) enum Ending {
    /// A last chunk, then the orderly end.
    Final(String),
    /// No orderly end (RFC 9112, section 8), so that the client notices the interruption.
    Abort,
}

/// The conditions that interrupt a streamed operation.
pub(super) enum Lifetime {
    /// None. A query or mutation ends by itself, and a shutdown waits for it.
    Operation,
    /// The deadline of a shutdown, or the end of the caller's token. Both set `sent_away`. The permit is
    /// held for the subscription's life.
    Subscription {
        handle: ConnectionHandle,
        token: Option<TokenWatch>,
        permit: StreamPermit,
        sent_away: SentAway,
    },
}

/// The validity of a subscriber's token.
pub(super) struct TokenWatch {
    /// The time until the token expires.
    pub(super) expires_in: Duration,
    /// The watch for a ban of the token's user.
    pub(super) ban: BanWatch,
}

/// A queued chunk of the body, with its permit for the bytes.
struct QueuedChunk {
    chunk: Chunk,
    _permit: OwnedSemaphorePermit,
}

enum Chunk {
    More(Bytes),
    Last(Bytes),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Self::More(bytes) | Self::Last(bytes) => bytes.len(),
        }
    }
}

/// The error that aborts a body.
#[derive(Debug, thiserror::Error)]
#[error("the stream was interrupted")]
struct Interrupted;

/// The error of a write to a client that disconnected or reads too slowly.
struct Stalled;

/// Returns a response that streams `outcomes`.
pub(super) fn respond<E: StreamEncoding>(
    transport: &Transport,
    lifetime: Lifetime,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    let metrics = Arc::clone(&transport.metrics);
    let is_subscription = matches!(lifetime, Lifetime::Subscription { .. });
    let gauge_guard = is_subscription.then(|| metrics.connected(E::LABEL));
    let (chunks, body) = mpsc::channel(QUEUE_LIMIT);
    let writer = BodyWriter {
        chunks,
        free_bytes: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
        write_timeout: transport.http.http_write_timeout,
        keep_alive: transport.http.stream_keep_alive,
    };
    transport.tasks.spawn(async move {
        let _gauge_guard = gauge_guard;
        let interrupted = lifetime.interrupted();
        let error = tokio::select! {
            biased;
            error = interrupted => error,
            () = writer.chunks.closed() => return,
            written = writer.write_all::<E>(outcomes) => {
                if written.is_err() && !writer.chunks.is_closed() {
                    metrics.slow.increment(1);
                }
                return;
            }
        };
        // `outcomes` was dropped, so the client has left its room.
        if let Ending::Final(last) = E::interrupt(&error) {
            // If the client does not take even this, its body is aborted.
            let _ = timeout(FINAL_TIMEOUT, writer.write(Chunk::Last(last.into()))).await;
        }
    });
    with_headers::<E>(body_stream(body))
}

/// Returns a stream that is aborted after its preamble.
pub(super) fn aborted<E: StreamEncoding>() -> Response {
    with_headers::<E>(async_stream::stream! {
        yield Ok(Bytes::from_static(E::PREAMBLE.as_bytes()));
        // hyper flushes when the body is pending. Without the yield it would write nothing, not
        // even the status.
        tokio::task::yield_now().await;
        yield Err(Interrupted);
    })
}

fn with_headers<E: StreamEncoding>(
    bytes: impl Stream<Item = Result<Bytes, Interrupted>> + Send + 'static,
) -> Response {
    // A proxy that compressed the stream would hold back its events.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(E::CONTENT_TYPE)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        ),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(bytes)).into_response()
}

impl Lifetime {
    /// Waits for the interruption and returns its reason. Never completes for an operation.
    async fn interrupted(self) -> ServerError {
        let Self::Subscription {
            handle,
            token,
            permit: _permit,
            sent_away,
        } = self
        else {
            return pending().await;
        };
        let token_ended = async {
            let Some(TokenWatch { expires_in, ban }) = token else {
                return pending().await;
            };
            tokio::select! {
                biased;
                () = ban.banned() => response::banned_error(),
                () = sleep(expires_in) => {
                    sent_away.set();
                    let mut error = server_error(Error::Unauthenticated);
                    error.message = TokenError::Expired.to_string();
                    error
                }
            }
        };
        tokio::select! {
            () = handle.deadline() => {
                sent_away.set();
                request_error(ErrorCode::ServiceRestart, response::restart_error())
            }
            error = token_ended => error,
        }
    }
}

struct BodyWriter {
    chunks: mpsc::Sender<QueuedChunk>,
    /// The number of bytes that the queue can still take.
    free_bytes: Arc<Semaphore>,
    /// Time limit of one write.
    write_timeout: Duration,
    /// Interval of heartbeats while there are no results.
    keep_alive: Duration,
}

impl BodyWriter {
    /// Writes `outcomes` to their end.
    async fn write_all<E: StreamEncoding>(
        &self,
        outcomes: impl Stream<Item = Outcome> + Send,
    ) -> Result<(), Stalled> {
        let mut outcomes = pin!(outcomes);
        let fixed = |text: &'static str| Bytes::from_static(text.as_bytes());
        self.write(Chunk::More(fixed(E::PREAMBLE))).await?;
        loop {
            match timeout(self.keep_alive, outcomes.next()).await {
                Ok(Some(outcome)) => self.write_result::<E>(response::to_json(outcome)).await?,
                Ok(None) => break,
                Err(_) => self.write(Chunk::More(fixed(E::HEARTBEAT))).await?,
            }
        }
        self.write(Chunk::Last(fixed(E::COMPLETE))).await
    }

    async fn write_result<E: StreamEncoding>(&self, result: Payload) -> Result<(), Stalled> {
        let (before, after) = (E::before_result(&result), E::AFTER_RESULT);
        if result.len() <= COPIED_BYTES {
            let chunk = [&*before, &result, after].concat().into();
            return self.write(Chunk::More(chunk)).await;
        }
        for bytes in [
            before.into_owned().into(),
            response::bytes_of(result),
            Bytes::from_static(after.as_bytes()),
        ] {
            self.write(Chunk::More(bytes)).await?;
        }
        Ok(())
    }

    /// Queues `chunk`. Waits for capacity up to the write timeout.
    async fn write(&self, chunk: Chunk) -> Result<(), Stalled> {
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let written = async {
            let free_bytes = Arc::clone(&self.free_bytes);
            let permit = free_bytes.acquire_many_owned(length.min(QUEUE_BYTES)).await;
            let chunk = QueuedChunk {
                chunk,
                _permit: permit.map_err(|_| Stalled)?,
            };
            self.chunks.send(chunk).await.map_err(|_| Stalled)
        };
        timeout(self.write_timeout, written)
            .await
            .unwrap_or(Err(Stalled))
    }
}

/// Returns the body's stream. It ends in order only after a last chunk, else with an error.
fn body_stream(
    mut chunks: mpsc::Receiver<QueuedChunk>,
) -> impl Stream<Item = Result<Bytes, Interrupted>> {
    async_stream::stream! {
        while let Some(queued) = chunks.recv().await {
            match queued.chunk {
                Chunk::More(bytes) => yield Ok(bytes),
                Chunk::Last(bytes) => {
                    yield Ok(bytes);
                    return;
                }
            }
        }
        yield Err(Interrupted);
    }
}
