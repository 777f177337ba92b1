//! How a subscription's events come to its client.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    connection::Connection,
    frame::{self, Frame},
    message::{OperationId, ServerMessage},
};
use crate::{
    error::Error,
    graphql::{Closed, Payload, Sink, server_error},
};

/// The sink of one subscription: its events become `next` messages.
#[derive(Debug)]
pub(super) struct NextMessages {
    connection: Arc<Connection>,
    id: OperationId,
    prefix: Arc<str>,
}

impl NextMessages {
    pub(super) fn new(connection: Arc<Connection>, id: OperationId) -> Self {
        let prefix = frame::prefix(&id);
        Self {
            connection,
            id,
            prefix,
        }
    }
}

impl Sink for NextMessages {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        self.connection.offer(&self.prefix, payloads)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.connection.ready().boxed()
    }

    fn fail(&self, error: Error) {
        let message = ServerMessage::Error {
            id: &self.id,
            payload: &[server_error(error)],
        };
        let frame = Frame::text(&message.to_text());
        self.connection.end(self.id.clone(), frame);
    }
}
