//! The half of a socket to which everybody writes who has something for its client.
//!
//! Whoever has a message writes it into the TCP connection at once, if nothing waits before it. So
//! an event reaches its subscribers without waking the task of each. What the connection does not
//! take waits in the outbox, for the socket's task to write it on.

use std::{io, sync::Arc};

use axum::body::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::{net::TcpStream, sync::Notify};

use super::{
    frame::{self, Frame},
    message::OperationId,
    send_queue::Outbox,
};
use crate::graphql::{Closed, Payload};

/// One connection, shared by its socket's task and the subscriptions whose events it carries.
#[derive(Debug)]
pub(super) struct Connection {
    tcp: TcpStream,
    state: Mutex<State>,
    /// Wakes the socket's task.
    changed: Notify,
    /// Wakes those who wait for room.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    phase: Phase,
    /// Operations whose end the client was told of, and the socket's task was not.
    ended: Vec<OperationId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The close frame is the last.
    Closing,
    /// The connection takes nothing any more.
    Broken,
}

/// How many bytes are gathered to be sent with one call.
const SENT_AT_ONCE: usize = 2048;

/// What became of messages that were to be sent at once.
#[derive(Clone, Copy, Debug)]
enum Sent {
    All,
    /// So many bytes of them; the rest waits.
    Bytes(usize),
}

/// How it stands with what is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    /// Something waits.
    pub(super) is_waiting: bool,
    /// Nothing more is to be produced.
    pub(super) is_full: bool,
    /// When the client has taken nothing for too long.
    pub(super) deadline: Option<std::time::Instant>,
    /// The connection takes nothing any more.
    pub(super) is_broken: bool,
}

impl Connection {
    pub(super) fn new(tcp: TcpStream, outbox: Outbox) -> Self {
        Self {
            tcp,
            state: Mutex::new(State {
                outbox,
                phase: Phase::Open,
                ended: Vec::new(),
            }),
            changed: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// The connection, to be read from.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Takes payloads, as many as there is room for, as `next` messages that begin with `prefix`,
    /// and writes them at once if nothing waits before them.
    pub(super) fn offer(&self, prefix: &Arc<str>, payloads: &[Payload]) -> Result<usize, Closed> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(Closed);
        }
        let lengths = payloads.iter().map(|payload| payload.len());
        let taken = state.outbox.room_for(lengths);
        let payloads = &payloads[..taken];
        let is_first = taken > 0 && state.outbox.is_empty();
        let sent = if is_first {
            self.send(prefix, payloads)
        } else {
            Ok(Sent::Bytes(0))
        };
        match sent {
            Ok(Sent::All) => {}
            Ok(Sent::Bytes(bytes)) => {
                for payload in payloads {
                    state.outbox.push(Frame::next(prefix, payload));
                }
                state.outbox.took(bytes);
                if is_first {
                    self.write_out(&mut state);
                    if !state.outbox.is_empty() {
                        self.changed.notify_one();
                    }
                }
            }
            Err(_) => {
                self.break_off(&mut state);
                return Err(Closed);
            }
        }
        Ok(taken)
    }

    /// Sends small messages with one call of the system, past the readiness that tokio keeps:
    /// asking that costs a look into memory of its own.
    fn send(&self, prefix: &str, payloads: &[Payload]) -> io::Result<Sent> {
        let mut bytes = SmallVec::<[u8; SENT_AT_ONCE]>::new();
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

    /// Takes a frame that must not be lost, be there room or not. The socket's task writes it.
    pub(super) fn push(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.outbox.push(frame);
        }
    }

    /// Takes the frame with which an operation ends, and has the socket's task forget it.
    pub(super) fn end(&self, id: OperationId, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.outbox.push(frame);
            state.ended.push(id);
            self.changed.notify_one();
        }
    }

    /// The operations that were ended since this was last asked.
    pub(super) fn take_ended(&self) -> Vec<OperationId> {
        std::mem::take(&mut self.state.lock().ended)
    }

    /// Forgets what waits, and takes nothing behind this frame.
    pub(super) fn close(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.outbox.clear();
            state.outbox.push(frame);
        }
        drop(state);
        self.emptied.notify_waiters();
    }

    /// Takes nothing behind this frame, which comes behind what waits.
    pub(super) fn close_behind(&self, frame: Frame) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.outbox.push(frame);
        }
        drop(state);
        self.emptied.notify_waiters();
    }

    /// Takes nothing behind what waits: the client's own close frame has been answered.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.emptied.notify_waiters();
    }

    /// Takes nothing any more: there is nobody left to write it.
    pub(super) fn abandon(&self) {
        self.break_off(&mut self.state.lock());
    }

    /// Writes what waits, as much as the connection takes now.
    pub(super) fn write(&self) {
        let mut state = self.state.lock();
        if !state.outbox.is_empty() {
            self.write_out(&mut state);
        }
    }

    /// How it stands with what is to be written.
    pub(super) fn backlog(&self) -> Backlog {
        let state = self.state.lock();
        Backlog {
            is_waiting: !state.outbox.is_empty(),
            is_full: !state.outbox.has_room(),
            deadline: state.outbox.deadline(),
            is_broken: state.phase == Phase::Broken,
        }
    }

    /// Waits until somebody else than the socket's task changed something.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until there is room, or nothing is taken any more.
    pub(super) async fn ready(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            {
                let state = self.state.lock();
                if state.phase != Phase::Open || state.outbox.has_room() {
                    return;
                }
            }
            emptied.await;
        }
    }

    fn write_out(&self, state: &mut State) {
        let was_full = !state.outbox.has_room();
        let written = state
            .outbox
            .write(|slices| self.tcp.try_write_vectored(slices));
        if written.is_err() {
            self.break_off(state);
        } else if was_full && state.outbox.has_room() {
            self.emptied.notify_waiters();
        }
    }

    fn break_off(&self, state: &mut State) {
        state.phase = Phase::Broken;
        state.outbox.clear();
        self.emptied.notify_waiters();
        self.changed.notify_one();
    }
}

/// What the library that reads frames answers by itself: pongs and the echo of a close frame. It
/// writes whole frames.
impl io::Write for &Connection {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.push(Frame::Own(Bytes::copy_from_slice(frame)));
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for &Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.try_read(buffer)
    }
}
