//! graphql-transport-ws on axum's WebSocket.
//!
//! [`protocol`] decides, [`socket`] does: it moves frames, runs operations and keeps the clock.

mod close;
mod message;
mod outbox;
mod protocol;
mod socket;

use std::sync::Arc;

use axum::{extract::ws::WebSocketUpgrade, response::Response};

use self::{close::Close, socket::Socket};
use super::Transport;

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What is read from a socket at once. The library fills this whole buffer with zeros at each
/// reading, so a large one costs more than it saves; messages are small.
const READ_BUFFER: usize = 4 * 1024;
/// How much is gathered before it is written. A message larger than this is written by itself.
const WRITE_BUFFER: usize = 16 * 1024;

/// Answers an upgrade. The socket's task is counted from now on: a server that goes down waits for
/// it, although it is started only when the client has seen the answer.
pub(super) fn accept(transport: Arc<Transport>, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(transport.ws.ws_message_limit)
        .max_frame_size(transport.ws.ws_message_limit);
    let is_spoken = upgrade.selected_protocol().is_some();
    let counted = transport.tasks.token();
    upgrade.on_upgrade(move |websocket| async move {
        let _counted = counted;
        let going_down = transport.going_down.clone();
        let mut socket = Socket::new(transport, websocket);
        if !is_spoken {
            socket.close(&Close::SubprotocolNotAcceptable);
        }
        socket.run(going_down).await;
    })
}
