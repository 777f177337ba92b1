//! What waits to be written to one socket: a bounded queue, and how long it has not moved.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::extract::ws::Message;
use futures_util::Sink;

/// With how many bytes the queue is full, however few messages they are. The last message may go
/// over it.
const MAX_BYTES: usize = 64 * 1024;

/// The queue before a socket. Whoever fills it asks [`is_full`](Self::is_full) first, and stops
/// reading and producing until it is not: so a client that does not read is not read either.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Message>,
    /// How many bytes the messages of the queue have.
    bytes: usize,
    limit: usize,
    patience: Duration,
    /// Messages were handed to the socket and not yet flushed.
    is_unflushed: bool,
    /// How many answers to pings the library has put into the socket and not yet flushed.
    pongs: usize,
    /// When the socket last took something, or when there was first something to take.
    moved_at: Option<Instant>,
}

impl Outbox {
    /// At most `limit` messages wait, and none for longer than `patience` without the socket taking
    /// anything.
    pub(super) fn new(limit: usize, patience: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            limit,
            patience,
            is_unflushed: false,
            pongs: 0,
            moved_at: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() + self.pongs >= self.limit || self.bytes >= MAX_BYTES
    }

    /// Whether something waits to be written or flushed.
    pub(super) fn has_work(&self) -> bool {
        self.is_unflushed || !self.queue.is_empty()
    }

    /// Puts a message behind the others.
    pub(super) fn push(&mut self, message: Message, now: Instant) {
        self.moved_at.get_or_insert(now);
        self.bytes += size(&message);
        self.queue.push_back(message);
    }

    /// The library has answered a ping of the client's. Its answers wait like any other message,
    /// but in the library, which would let them pile up for a client that does not read.
    pub(super) fn has_ponged(&mut self, now: Instant) {
        self.moved_at.get_or_insert(now);
        self.pongs += 1;
        self.is_unflushed = true;
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    /// When the client has taken nothing for too long; `None` where nothing waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.moved_at.map(|at| at + self.patience)
    }

    /// Hands everything to the socket and flushes once: many messages, one write. Ready when
    /// nothing waits any more. What it did before it was pending stays done.
    pub(super) fn poll_write<S>(
        &mut self,
        mut sink: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Sink<Message>,
    {
        while !self.queue.is_empty() {
            ready!(sink.as_mut().poll_ready(context))?;
            if let Some(message) = self.queue.pop_front() {
                self.bytes -= size(&message);
                sink.as_mut().start_send(message)?;
                self.is_unflushed = true;
                self.moved_at = Some(Instant::now());
            }
        }
        if self.is_unflushed {
            ready!(sink.poll_flush(context))?;
            self.is_unflushed = false;
            self.pongs = 0;
        }
        self.moved_at = None;
        Poll::Ready(Ok(()))
    }
}

fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}
