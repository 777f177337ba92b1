//! The read half of a WebSocket: frames into messages (RFC 6455, section 5), by tungstenite.

use axum::body::Bytes;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{close::Close, writer::SocketWriter};

/// Size of one read. tungstenite keeps a buffer of this size for each connection and zeroes it at
/// each read, so it is small, as messages are.
const READ_BUFFER: usize = 512;

/// Reads the messages of one connection.
#[derive(Debug)]
pub(super) struct Reader {
    frames: WebSocketContext,
    /// The last read returned a message, so more may be buffered.
    pub(super) has_more: bool,
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

impl Reader {
    /// Creates a reader. Messages have at most `limit` bytes; `read` was read from the connection
    /// before.
    pub(super) fn new(limit: usize, read: &Bytes) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        Self {
            frames: WebSocketContext::from_partially_read(
                read.to_vec(),
                Role::Server,
                Some(config),
            ),
            has_more: true,
        }
    }

    /// Returns the next message, without waiting. Queues the replies that RFC 6455 demands: pongs
    /// and the echo of a close frame.
    pub(super) fn read(&mut self, mut writer: &SocketWriter) -> Read {
        let read = self.frames.read(&mut writer);
        self.has_more = read.is_ok();
        match read {
            Ok(message) => {
                if matches!(message, Message::Ping(_) | Message::Close(_)) {
                    // An error recurs at the next read.
                    let _ = self.frames.flush(&mut writer);
                }
                if matches!(message, Message::Close(_)) {
                    writer.finish();
                }
                Read::Message(message)
            }
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Read::Pending
            }
            Err(Error::Capacity(_)) => Read::Broken(Close::MessageTooBig),
            Err(Error::Utf8(_)) => Read::Broken(Close::NotText),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Read::End,
            Err(Error::Protocol(_)) => Read::Broken(Close::NotWebSocket),
            Err(_) => Read::End,
        }
    }
}
