//! A reader with a post open, as a page has it: it follows the comments and the number of readers over
//! graphql-transport-ws, and comes back with its cursor, to this node or another.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use causerie::model::Role;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{cluster::token, feed::Feed};

/// How long a node may take to take a reader in.
const WELCOME: Duration = Duration::from_secs(3);
/// How often a reader asks whether the node is still there.
const PING: Duration = Duration::from_secs(1);
/// How long a node may say nothing before it is taken for gone.
const SILENCE: Duration = Duration::from_secs(4);
/// The longest pause before the next attempt; the first is at most a sixteenth of it.
const PAUSE: Duration = Duration::from_millis(1600);

/// The close code of a node that goes down.
pub(crate) const RESTART: u16 = 1012;

const COMMENTS: &str = "subscription($post: ID!, $after: Cursor) {
    commentAdded(postId: $post, after: $after) { id cursor }
}";
const VIEWERS: &str = "subscription($post: ID!) { viewerCount(postId: $post) }";

/// What a reader does when its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// It comes back.
    Resume,
    /// It has seen enough.
    Leave,
}

/// Who reads: readers with the same viewer count once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Viewer {
    /// An anonymous page of this name.
    Page(String),
    /// A user of this name.
    User(String),
}

/// How it stands with a reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How many comments it has.
    pub(crate) comments: usize,
    /// How many readers it is shown: nothing while it is not in the room.
    pub(crate) viewers: Option<u64>,
    /// The node that it was last taken in by.
    pub(crate) node: Option<SocketAddr>,
    /// It has left for good.
    pub(crate) is_over: bool,
}

/// Someone who reads a post until the test is over.
pub(crate) struct Reader {
    pub(crate) number: usize,
    pub(crate) viewer: Viewer,
    pub(crate) post: &'static str,
    /// Where it goes, the node that it likes best first.
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) on_loss: Loss,
    /// The place behind which it was given everything.
    pub(crate) cursor: Value,
    pub(crate) feed: Arc<Feed>,
    pub(crate) seen: watch::Sender<Seen>,
}

/// Any error is the connection's: the next one goes on where this ended.
type Lost = Box<dyn std::error::Error + Send + Sync>;

type Socket = WebSocketStream<TcpStream>;

impl Reader {
    /// Reads until nobody looks at it any more.
    pub(crate) async fn read(mut self) {
        let mut failures = 0;
        loop {
            let node = self.nodes[failures % self.nodes.len()];
            match enter(node, &self.viewer).await {
                Ok(socket) => {
                    self.seen.send_modify(|seen| seen.node = Some(node));
                    // Any error is the end of the connection.
                    let _lost = self.follow(socket, &mut failures).await;
                }
                Err(_) => failures += 1,
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
                frame = socket.next() => frame.ok_or("over")??,
                _ = pings.tick() => {
                    send(&mut socket, json!({"type": "ping"})).await?;
                    continue;
                }
                () = tokio::time::sleep_until(deadline) => return Err("silence".into()),
                () = self.seen.closed() => {
                    socket.close(None).await?;
                    return Ok(());
                }
            };
            deadline = Instant::now() + SILENCE;
            match frame {
                Message::Text(text) => {
                    self.take(&serde_json::from_str(&text)?)?;
                    *failures = 0;
                }
                Message::Close(frame) => {
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    self.feed.closed_with(code);
                    if code == RESTART {
                        // A balancer would know by now where not to send it.
                        *failures += 1;
                    }
                    return Err("closed".into());
                }
                _ => {}
            }
        }
    }

    /// Takes what the node says.
    fn take(&mut self, message: &Value) -> Result<(), Lost> {
        let of_type = message["type"].as_str().unwrap_or_default();
        let errors = match of_type {
            "pong" => return Ok(()),
            "next" => &message["payload"]["errors"],
            "error" => &message["payload"],
            other => return Err(format!("not looked for: {other}").into()),
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

/// A connection on which the node has said that it takes the reader.
async fn enter(node: SocketAddr, viewer: &Viewer) -> Result<Socket, Lost> {
    let entering = async {
        let mut request = format!("ws://{node}/graphql").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let connection = TcpStream::connect(node).await?;
        let (mut socket, _) = client_async(request, connection).await?;
        let payload = match viewer {
            Viewer::Page(name) => json!({"clientId": name}),
            Viewer::User(name) => json!({"authorization": token(name, Role::Reader)}),
        };
        send(
            &mut socket,
            json!({"type": "connection_init", "payload": payload}),
        )
        .await?;
        loop {
            match socket.next().await.ok_or("over")?? {
                Message::Text(text) if text.contains("connection_ack") => return Ok(socket),
                Message::Ping(_) => {}
                other => return Err(format!("no welcome: {other}").into()),
            }
        }
    };
    tokio::time::timeout(WELCOME, entering).await?
}

fn subscribe(id: &str, query: &str, variables: &Value) -> Value {
    let payload = json!({"query": query, "variables": variables});
    json!({"id": id, "type": "subscribe", "payload": payload})
}

/// Never waits long for a node that takes nothing.
async fn send(socket: &mut Socket, message: Value) -> Result<(), Lost> {
    let sent = socket.send(Message::text(message.to_string()));
    Ok(tokio::time::timeout(SILENCE, sent).await??)
}
