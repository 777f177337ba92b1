//! A reader that behaves like a page with a post open. It follows the comments and the viewer count over
//! graphql-transport-ws, and reconnects with its cursor to this node or another.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::ws_client::{Frame, Socket};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{cluster::token, feed::Feed};

/// Timeout of connecting to a node.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of the reader's pings.
const PING: Duration = Duration::from_secs(1);
/// The silence after which a node is considered gone, and not only slow on a busy machine.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest pause before a reconnect. The first pause is at most a sixteenth of it.
const PAUSE: Duration = Duration::from_millis(1600);

/// The close code of a node that shuts down.
pub(crate) const RESTART: u16 = 1012;

const COMMENTS: &str = "subscription($post: ID!, $after: Cursor) {
    commentAdded(postId: $post, after: $after) { id cursor }
}";
const VIEWERS: &str = "subscription($post: ID!) { viewerCount(postId: $post) }";

/// A reader's behaviour when its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// It reconnects.
    Resume,
    /// It stops.
    Leave,
}

/// A reader's identity. Readers with the same identity count once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Viewer {
    /// An anonymous page of this name.
    Page(String),
    /// A user of this name.
    User(String),
}

/// The state of a reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The number of comments received.
    pub(crate) comments: usize,
    /// The viewer count received, or `None` while the reader is not in the room.
    pub(crate) viewers: Option<u64>,
    /// The node that accepted the reader last.
    pub(crate) node: Option<SocketAddr>,
    /// True once the reader has stopped for good.
    pub(crate) is_over: bool,
}

/// A reader of a post, until the test is over.
pub(crate) struct Reader {
    pub(crate) number: usize,
    pub(crate) viewer: Viewer,
    pub(crate) post: &'static str,
    /// The nodes to connect to, the preferred one first.
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) on_loss: Loss,
    /// The cursor of the last comment received.
    pub(crate) cursor: Value,
    pub(crate) feed: Arc<Feed>,
    pub(crate) seen: watch::Sender<Seen>,
}

/// The end of a connection. The next connection resumes.
type Lost = String;

impl Reader {
    /// Reads until the receiver of its state is dropped.
    pub(crate) async fn read(mut self) {
        let mut failures = 0;
        loop {
            let node = self.nodes[failures % self.nodes.len()];
            match enter(node, &self.viewer).await {
                Some(socket) => {
                    self.seen.send_modify(|seen| seen.node = Some(node));
                    // Any error means the end of the connection.
                    let _lost = self.follow(socket, &mut failures).await;
                }
                None => failures += 1,
            }
            self.seen.send_modify(|seen| seen.viewers = None);
            if self.on_loss == Loss::Leave {
                self.seen.send_modify(|seen| seen.is_over = true);
                return;
            }
            let longest = PAUSE.mul_f64(f64::from(1 << failures.min(4)) / 16.0);
            let pause = longest.mul_f64(fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.seen.closed() => return,
            }
        }
    }

    /// Follows the post over this connection.
    async fn follow(&mut self, mut socket: Socket, failures: &mut usize) -> Result<(), Lost> {
        let variables = json!({"post": self.post, "after": self.cursor});
        send(&mut socket, subscribe("comments", COMMENTS, &variables)).await?;
        send(&mut socket, subscribe("viewers", VIEWERS, &variables)).await?;
        let mut pings = tokio::time::interval(PING);
        let mut deadline = Instant::now() + SILENCE;
        loop {
            let frame = tokio::select! {
                frame = socket.frame() => frame,
                _ = pings.tick() => {
                    send(&mut socket, json!({"type": "ping"})).await?;
                    continue;
                }
                () = tokio::time::sleep_until(deadline) => return Err("silence".into()),
                () = self.seen.closed() => {
                    socket.close().await;
                    return Ok(());
                }
            };
            deadline = Instant::now() + SILENCE;
            match frame {
                Frame::Message(message) => {
                    self.take(&message)?;
                    *failures = 0;
                }
                Frame::Close(code, _) => {
                    self.feed.closed_with(code);
                    if code == RESTART {
                        // A load balancer would avoid this node by now.
                        *failures += 1;
                    }
                    return Err("closed".into());
                }
                Frame::End => return Err("over".into()),
            }
        }
    }

    /// Handles a message of the node.
    fn take(&mut self, message: &Value) -> Result<(), Lost> {
        let of_type = message["type"].as_str().unwrap_or_default();
        let errors = match of_type {
            "pong" => return Ok(()),
            "next" => &message["payload"]["errors"],
            "error" => &message["payload"],
            other => return Err(format!("not looked for: {other}")),
        };
        if let Some(errors) = errors.as_array() {
            for error in errors {
                let code = error.pointer("/extensions/code").and_then(Value::as_str);
                self.feed.failed_with(code.unwrap_or("none"));
            }
            return Err("an error".into());
        }
        let data = &message["payload"]["data"];
        if let Some(added) = data.get("commentAdded") {
            let id = added["id"].as_str().ok_or("no id")?;
            let place = self.seen.borrow().comments;
            self.feed.given(self.number, place, id);
            self.cursor = added["cursor"].clone();
            self.seen.send_modify(|seen| seen.comments += 1);
        } else {
            let viewers = data["viewerCount"].as_u64().ok_or("no number")?;
            self.seen.send_modify(|seen| seen.viewers = Some(viewers));
        }
        Ok(())
    }
}

/// Opens a connection and waits until the node acknowledges it. Returns `None` if it does not.
async fn enter(node: SocketAddr, viewer: &Viewer) -> Option<Socket> {
    let entering = async {
        let mut socket = Socket::try_connect(node).await?;
        let payload = match viewer {
            Viewer::Page(name) => json!({"clientId": name}),
            Viewer::User(name) => json!({"authorization": token(name, Role::Reader)}),
        };
        let init = json!({"type": "connection_init", "payload": payload});
        let is_sent = socket.try_send(init).await;
        let is_welcome = is_sent
            && matches!(
                socket.frame().await,
                Frame::Message(message) if message["type"] == "connection_ack"
            );
        is_welcome.then_some(socket)
    };
    timeout(CONNECT_TIMEOUT, entering).await.ok()?
}

fn subscribe(id: &str, query: &str, variables: &Value) -> Value {
    let payload = json!({"query": query, "variables": variables});
    json!({"id": id, "type": "subscribe", "payload": payload})
}

/// Sends a message. Times out if the node does not read.
async fn send(socket: &mut Socket, message: Value) -> Result<(), Lost> {
    let sent = timeout(SILENCE, socket.try_send(message)).await;
    sent.is_ok_and(|sent| sent)
        .then_some(())
        .ok_or("not sent".into())
}
