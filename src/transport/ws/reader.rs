//! What a client sends: frames into messages (RFC 6455, section 5), by tungstenite.

use axum::body::Bytes;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{close::Close, writer::Connection};

/// What is read from a socket at once. The library keeps this much for each connection, and fills
/// it with zeros at each reading; messages are small.
const READ_BUFFER: usize = 512;

/// Reads the messages of one connection.
#[derive(Debug)]
pub(super) struct Reader {
    frames: WebSocketContext,
    /// The last reading did not come to the end of what there is.
    pub(super) has_more: bool,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    /// A message.
    Message(Message),
    /// Nothing is there yet.
    Nothing,
    /// The client is gone, or has closed.
    End,
    /// The client sent what cannot be read on from.
    Broken(Close),
}

impl Reader {
    /// Messages have at most `limit` bytes. `read` is what was read of the connection before.
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

    /// The next message, without waiting. What the protocol demands for an answer (pongs, the echo
    /// of a close frame) is put behind what waits to be written.
    pub(super) fn read(&mut self, mut connection: &Connection) -> Read {
        let read = self.frames.read(&mut connection);
        self.has_more = read.is_ok();
        match read {
            Ok(message) => {
                if matches!(message, Message::Ping(_) | Message::Close(_)) {
                    // An error comes again at the next reading.
                    let _ = self.frames.flush(&mut connection);
                }
                if matches!(message, Message::Close(_)) {
                    connection.finish();
                }
                Read::Message(message)
            }
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Read::Nothing
            }
            Err(Error::Capacity(_)) => Read::Broken(Close::MessageTooBig),
            Err(Error::Utf8(_)) => Read::Broken(Close::NotText),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Read::End,
            Err(Error::Protocol(_)) => Read::Broken(Close::NotWebSocket),
            Err(_) => Read::End,
        }
    }
}
