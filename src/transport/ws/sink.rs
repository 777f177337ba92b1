//! The sink of a subscription on a WebSocket.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    frame::{self, Frame},
    message::{OperationId, ServerMessage},
    writer::SocketWriter,
};
use crate::{
    error::Error,
    graphql::{Closed, Payload, Sink, Turn, server_error},
};

/// A sink that sends the payloads of one subscription as `next` messages.
#[derive(Debug)]
pub(super) struct NextMessages {
    writer: Arc<SocketWriter>,
    id: OperationId,
    prefix: Arc<str>,
}

impl NextMessages {
    pub(super) fn new(writer: Arc<SocketWriter>, id: OperationId) -> Self {
        let prefix = frame::next_prefix(&id);
        Self { writer, id, prefix }
    }
}

impl Sink for NextMessages {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        self.writer.offer(&self.prefix, payloads)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.writer.ready().boxed()
    }

    fn turn(&self) -> BoxFuture<'_, Turn> {
        self.writer.turn().boxed()
    }

    fn fail(&self, error: Error) {
        let message = ServerMessage::Error {
            id: &self.id,
            payload: &[server_error(error)],
        };
        let frame = Frame::text(&message.to_text());
        self.writer.end_operation(self.id.clone(), frame);
    }
}
