//! The read half of a WebSocket: frames into messages (RFC 6455, section 5), by tungstenite.
//!
//! tungstenite reads until it has a whole message. A client that sends empty fragments without end
//! would hold the thread, so a turn reads a bounded number of bytes, and a message takes a bounded
//! number on the wire.

use std::io;

use axum::body::Bytes;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{close::Close, frame::Frame, writer::SocketWriter};
use crate::memory::{Account, Reservation};

/// Size of one read. tungstenite keeps a buffer of this size for each connection and zeroes it at
/// each read, so it is small, as messages are.
const READ_BUFFER: usize = 512;

/// Maximum number of bytes read in one turn.
const TURN_BYTES: usize = 64 * 1024;
/// Size of a part of a message for which no memory is reserved. Most messages are smaller.
const UNRESERVED_BYTES: usize = 4 * 1024;
/// Maximum size of a message on the wire, in sizes of the largest message. A message in fragments of
/// ten bytes takes 1.6 times its size.
const WIRE_FACTOR: usize = 2;

/// Reads the messages of one connection.
#[derive(Debug)]
pub(super) struct Reader {
    frames: WebSocketContext,
    /// The last read returned a message or ended with its turn, so more may have arrived.
    pub(super) has_more: bool,
    /// Number of bytes that may still be read in this turn.
    turn: usize,
    /// Number of bytes read since the last message.
    wire_bytes: usize,
    max_wire_bytes: usize,
    /// The memory of the message that has arrived in part.
    memory: Reservation,
}

/// The connection, as tungstenite reads and writes it in one turn.
struct Turn<'a> {
    writer: &'a SocketWriter,
    bytes_left: &'a mut usize,
    wire_bytes: &'a mut usize,
}

impl io::Read for Turn<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if *self.bytes_left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(*self.bytes_left);
        let read = self.writer.tcp().try_read(&mut buffer[..length])?;
        *self.bytes_left -= read;
        *self.wire_bytes += read;
        Ok(read)
    }
}

/// Queues the frames that tungstenite answers by itself: pongs and the echo of a close frame. It
/// writes whole frames.
impl io::Write for Turn<'_> {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.writer.push(Frame::Own(Bytes::copy_from_slice(frame)));
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The result of a read.
#[derive(Debug)]
pub(super) enum Read {
    /// A message.
    Message(Message),
    /// No whole message has arrived yet.
    Pending,
    /// The client disconnected, or the close handshake is complete.
    End,
    /// The client violated the protocol, so nothing more can be read.
    Broken(Close),
}

fn config(limit: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit))
}

impl Reader {
    /// Creates a reader. Messages have at most `limit` bytes, and their memory is reserved from `account`.
    /// `read` was read from the connection before.
    pub(super) fn new(limit: usize, read: &Bytes, account: &Account) -> Self {
        Self {
            frames: WebSocketContext::from_partially_read(
                read.to_vec(),
                Role::Server,
                Some(config(limit)),
            ),
            has_more: true,
            turn: TURN_BYTES,
            wire_bytes: 0,
            max_wire_bytes: limit.saturating_mul(WIRE_FACTOR) + TURN_BYTES,
            memory: account.empty(),
        }
    }

    /// Begins a turn, in which a bounded number of bytes is read.
    pub(super) fn begin_turn(&mut self) {
        self.turn = TURN_BYTES;
    }

    /// Returns the next message, without waiting. Queues the replies that RFC 6455 demands: pongs
    /// and the echo of a close frame.
    pub(super) fn read(&mut self, writer: &SocketWriter) -> Read {
        let read = self.read_message(writer);
        if matches!(read, Read::Broken(_)) {
            // The connection stays open until its close frame was sent, and needs no buffers for that.
            self.frames = WebSocketContext::new(Role::Server, Some(config(0)));
            self.memory.shrink_to(0);
        }
        read
    }

    fn read_message(&mut self, writer: &SocketWriter) -> Read {
        let mut turn = Turn {
            writer,
            bytes_left: &mut self.turn,
            wire_bytes: &mut self.wire_bytes,
        };
        let read = self.frames.read(&mut turn);
        self.has_more = read.is_ok() || *turn.bytes_left == 0;
        match read {
            Ok(message) => {
                if matches!(message, Message::Ping(_) | Message::Close(_)) {
                    // An error recurs at the next read.
                    let _ = self.frames.flush(&mut turn);
                }
                // A ping or pong may stand between the fragments of a message.
                if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    self.wire_bytes = 0;
                    self.memory.shrink_to(0);
                }
                if matches!(message, Message::Close(_)) {
                    writer.finish();
                }
                Read::Message(message)
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.wire_bytes > self.max_wire_bytes {
                    Read::Broken(Close::MessageTooBig)
                } else if self.reserve() {
                    Read::Pending
                } else {
                    Read::Broken(Close::Overloaded)
                }
            }
            Err(Error::Capacity(_)) => Read::Broken(Close::MessageTooBig),
            Err(Error::Utf8(_)) => Read::Broken(Close::NotText),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Read::End,
            Err(Error::Protocol(_)) => Read::Broken(Close::NotWebSocket),
            Err(_) => Read::End,
        }
    }

    /// Reserves the memory of the part of a message that has arrived. Returns false if there is too
    /// little.
    fn reserve(&mut self) -> bool {
        // tungstenite's buffer doubles when it grows.
        let missing = (self.wire_bytes * 2).saturating_sub(self.memory.bytes());
        self.wire_bytes <= UNRESERVED_BYTES || self.memory.grow(missing).is_ok()
    }
}
