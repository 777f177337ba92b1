//! A reader's connection: a WebSocket, or the stream of an HTTP answer. It blocks a thread, and can do what the
//! client of `testkit` cannot: reset its connection, and read slowly.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use load::{
    frame::{self, FrameError, Opcode},
    http::HttpError,
};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};

/// Timeout of an answer of the server.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The bytes that a slow reader reads at once, and its pause afterwards.
const SLOWLY: (usize, Duration) = (512, Duration::from_millis(100));
/// The receive buffer of a slow reader, in bytes.
const SMALL_BUFFER: usize = 4096;

/// A failure of the server.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("the server ended a reader: {0}")]
    Ended(String),
    #[error("the server said: {0}")]
    Said(String),
    #[error("comment {got} came where {due} was due: lost, repeated or out of order")]
    Order { got: u32, due: u32 },
    #[error("a silent socket is still open")]
    StillOpen,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Sse,
}

pub struct Line {
    tcp: TcpStream,
    transport: Transport,
    is_slow: bool,
    received: Vec<u8>,
}

/// A reader's request: the GraphQL of one subscription.
pub struct Request<'a> {
    pub document: &'a str,
    pub variables: Value,
}

impl Line {
    pub fn open(
        address: SocketAddr,
        transport: Transport,
        requests: &[Request<'_>],
        is_slow: bool,
    ) -> Result<Self, Fault> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        if is_slow {
            setsockopt(&tcp, sockopt::RcvBuf, &SMALL_BUFFER).map_err(io::Error::from)?;
        }
        let mut line = Self {
            tcp,
            transport,
            is_slow,
            received: Vec::new(),
        };
        match transport {
            Transport::WebSocket => line.open_websocket(requests)?,
            Transport::Sse => line.open_sse(&requests[0])?,
        }
        Ok(line)
    }

    fn open_websocket(&mut self, requests: &[Request<'_>]) -> Result<(), Fault> {
        self.tcp.write_all(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
        )?;
        self.head("HTTP/1.1 101")?;
        self.say(&json!({"type": "connection_init"}))?;
        match self.next(Instant::now() + TIMEOUT)? {
            Some(message) if message["type"] == "connection_ack" => {}
            other => return Err(Fault::Said(format!("{other:?}"))),
        }
        for (number, request) in requests.iter().enumerate() {
            let payload = json!({"query": request.document, "variables": request.variables});
            let id = number.to_string();
            self.say(&json!({"type": "subscribe", "id": id, "payload": payload}))?;
        }
        Ok(())
    }

    /// Opens the stream with HTTP/1.0, which has no chunks, so the body is the stream itself.
    fn open_sse(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let body = json!({"query": request.document, "variables": request.variables}).to_string();
        write!(
            self.tcp,
            "POST /graphql HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.head("HTTP/1.0 200")
    }

    fn head(&mut self, expected: &str) -> Result<(), Fault> {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head).into_owned();
                return match head.starts_with(expected) {
                    true => Ok(()),
                    false => Err(Fault::Said(head)),
                };
            }
            if !self.read(until)? {
                return Err(Fault::Said("nothing".to_owned()));
            }
        }
    }

    /// Returns the next message, or the `next` message that an event stands for. Returns `None` if none came
    /// before `until`.
    pub fn next(&mut self, until: Instant) -> Result<Option<Value>, Fault> {
        loop {
            let next = match self.transport {
                Transport::WebSocket => self.next_frame()?,
                Transport::Sse => self.next_event()?,
            };
            if next.is_some() {
                return Ok(next);
            }
            if !self.read(until)? {
                return Ok(None);
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<Value>, Fault> {
        loop {
            let Some((frame, length)) = frame::parse(&self.received)? else {
                return Ok(None);
            };
            let (opcode, payload) = (frame.opcode, frame.payload.to_vec());
            self.received.drain(..length);
            match opcode {
                Opcode::Text => return Ok(Some(parsed(&payload)?)),
                Opcode::Ping => self.send(Opcode::Pong, &payload)?,
                Opcode::Pong => {}
                Opcode::Close => {
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                    return Err(Fault::Ended(reason.into_owned()));
                }
            }
        }
    }

    fn next_event(&mut self) -> Result<Option<Value>, Fault> {
        loop {
            let Some(end) = memchr::memmem::find(&self.received, b"\n\n") else {
                return Ok(None);
            };
            let event: Vec<u8> = self.received.drain(..end + 2).collect();
            // A comment keeps the connection open, and has no data.
            let Some(data) = event.strip_prefix(b"event: next\ndata: ") else {
                continue;
            };
            return Ok(Some(
                json!({"type": "next", "id": "0", "payload": parsed(data)?}),
            ));
        }
    }

    /// Reads once. Returns true if bytes came before `until`.
    fn read(&mut self, until: Instant) -> Result<bool, Fault> {
        let mut buffer = [0; 16 * 1024];
        let mut most = buffer.len();
        if self.is_slow {
            let (bytes, rest) = SLOWLY;
            std::thread::sleep(rest);
            most = bytes;
        }
        let left = until.saturating_duration_since(Instant::now());
        // A timeout of zero would mean no timeout.
        self.tcp
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match self.tcp.read(&mut buffer[..most]) {
            Ok(0) => Err(Fault::Ended("the end".to_owned())),
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                Ok(Instant::now() < until)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(Fault::Ended("a reset".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn say(&mut self, message: &Value) -> Result<(), Fault> {
        self.send(Opcode::Text, message.to_string().as_bytes())
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Fault> {
        let mut frames = Vec::new();
        frame::push(&mut frames, opcode, payload);
        Ok(self.tcp.write_all(&frames)?)
    }

    /// Completes its subscriptions, and waits until the server has processed that.
    pub fn complete(&mut self, subscriptions: usize) -> Result<(), Fault> {
        for number in 0..subscriptions {
            self.say(&json!({"type": "complete", "id": number.to_string()}))?;
        }
        self.say(&json!({"type": "ping"}))?;
        let until = Instant::now() + TIMEOUT;
        while let Some(message) = self.next(until)? {
            if message["type"] == "pong" {
                return Ok(());
            }
        }
        Err(Fault::Said("no pong".to_owned()))
    }

    /// Closes with a close frame.
    pub fn close(mut self) -> Result<(), Fault> {
        self.send(Opcode::Close, &1000_u16.to_be_bytes())
    }

    /// Closes with a TCP reset.
    pub fn reset(self) -> Result<(), Fault> {
        let at_once = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        Ok(setsockopt(&self.tcp, sockopt::Linger, &at_once).map_err(io::Error::from)?)
    }

    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Reads what came so far, and returns true if the server has closed the connection.
    pub fn is_closed(&mut self) -> Result<bool, Fault> {
        let mut buffer = [0; 16 * 1024];
        self.tcp.set_nonblocking(true)?;
        loop {
            match self.tcp.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn parsed(text: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(text).map_err(|_| Fault::Said(String::from_utf8_lossy(text).into()))
}
