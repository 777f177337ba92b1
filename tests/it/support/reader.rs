//! A reader that loses its connection and resumes at its cursor.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use super::{Frame, Socket, within};

/// The pause before a reconnect.
const PAUSE: Duration = Duration::from_millis(10);

const FOLLOW: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { id body cursor }
}";

/// A reader of `hello` that holds every comment received, over all its connections.
pub(crate) struct Reader {
    address: SocketAddr,
    after: Value,
    socket: Option<Socket>,
}

impl Reader {
    /// Creates a reader that begins after this cursor.
    pub(crate) fn new(address: SocketAddr, after: Value) -> Self {
        Self {
            address,
            after,
            socket: None,
        }
    }

    /// Reads until the comment with this text, and returns the ids and texts of all comments received.
    pub(crate) async fn read_until(mut self, last: &str) -> (Vec<String>, Vec<String>) {
        let (mut ids, mut bodies) = (Vec::new(), Vec::new());
        while bodies.last().is_none_or(|body| body != last) {
            let (id, body) = within("another comment", self.next()).await;
            ids.push(id);
            bodies.push(body);
        }
        (ids, bodies)
    }

    /// Returns the id and text of the next comment, over as many connections as it takes.
    async fn next(&mut self) -> (String, String) {
        loop {
            let Some(socket) = &mut self.socket else {
                self.socket = self.connect().await;
                if self.socket.is_none() {
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            };
            let Frame::Message(mut message) = socket.frame().await else {
                self.socket = None;
                continue;
            };
            let mut comment = message["payload"]["data"]["commentAdded"].take();
            if let (Some(id), Some(body)) = (comment["id"].as_str(), comment["body"].as_str()) {
                let seen = (id.to_owned(), body.to_owned());
                self.after = comment["cursor"].take();
                return seen;
            }
        }
    }

    /// Connects and subscribes. Returns `None` if the server is down or refuses the socket.
    async fn connect(&self) -> Option<Socket> {
        let mut socket = Socket::try_connect(self.address).await?;
        let init = json!({"type": "connection_init"});
        let payload = json!({"query": FOLLOW, "variables": {"after": self.after}});
        let subscribe = json!({"id": "s", "type": "subscribe", "payload": payload});
        let is_sent = socket.try_send(init).await && socket.try_send(subscribe).await;
        is_sent.then_some(socket)
    }
}
