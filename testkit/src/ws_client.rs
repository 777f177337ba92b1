//! A client over WebSocket that writes its frames by hand. It knows RFC 6455, and of graphql-transport-ws
//! only what the test says.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role},
    },
};

use crate::wait::within;

/// A frame, or the end, received from a server.
#[derive(Debug)]
pub enum Frame {
    /// A message of the protocol.
    Message(Value),
    /// A close frame: its code and reason.
    Close(u16, String),
    /// The end of the connection, without a close frame.
    End,
}

/// Returns an upgrade request (RFC 6455, section 4.1), with the key of the RFC's own example.
pub fn upgrade_request(subprotocols: Option<&str>) -> String {
    let offer = subprotocols.map_or_else(String::new, |list| {
        format!("Sec-WebSocket-Protocol: {list}\r\n")
    });
    format!(
        "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    )
}

/// Reads the head of an answer, and no byte of its body. Returns `None` if the connection ends before.
pub async fn head(connection: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).expect("text"))
}

/// A connected WebSocket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The subprotocol that the server chose.
    subprotocol: Option<String>,
    /// The number of calls of [`settle`](Self::settle), each of which has its own mark.
    marks: u64,
}

impl Socket {
    /// Connects, and offers graphql-transport-ws.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, Some("graphql-transport-ws")).await
    }

    /// Connects and offers these subprotocols, a list as in the header, or none.
    pub async fn connect_with(address: SocketAddr, subprotocols: Option<&str>) -> Self {
        let connection = TcpStream::connect(address).await.expect("a connection");
        connection.set_nodelay(true).expect("set");
        Self::upgrade(connection, upgrade_request(subprotocols).as_bytes()).await
    }

    /// Connects, or returns `None` if no server accepts the socket.
    pub async fn try_connect(address: SocketAddr) -> Option<Self> {
        let mut connection = TcpStream::connect(address).await.ok()?;
        let request = upgrade_request(Some("graphql-transport-ws"));
        connection.write_all(request.as_bytes()).await.ok()?;
        let head = head(&mut connection).await?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 101 ") {
            return None;
        }
        Some(Self {
            stream: WebSocketStream::from_raw_socket(connection, Role::Client, None).await,
            subprotocol: None,
            marks: 0,
        })
    }

    /// Performs the handshake by hand: a library would refuse an answer without a subprotocol, but its close
    /// frame is under test. Frames may follow the request at once.
    pub async fn upgrade(mut connection: TcpStream, request: &[u8]) -> Self {
        connection.write_all(request).await.expect("sent");
        let head = head(&mut connection).await.expect("an answer");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "no upgrade: {head}");
        Self {
            stream: WebSocketStream::from_raw_socket(connection, Role::Client, None).await,
            subprotocol: head
                .lines()
                .find_map(|line| line.strip_prefix("sec-websocket-protocol: "))
                .map(str::to_owned),
            marks: 0,
        }
    }

    /// Returns the subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sends `connection_init` and reads the acknowledgement.
    pub async fn init(&mut self, payload: Value) {
        self.send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(self.message().await, json!({"type": "connection_ack"}));
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a message. Returns false if the connection is lost.
    pub async fn try_send(&mut self, message: Value) -> bool {
        let message = Message::text(message.to_string());
        self.stream.send(message).await.is_ok()
    }

    /// Sends a frame.
    pub async fn send_frame(&mut self, frame: Message) {
        self.stream.send(frame).await.expect("sent");
    }

    /// Sends raw bytes, which should be frames.
    pub async fn send_bytes(&mut self, frames: &[u8]) {
        let connection = self.stream.get_mut();
        connection.write_all(frames).await.expect("sent");
    }

    /// Sends these messages in one write, so the server has read the last one before it acts on the first.
    pub async fn send_together(&mut self, messages: impl IntoIterator<Item = Value>) {
        for message in messages {
            let frame = Message::text(message.to_string());
            self.stream.feed(frame).await.expect("fed");
        }
        self.stream.flush().await.expect("sent");
    }

    /// Starts an operation, whose results come as messages of this id.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload}))
            .await;
    }

    /// Ends the operation of this id.
    pub async fn complete(&mut self, id: &str) {
        self.send(json!({"id": id, "type": "complete"})).await;
    }

    /// Sends a protocol ping and reads up to its pong, so the server has handled everything sent before.
    /// Returns the messages in between.
    pub async fn settle(&mut self) -> Vec<Value> {
        self.marks += 1;
        let mark = json!({"mark": self.marks});
        self.send(json!({"type": "ping", "payload": mark})).await;
        let mut between = Vec::new();
        loop {
            let message = self.message().await;
            if message == json!({"type": "pong", "payload": mark}) {
                return between;
            }
            between.push(message);
        }
    }

    /// Returns the next frame. WebSocket pings and pongs are skipped, because the library answers them.
    pub async fn next(&mut self) -> Frame {
        within("a frame", self.frame()).await
    }

    /// Like [`next`](Self::next), but waits as long as it takes. Cancel safe.
    pub async fn frame(&mut self) -> Frame {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Frame::Message(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return match frame {
                        Some(CloseFrame { code, reason }) => {
                            Frame::Close(code.into(), reason.to_string())
                        }
                        None => Frame::End,
                    };
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("an unexpected frame: {other:?}"),
                Some(Err(Error::Protocol(_) | Error::Io(_))) | None => return Frame::End,
                Some(Err(error)) => panic!("a broken socket: {error}"),
            }
        }
    }

    /// Returns the next message.
    pub async fn message(&mut self) -> Value {
        match self.next().await {
            Frame::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Returns the data of the next message, which must be a `next` of this id without errors.
    pub async fn data(&mut self, id: &str) -> Value {
        let mut message = self.message().await;
        assert_eq!(
            (
                &message["type"],
                &message["id"],
                message["payload"].get("errors")
            ),
            (&json!("next"), &json!(id), None),
            "{message}"
        );
        message["payload"]["data"].take()
    }

    /// Returns the code and reason of the server's close frame, and skips messages before it.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Frame::Message(_) => {}
                Frame::Close(code, reason) => return (code, reason),
                Frame::End => panic!("no close frame"),
            }
        }
    }

    /// Closes as a well-behaved client does.
    pub async fn close(mut self) {
        self.stream.close(None).await.expect("closed");
    }

    /// Drops the connection without a close frame.
    pub fn vanish(self) {
        drop(self.stream);
    }

    /// Returns the connection itself, for tests that misuse it.
    pub fn into_inner(self) -> WebSocketStream<TcpStream> {
        self.stream
    }
}
