//! HTTP/1.1 over a kept connection, one request after another.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// Timeout of any socket operation, after which the run fails.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// The error of a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("HTTP: {0}")]
    Io(#[from] io::Error),
    #[error("HTTP: {0}")]
    Head(#[from] httparse::Error),
    #[error("HTTP: a chunk's length cannot be read")]
    Chunk,
    #[error("HTTP: the server closed the connection before it answered")]
    Closed,
    #[error("HTTP: {status}: {body}")]
    Refused { status: u16, body: String },
}

impl Response {
    /// Returns the response if it is 200 without GraphQL errors.
    pub fn accepted(self) -> Result<Self, HttpError> {
        let has_errors = memchr::memmem::find(&self.body, br#""errors":"#).is_some();
        if self.status == 200 && !has_errors {
            return Ok(self);
        }
        Err(HttpError::Refused {
            status: self.status,
            body: String::from_utf8_lossy(&self.body)
                .chars()
                .take(300)
                .collect(),
        })
    }
}

/// Returns a POST of JSON. `headers` are whole lines, each with its line break.
pub fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    is_waiting: bool,
}

impl Connection {
    /// Opens a connection for [`Self::call`].
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            is_waiting: false,
        })
    }

    /// Makes [`Self::receive`] nonblocking.
    pub fn nonblocking(self) -> io::Result<Self> {
        self.stream.set_nonblocking(true)?;
        Ok(self)
    }

    /// Returns true if an answer is outstanding.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Sends a request. The last one must have been answered.
    pub fn send(&mut self, request: &[u8]) -> Result<(), HttpError> {
        assert!(!self.is_waiting, "one request at a time");
        self.is_waiting = true;
        Ok(self.stream.write_all(request)?)
    }

    /// Reads once, and returns the answer if it is complete.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Response>, HttpError> {
        match self.stream.read(buffer) {
            Ok(0) => return Err(HttpError::Closed),
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some((response, end)) = parse(&self.received)? else {
            return Ok(None);
        };
        self.received.drain(..end);
        self.is_waiting = false;
        Ok(Some(response))
    }

    /// Sends a request and waits for its answer.
    pub fn call(&mut self, request: &[u8]) -> Result<Response, HttpError> {
        self.send(request)?;
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(response) = self.receive(&mut buffer)? {
                return response.accepted();
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Parses the first answer of `bytes` and returns it with its length. Returns `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Response, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes)? else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let status = head.code.unwrap_or_default();
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        let body = chunks(&bytes[start..])?;
        return Ok(body.map(|(body, length)| (Response { status, body }, start + length)));
    }
    let length: usize = header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let body = bytes.get(start..start + length);
    Ok(body.map(|body| {
        let body = body.to_vec();
        (Response { status, body }, start + length)
    }))
}

/// Parses a chunked body and returns it with its length.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| HttpError::Chunk)?;
        let httparse::Status::Complete((start, length)) = parsed else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| HttpError::Chunk)?;
        let start = at + start;
        // A line break ends each chunk, and the empty list of trailers after the last one.
        let Some(chunk) = bytes.get(start..start + length + 2) else {
            return Ok(None);
        };
        body.extend_from_slice(&chunk[..length]);
        at = start + length + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_is_parsed_only_once_complete() {
        let plain: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked: &[u8] =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        for bytes in [plain, chunked] {
            for cut in 0..bytes.len() {
                assert!(parse(&bytes[..cut]).unwrap().is_none());
            }
            let followed = [bytes, b"HTTP/1.1 "].concat();
            let (response, end) = parse(&followed).unwrap().unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.body, b"hello");
            assert_eq!(end, bytes.len());
        }
    }

    #[test]
    fn response_with_errors_is_not_accepted() {
        let answer = |status, body: &str| Response {
            status,
            body: body.into(),
        };
        assert!(answer(200, r#"{"data":{}}"#).accepted().is_ok());
        assert!(answer(200, r#"{"errors":[]}"#).accepted().is_err());
        assert!(answer(500, "").accepted().is_err());
    }
}
