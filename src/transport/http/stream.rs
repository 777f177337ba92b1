//! A response that goes on: results are written into its body as they come, and a sign of life where
//! none come. What the bytes are is for a [`Wire`] to say.
//!
//! A task of its own brings the results to the body, through a short queue. It owns the stream of
//! them, and with it the membership of a subscription; so being in the room ends when the client
//! goes, takes nothing for too long, or its token ends, and when the server goes down, whether or
//! not the library that writes the body is waiting for a client that does not read.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

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
    graphql::{Outcome, RequestCode, request_error, server_error},
    metrics::Lasting,
    moderation::BanWatch,
    shutdown::ConnectionHandle,
    transport::Transport,
};

/// How many pieces wait for a slow client, and how many bytes of them (the last may go over that),
/// besides what the library and the system hold. Then its stream waits too; what it misses meanwhile
/// it reads from the store.
const QUEUE: usize = 32;
const QUEUE_BYTES: u32 = 64 * 1024;
/// How long a client may take to take the last message.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How proxies of nginx's kind are told not to gather the body before they pass it on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How results are written into a body.
pub(super) trait Wire {
    /// What a subscription's stream is counted as.
    const LASTING: Lasting;
    /// The response's media type.
    const CONTENT_TYPE: &'static str;
    /// What the body begins with.
    const OPENING: &'static str;
    /// A sign of life.
    const HEARTBEAT: &'static str;
    /// What follows the last result of an operation that is over.
    const COMPLETE: &'static str;

    /// A result, which is JSON.
    fn next(result: &str) -> String;

    /// How the body ends where the operation is not over.
    fn interrupted(why: &ServerError) -> Ending;
}

/// How the body of an operation ends that is not over.
pub(super) enum Ending {
    /// With these last words.
    Orderly(String),
    /// In its midst, as HTTP allows one to be (RFC 9112, section 8): the client sees that the rest is
    /// missing.
    CutOff,
}

/// For how long an operation may be answered.
pub(super) enum Lifetime {
    /// For as long as it takes: it ends by itself, and a server that goes down waits for it.
    OfItsOwn,
    /// A subscription's: until its moment comes where the server goes down, or the caller's token is no
    /// good any more.
    OfSubscription(ConnectionHandle, Option<Token>),
}

/// The token of whoever subscribes.
pub(super) struct Token {
    /// How far away its end is.
    pub(super) lifetime: Duration,
    /// Tells of its user's ban.
    pub(super) ban: BanWatch,
}

/// What goes into the body, with its place among the bytes that may wait.
struct Piece {
    text: Text,
    _room: OwnedSemaphorePermit,
}

enum Text {
    More(Bytes),
    Last(Bytes),
}

impl Text {
    fn len(&self) -> usize {
        match self {
            Self::More(bytes) | Self::Last(bytes) => bytes.len(),
        }
    }
}

/// The rest of a body is missing.
#[derive(Debug, thiserror::Error)]
#[error("the stream was interrupted")]
struct Interrupted;

/// The body cannot be written into any more: the client is gone, or takes nothing.
struct Stalled;

/// Answers with a stream of these outcomes.
pub(super) fn respond<W: Wire>(
    transport: &Transport,
    lifetime: Lifetime,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    let metrics = Arc::clone(&transport.metrics);
    let counted = lifetime.is_lasting().then(|| metrics.connected(W::LASTING));
    let (pieces, body) = mpsc::channel(QUEUE);
    let writer = Writer {
        pieces,
        room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
        patience: transport.http.http_write_timeout,
        keep_alive: transport.http.stream_keep_alive,
    };
    transport.tasks.spawn(async move {
        let _counted = counted;
        let end = lifetime.end();
        let why = tokio::select! {
            biased;
            why = end => why,
            () = writer.pieces.closed() => return,
            written = writer.write_all::<W>(outcomes) => {
                if written.is_err() && !writer.pieces.is_closed() {
                    metrics.slow.increment(1);
                }
                return;
            }
        };
        // The outcomes are dropped by now, and the client has left its room.
        if let Ending::Orderly(last) = W::interrupted(&why) {
            // A client that does not even take this finds its body cut off.
            let _ = timeout(LAST_WORDS, writer.write(Text::Last(last.into()))).await;
        }
    });
    headed::<W>(bytes_of(body))
}

/// Answers with a stream that is cut off before it has said anything.
pub(super) fn broken_off<W: Wire>() -> Response {
    headed::<W>(async_stream::stream! {
        yield Ok(Bytes::from_static(W::OPENING.as_bytes()));
        // The library writes what there is where it has to wait; without that it would write nothing,
        // not even the status.
        tokio::task::yield_now().await;
        yield Err(Interrupted);
    })
}

fn headed<W: Wire>(
    bytes: impl Stream<Item = Result<Bytes, Interrupted>> + Send + 'static,
) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(W::CONTENT_TYPE)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(bytes)).into_response()
}

impl Lifetime {
    /// Whether it has no end of its own.
    fn is_lasting(&self) -> bool {
        matches!(self, Self::OfSubscription(..))
    }

    /// Waits for the end, and says why it has come.
    async fn end(self) -> ServerError {
        let Self::OfSubscription(guest, token) = self else {
            return pending().await;
        };
        let refused = async {
            let Some(Token { lifetime, ban }) = token else {
                return pending().await;
            };
            tokio::select! {
                biased;
                () = ban.banned() => response::banned(),
                () = sleep(lifetime) => {
                    let mut error = server_error(Error::Unauthenticated);
                    error.message = TokenError::Expired.to_string();
                    error
                }
            }
        };
        tokio::select! {
            () = guest.deadline() => request_error(RequestCode::Restarting, response::restart()),
            error = refused => error,
        }
    }
}

struct Writer {
    pieces: mpsc::Sender<Piece>,
    /// How many bytes may still wait.
    room: Arc<Semaphore>,
    /// How long the client may take nothing.
    patience: Duration,
    /// How long the body may be silent.
    keep_alive: Duration,
}

impl Writer {
    /// Writes until the outcomes end.
    async fn write_all<W: Wire>(
        &self,
        outcomes: impl Stream<Item = Outcome> + Send,
    ) -> Result<(), Stalled> {
        let mut outcomes = pin!(outcomes);
        let fixed = |text: &'static str| Bytes::from_static(text.as_bytes());
        self.write(Text::More(fixed(W::OPENING))).await?;
        loop {
            let bytes = match timeout(self.keep_alive, outcomes.next()).await {
                Ok(Some(outcome)) => W::next(&response::text_of(outcome)).into(),
                Ok(None) => break,
                Err(_) => fixed(W::HEARTBEAT),
            };
            self.write(Text::More(bytes)).await?;
        }
        self.write(Text::Last(fixed(W::COMPLETE))).await
    }

    async fn write(&self, text: Text) -> Result<(), Stalled> {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let written = async {
            let room = Arc::clone(&self.room);
            let room = room.acquire_many_owned(length.min(QUEUE_BYTES)).await;
            let piece = Piece {
                text,
                _room: room.map_err(|_| Stalled)?,
            };
            self.pieces.send(piece).await.map_err(|_| Stalled)
        };
        timeout(self.patience, written)
            .await
            .unwrap_or(Err(Stalled))
    }
}

/// The body: it has an end only where it was given a last piece.
fn bytes_of(mut pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = Result<Bytes, Interrupted>> {
    async_stream::stream! {
        while let Some(piece) = pieces.recv().await {
            match piece.text {
                Text::More(bytes) => yield Ok(bytes),
                Text::Last(bytes) => {
                    yield Ok(bytes);
                    return;
                }
            }
        }
        yield Err(Interrupted);
    }
}
