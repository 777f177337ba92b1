//! A response that goes on: results are written into its body as they come, and a sign of life where
//! none come. What the bytes are is for a [`Wire`] to say.
//!
//! A task of its own brings the results to the body, through a short queue. It owns the stream of
//! them, and with it the membership of a subscription; so being in the room ends when the client
//! goes, takes nothing for too long, or its token ends, and when the server goes down, whether or
//! not the library that writes the body is waiting for a client that does not read.

use std::{pin::pin, time::Duration};

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
    sync::mpsc,
    time::{sleep, timeout},
};

use super::Transport;
use crate::{
    auth::TokenError,
    error::Error,
    graphql::{Outcome, RequestCode, request_error, server_error},
};

/// How many messages wait for a slow client, before what the library and the system hold of them.
/// Then its stream waits too; what it misses meanwhile it reads from the store.
const QUEUE: usize = 8;
/// How long a client may take to take the last message.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How proxies of nginx's kind are told not to gather the body before they pass it on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How results are written into a body.
pub(super) trait Wire {
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

/// What goes into the body.
enum Piece {
    More(Bytes),
    Last(Bytes),
}

/// The rest of a body is missing.
#[derive(Debug, thiserror::Error)]
#[error("the stream was interrupted")]
struct Interrupted;

/// The body cannot be written into any more: the client is gone, or takes nothing.
struct Stalled;

/// Answers with a stream of these outcomes, for as long as the caller's token lives. A server that
/// goes down ends it.
pub(super) fn respond<W: Wire>(
    transport: &Transport,
    lifetime: Option<Duration>,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    let (pieces, body) = mpsc::channel(QUEUE);
    let going_down = transport.going_down.clone();
    let writer = Writer {
        pieces,
        patience: transport.http.http_write_timeout,
        keep_alive: transport.http.stream_keep_alive,
    };
    transport.tasks.spawn(async move {
        let expired = async {
            match lifetime {
                Some(lifetime) => sleep(lifetime).await,
                None => std::future::pending().await,
            }
        };
        let interrupted = tokio::select! {
            biased;
            () = going_down.cancelled() => {
                let error = ServerError::new("The server restarts: subscribe again.", None);
                request_error(RequestCode::Restarting, error)
            }
            () = expired => {
                let mut error = server_error(Error::Unauthenticated);
                error.message = TokenError::Expired.to_string();
                error
            }
            () = writer.pieces.closed() => return,
            _ = writer.write_all::<W>(outcomes) => return,
        };
        // The outcomes are dropped by now, and the client has left its room.
        if let Ending::Orderly(last) = W::interrupted(&interrupted) {
            let last = Piece::Last(last.into());
            // A client that does not even take this finds its body cut off.
            let _ = timeout(LAST_WORDS, writer.pieces.send(last)).await;
        }
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(W::CONTENT_TYPE)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(pieces_of(body))).into_response()
}

struct Writer {
    pieces: mpsc::Sender<Piece>,
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
        self.write(Piece::More(Bytes::from_static(W::OPENING.as_bytes())))
            .await?;
        loop {
            let bytes = match timeout(self.keep_alive, outcomes.next()).await {
                Ok(Some(outcome)) => W::next(&json(outcome)).into(),
                Ok(None) => break,
                Err(_) => Bytes::from_static(W::HEARTBEAT.as_bytes()),
            };
            self.write(Piece::More(bytes)).await?;
        }
        self.write(Piece::Last(Bytes::from_static(W::COMPLETE.as_bytes())))
            .await
    }

    async fn write(&self, piece: Piece) -> Result<(), Stalled> {
        match timeout(self.patience, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stalled),
        }
    }
}

/// The body: it has an end only where it was given a last piece.
fn pieces_of(mut pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = Result<Bytes, Interrupted>> {
    async_stream::stream! {
        loop {
            match pieces.recv().await {
                Some(Piece::More(bytes)) => yield Ok(bytes),
                Some(Piece::Last(bytes)) => {
                    yield Ok(bytes);
                    return;
                }
                None => {
                    yield Err(Interrupted);
                    return;
                }
            }
        }
    }
}

fn json(outcome: Outcome) -> String {
    match outcome {
        Outcome::Event(payload) => payload.to_string(),
        Outcome::Executed(response) => serde_json::to_string(&response)
            .unwrap_or_else(|error| errors_only(&[server_error(Error::Internal(Box::new(error)))])),
        Outcome::Refused(errors) => errors_only(&errors),
    }
}

fn errors_only(errors: &[ServerError]) -> String {
    serde_json::json!({ "errors": errors }).to_string()
}
