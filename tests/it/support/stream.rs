//! A streamed response, read by hand chunk by chunk, because the tests are about which bytes have arrived.

use std::{fmt::Write, net::SocketAddr};

use serde_json::Value;
use testkit::ws_client::head;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::within;

/// A request over HTTP/1.1, written by hand.
#[derive(Clone)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    /// Creates an operation by POST.
    pub(crate) fn post(query: &str, variables: Value) -> Self {
        Self {
            line: "POST /graphql HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: serde_json::json!({"query": query, "variables": variables}).to_string(),
        }
        .with("content-type", "application/json")
    }

    /// Creates a GET request with these parameters.
    pub(crate) fn get(parameters: &[(&str, &str)]) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        Self {
            line: format!("GET /graphql?{query} HTTP/1.1"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends it to the endpoint's path with a trailing slash.
    pub(crate) fn slashed(mut self) -> Self {
        self.line = self.line.replacen("/graphql", "/graphql/", 1);
        self
    }

    /// Sends it with another method.
    pub(crate) fn by(mut self, method: &str) -> Self {
        self.line = self.line.replacen("POST", method, 1);
        self
    }

    pub(crate) fn accepting(self, accept: &str) -> Self {
        self.with("accept", accept)
    }

    pub(crate) fn with_token(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    fn text(&self) -> String {
        let mut text = format!("{}\r\nhost: localhost\r\n", self.line);
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").expect("a text");
        }
        let length = self.body.len();
        write!(text, "content-length: {length}\r\n\r\n{}", self.body).expect("a text");
        text
    }
}

/// The next item in a chunked body (RFC 9112, section 7.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// A chunk.
    Text(String),
    /// The last chunk: the body is complete.
    Last,
    /// The end of the connection before the last chunk: the body is incomplete.
    CutOff,
}

/// A server-sent event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A streamed response.
pub(crate) struct Streaming {
    connection: TcpStream,
    head: String,
    /// Bytes that are not yet part of a complete chunk.
    read: Vec<u8>,
    /// Text of chunks that was not consumed yet.
    text: String,
}

impl Streaming {
    pub(crate) async fn open(address: SocketAddr, request: &Request) -> Self {
        let connection = TcpStream::connect(address).await.expect("a connection");
        Self::open_on(connection, request).await
    }

    pub(crate) async fn open_on(mut connection: TcpStream, request: &Request) -> Self {
        let request = request.text();
        connection
            .write_all(request.as_bytes())
            .await
            .expect("sent");
        let head = within("a head", head(&mut connection)).await;
        Self {
            connection,
            head: head.expect("an answer"),
            read: Vec::new(),
            text: String::new(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).expect("a status");
        status.parse().expect("a number")
    }

    /// Returns the value of a header, by its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (head, value) = line.split_once(": ")?;
            head.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Returns the next chunk as it was sent.
    pub(crate) async fn chunk(&mut self) -> Chunk {
        within("a chunk", async {
            loop {
                if let Some(chunk) = self.take_chunk() {
                    return chunk;
                }
                if !matches!(self.connection.read_buf(&mut self.read).await, Ok(1..)) {
                    return Chunk::CutOff;
                }
            }
        })
        .await
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        let line = self.read.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(&self.read[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let (begin, end) = (line + 2, line + 2 + size);
        let chunk = self.read.get(begin..end + 2)?;
        assert_eq!(&chunk[size..], b"\r\n");
        let text = String::from_utf8(chunk[..size].to_vec()).expect("text");
        self.read.drain(..end + 2);
        Some(if size == 0 {
            Chunk::Last
        } else {
            Chunk::Text(text)
        })
    }

    /// Reads text up to and including `mark`, which must come.
    pub(crate) async fn read_until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.text.find(mark) {
                let rest = self.text.split_off(at + mark.len());
                return std::mem::replace(&mut self.text, rest);
            }
            match self.chunk().await {
                Chunk::Text(text) => self.text += &text,
                end => panic!("no {mark:?} before {end:?} in {:?}", self.text),
            }
        }
    }

    /// Returns the next server-sent event and skips comments.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let block = self.read_until("\n\n").await;
            if block.starts_with(':') {
                continue;
            }
            let mut event = Event {
                name: String::new(),
                id: None,
                data: Value::Null,
            };
            for line in block.trim_end_matches('\n').lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => event.name = name.to_owned(),
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("data", "")) => {}
                    Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
                    _ => panic!("an unexpected line: {line:?}"),
                }
            }
            return event;
        }
    }

    /// Returns the data of the next server-sent event, which must be a result without errors.
    pub(crate) async fn event_data(&mut self) -> Value {
        let mut event = self.event().await;
        assert_eq!(
            (event.name.as_str(), event.data.get("errors")),
            ("next", None),
            "{event:?}"
        );
        event.data["data"].take()
    }

    /// Returns the next part that is no heartbeat and whose delimiter has arrived.
    pub(crate) async fn part(&mut self) -> Value {
        loop {
            let part = self.read_until("\r\n--graphql").await;
            let part = part.trim_end_matches("\r\n--graphql");
            if part.is_empty() {
                // Nothing precedes the first delimiter.
                continue;
            }
            let (head, body) = part.split_once("\r\n\r\n").expect("a head");
            assert_eq!(head, "\r\nContent-Type: application/json");
            let body: Value = serde_json::from_str(body).expect("JSON");
            if body != serde_json::json!({}) {
                return body;
            }
        }
    }

    /// Returns the data of the next part, which must be a result without errors.
    pub(crate) async fn part_data(&mut self) -> Value {
        let mut part = self.part().await;
        assert_eq!(
            (part.get("errors"), part["payload"].get("errors")),
            (None, None),
            "{part}"
        );
        part["payload"]["data"].take()
    }

    /// Reads the rest of the text, and returns it with the end of the body.
    pub(crate) async fn rest(&mut self) -> (String, Chunk) {
        let mut text = std::mem::take(&mut self.text);
        loop {
            match self.chunk().await {
                Chunk::Text(more) => text += &more,
                end => return (text, end),
            }
        }
    }

    /// Drops the connection.
    pub(crate) fn vanish(self) {
        drop(self.connection);
    }
}
