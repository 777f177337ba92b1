//! The write half of a WebSocket, shared by its session and its subscriptions.
//!
//! A message is written to the TCP connection at once if nothing is queued before it. So an event
//! reaches its subscribers without waking each one's session. What the connection does not take
//! waits in the send queue, and the session writes it later.

use std::{io, sync::Arc, time::Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{Notify, Semaphore},
};

use super::{
    frame::{self, Frame},
    message::OperationId,
    send_queue::SendQueue,
};
use crate::graphql::{Closed, Payload, Turn};

/// Maximum size of messages that are sent at once with one system call.
const DIRECT_SEND_BYTES: usize = 2048;

/// The write half of one WebSocket.
#[derive(Debug)]
pub(super) struct SocketWriter {
    tcp: TcpStream,
    state: Mutex<State>,
    /// Wakes the session.
    changed: Notify,
    /// Wakes sinks that wait for capacity.
    has_capacity: Notify,
    /// The permit of the subscription whose turn it is to catch up.
    turn: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    queue: SendQueue,
    phase: Phase,
    /// Operations whose end is queued or sent, and unknown to the session.
    ended: Vec<OperationId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// No more frames are accepted. The last in the queue is a close frame.
    Closing,
    /// The connection is lost.
    Broken,
}

/// The result of a direct send.
#[derive(Clone, Copy, Debug)]
enum Sent {
    All,
    /// The number of bytes sent. The rest must be queued.
    Bytes(usize),
}

/// A snapshot of the writer's state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    /// Frames are queued.
    pub(super) is_waiting: bool,
    /// The queue is at its capacity, so nothing more may be produced.
    pub(super) is_full: bool,
    /// The time at which the client counts as too slow.
    pub(super) deadline: Option<Instant>,
    /// The connection is lost.
    pub(super) is_broken: bool,
}

impl SocketWriter {
    pub(super) fn new(tcp: TcpStream, queue: SendQueue) -> Self {
        Self {
            tcp,
            state: Mutex::new(State {
                queue,
                phase: Phase::Open,
                ended: Vec::new(),
            }),
            changed: Notify::new(),
            has_capacity: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the connection, for readiness.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Accepts `payloads` up to the capacity, as `next` messages that begin with `prefix`, and
    /// returns how many. Writes them at once if nothing is queued.
    pub(super) fn offer(&self, prefix: &Arc<str>, payloads: &[Payload]) -> Result<usize, Closed> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(Closed);
        }
        let lengths = payloads.iter().map(|payload| payload.len());
        let accepted = state.queue.count_fitting(lengths);
        let payloads = &payloads[..accepted];
        let is_first = accepted > 0 && state.queue.is_empty();
        let sent = if is_first {
            self.send(prefix, payloads)
        } else {
            Ok(Sent::Bytes(0))
        };
        match sent {
            Ok(Sent::All) => {}
            Ok(Sent::Bytes(bytes)) => {
                for payload in payloads {
                    state.queue.push(Frame::next(prefix, payload));
                }
                state.queue.advance(bytes);
                if is_first {
                    self.write_queue(&mut state);
                    if !state.queue.is_empty() {
                        self.changed.notify_one();
                    }
                }
            }
            Err(_) => {
                self.break_off(&mut state);
                return Err(Closed);
            }
        }
        Ok(accepted)
    }

    /// Sends small messages with one system call. It bypasses tokio's readiness, because checking
    /// that touches other memory for each socket.
    fn send(&self, prefix: &str, payloads: &[Payload]) -> io::Result<Sent> {
        let mut bytes = SmallVec::<[u8; DIRECT_SEND_BYTES]>::new();
        for payload in payloads {
            if !frame::append_next(prefix, payload, &mut bytes) {
                return Ok(Sent::Bytes(0));
            }
        }
        match SockRef::from(&self.tcp).send(&bytes) {
            Ok(sent) if sent == bytes.len() => Ok(Sent::All),
            Ok(sent) => Ok(Sent::Bytes(sent)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Sent::Bytes(0)),
                _ => Err(error),
            },
        }
    }

    /// Queues a frame that must not be lost, even beyond the capacity. The session writes it.
    pub(super) fn push(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.queue.push(frame);
        }
    }

    /// Queues the frame that ends an operation, and wakes the session to remove the operation.
    pub(super) fn end_operation(&self, id: OperationId, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.queue.push(frame);
            state.ended.push(id);
            self.changed.notify_one();
        }
    }

    /// Returns the operations that ended since the last call.
    pub(super) fn take_ended(&self) -> Vec<OperationId> {
        std::mem::take(&mut self.state.lock().ended)
    }

    /// Drops the queued frames, queues `frame` and accepts no more.
    pub(super) fn close(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.queue.clear();
            state.queue.push(frame);
        }
        drop(state);
        self.has_capacity.notify_waiters();
    }

    /// Queues `frame` after the queued frames and accepts no more.
    pub(super) fn close_after_queue(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.queue.push(frame);
        }
        drop(state);
        self.has_capacity.notify_waiters();
    }

    /// Accepts no more frames, because the answer to the client's close frame is queued.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.has_capacity.notify_waiters();
    }

    /// Drops the queue and accepts no more frames, because the session that writes them has ended.
    pub(super) fn abandon(&self) {
        self.break_off(&mut self.state.lock());
    }

    /// Writes queued frames, as many as the connection takes now.
    pub(super) fn write(&self) {
        let mut state = self.state.lock();
        if !state.queue.is_empty() {
            self.write_queue(&mut state);
        }
    }

    /// Returns a snapshot of the state.
    pub(super) fn backlog(&self) -> Backlog {
        let state = self.state.lock();
        Backlog {
            is_waiting: !state.queue.is_empty(),
            is_full: !state.queue.has_capacity(),
            deadline: state.queue.deadline(),
            is_broken: state.phase == Phase::Broken,
        }
    }

    /// Waits until a sink has changed something that concerns the session.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the queue has capacity, or accepts no more frames.
    pub(super) async fn ready(&self) {
        loop {
            let mut has_capacity = std::pin::pin!(self.has_capacity.notified());
            has_capacity.as_mut().enable();
            {
                let state = self.state.lock();
                if state.phase != Phase::Open || state.queue.has_capacity() {
                    return;
                }
            }
            has_capacity.await;
        }
    }

    /// Waits for a subscription's turn to catch up.
    pub(super) async fn turn(&self) -> Turn {
        let permit = Arc::clone(&self.turn).acquire_owned().await;
        permit.map(Turn::new).unwrap_or_default()
    }

    fn write_queue(&self, state: &mut State) {
        let was_full = !state.queue.has_capacity();
        let written = state
            .queue
            .write(|slices| self.tcp.try_write_vectored(slices));
        if written.is_err() {
            self.break_off(state);
        } else if was_full && state.queue.has_capacity() {
            self.has_capacity.notify_waiters();
        }
    }

    fn break_off(&self, state: &mut State) {
        state.phase = Phase::Broken;
        state.queue.clear();
        self.has_capacity.notify_waiters();
        self.changed.notify_one();
    }
}
