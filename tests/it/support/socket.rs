//! A client over WebSocket that writes its frames by hand: it knows RFC 6455, and of
//! graphql-transport-ws only what the test says.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server sends.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A message of the protocol.
    Message(Value),
    /// A close frame: its code and reason.
    Close(u16, String),
    /// The connection is over, without a close frame.
    End,
}

/// A connected WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, Some("graphql-transport-ws")).await
    }

    /// Offers this subprotocol, or none.
    pub(crate) async fn connect_with(address: SocketAddr, subprotocol: Option<&str>) -> Self {
        let connection = TcpStream::connect(address).await.expect("a connection");
        Self::over(connection, subprotocol).await
    }

    /// Shakes hands over this connection.
    pub(crate) async fn over(connection: TcpStream, subprotocol: Option<&str>) -> Self {
        let address = connection.peer_addr().expect("an address");
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .expect("a request");
        if let Some(subprotocol) = subprotocol {
            let value = subprotocol.parse().expect("a header");
            request
                .headers_mut()
                .insert("sec-websocket-protocol", value);
        }
        // A client that asked for a subprotocol and is given none takes that for an error; here
        // the server's close frame is what is looked at.
        let stream = match client_async(request, connection).await {
            Ok((stream, _)) => stream,
            Err(error) => panic!("no upgrade: {error}"),
        };
        Self { stream }
    }

    /// Sends `connection_init` and takes the acknowledgement.
    pub(crate) async fn init(&mut self, payload: Value) {
        self.send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(self.message().await, json!({"type": "connection_ack"}));
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_frame(&mut self, frame: Message) {
        self.stream.send(frame).await.expect("sent");
    }

    /// Subscribes to anything; what it sends comes as messages of this id.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload}))
            .await;
    }

    pub(crate) async fn complete(&mut self, id: &str) {
        self.send(json!({"id": id, "type": "complete"})).await;
    }

    /// Sends a ping of the protocol and takes everything up to its answer: what was sent before it
    /// has been looked at by the server. Returns what came in between.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        let mark = json!({"mark": uuid::Uuid::new_v4().to_string()});
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

    /// What comes next, pings and pongs of WebSocket left out; the library answers those.
    pub(crate) async fn next(&mut self) -> Frame {
        // Of the frame that is waited for: pings do not count.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let next = tokio::time::timeout_at(deadline, self.stream.next()).await;
            match next.expect("waited in vain for a frame") {
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

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Frame::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The data of the next message, which must be a `next` of this id without errors.
    pub(crate) async fn data(&mut self, id: &str) -> Value {
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

    /// The code and reason with which the server closes, with whatever messages before.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Frame::Message(_) => {}
                Frame::Close(code, reason) => return (code, reason),
                Frame::End => panic!("no close frame"),
            }
        }
    }

    /// Closes as a well-behaved client does.
    pub(crate) async fn close(mut self) {
        self.stream.close(None).await.expect("closed");
    }

    /// Gives up the connection without a close frame.
    pub(crate) fn vanish(self) {
        drop(self.stream);
    }

    /// The connection itself, to be treated badly.
    pub(crate) fn into_inner(self) -> WebSocketStream<TcpStream> {
        self.stream
    }
}
