//! The half of a socket to which everybody writes who has something for its client.
//!
//! Whoever has a message writes it into the TCP connection at once, if nothing waits before it. So
//! an event reaches its subscribers without waking the task of each. What the connection does not
//! take waits in the outbox, for the socket's task to write it on.

use std::io;

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::{net::TcpStream, sync::Notify};

use super::{
    frame::Frame,
    message::OperationId,
    outbox::{Outbox, Written},
};
use crate::graphql::Closed;

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

    /// Takes frames in order, as many as there is room for, and writes them at once if nothing
    /// waits before them.
    pub(super) fn offer(
        &self,
        frames: impl ExactSizeIterator<Item = Frame>,
    ) -> Result<usize, Closed> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(Closed);
        }
        let was_empty = state.outbox.is_empty();
        let taken = state.outbox.room().min(frames.len());
        for frame in frames.take(taken) {
            state.outbox.push(frame);
        }
        if was_empty && self.write_out(&mut state) != Some(Written::All) {
            self.changed.notify_one();
        }
        Ok(taken)
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
            is_full: state.outbox.room() == 0,
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
                if state.phase != Phase::Open || state.outbox.room() > 0 {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// `None` where the connection takes nothing any more.
    fn write_out(&self, state: &mut State) -> Option<Written> {
        let was_full = state.outbox.room() == 0;
        let written = state
            .outbox
            .write(|slices| self.tcp.try_write_vectored(slices));
        let is_broken = written.is_err();
        if is_broken {
            state.phase = Phase::Broken;
            state.outbox.clear();
        }
        if is_broken || (was_full && state.outbox.room() > 0) {
            self.emptied.notify_waiters();
        }
        written.ok()
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
