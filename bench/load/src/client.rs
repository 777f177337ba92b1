//! A subscriber: its socket, what it has received, and the check of what it should have received. The
//! client of `testkit` would cost too much: thousands of these run on one thread, whose CPU time is measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use crate::{
    comment::{self, Numbers},
    frame::{self, Frame, FrameError, Opcode},
    protocol::{Answer, Protocol, SubscriptionIds, json_of},
};

/// A failure of a client. Any failure fails the run.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("the server closed the connection{0}")]
    Closed(String),
    #[error("the server did not take the WebSocket: {0}")]
    NotUpgraded(String),
    #[error("the server said: {0}")]
    Protocol(String),
    #[error("comment {got} came where {due} was due: lost, repeated or out of order")]
    Order { got: u32, due: u32 },
    #[error("comment {0} came before it was published")]
    Unpublished(u32),
    #[error("a comment is not what was asked for: {0}")]
    Incomplete(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Joining,
    Joined,
}

/// The totals of all clients.
#[derive(Default)]
pub struct Tally {
    /// The number of clients in the room.
    pub joined: usize,
    /// The number of frames of all kinds.
    pub frames: u64,
    /// The number of comments that arrived.
    pub deliveries: u64,
    /// The bytes of the messages that carried them.
    pub message_bytes: u64,
    /// The number of clients that have the newest comment.
    pub have_newest: usize,
    /// The latency of each delivery in nanoseconds, from the time at which the comment was due to be sent.
    /// They are recorded for each node if the phase measures them.
    pub latencies: Option<Vec<Vec<u64>>>,
    /// The time at which each comment was due to be sent, by its number.
    due: Vec<Instant>,
}

impl Tally {
    /// Returns the number of the next comment, which is due to be sent at `due`.
    pub fn announce(&mut self, due: Instant) -> u32 {
        self.due.push(due);
        self.have_newest = 0;
        u32::try_from(self.due.len() - 1).expect("fewer comments than that")
    }

    fn deliver(
        &mut self,
        node: usize,
        number: u32,
        length: usize,
        at: Instant,
    ) -> Result<(), Fault> {
        let place = number as usize;
        let due = self.due.get(place).ok_or(Fault::Unpublished(number))?;
        if let Some(latencies) = &mut self.latencies {
            let latency = at.saturating_duration_since(*due).as_nanos();
            latencies[node].push(u64::try_from(latency).unwrap_or(u64::MAX));
        }
        self.deliveries += 1;
        self.message_bytes += length as u64;
        self.have_newest += usize::from(place + 1 == self.due.len());
        Ok(())
    }
}

/// A subscriber.
pub struct Client {
    stream: TcpStream,
    /// The index of its node.
    node: usize,
    stage: Stage,
    ids: SubscriptionIds,
    /// The number of the next comment. `None` until the first one, which may have any number.
    due: Option<u32>,
    /// The beginning of an incomplete frame or head.
    pending: Vec<u8>,
}

impl Client {
    /// Connects with a node, and requests the WebSocket.
    pub fn connect(node: usize, address: SocketAddr, protocol: &Protocol) -> Result<Self, Fault> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        stream.write_all(protocol.upgrade().as_bytes())?;
        Ok(Self {
            stream,
            node,
            stage: Stage::Upgrading,
            ids: SubscriptionIds::new(),
            due: None,
            pending: Vec::new(),
        })
    }

    /// Reads once, and processes all complete frames.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        protocol: &Protocol,
        numbers: &Numbers,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(Fault::Closed(String::new())),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let at = Instant::now();
        let mut take =
            |client: &mut Self, bytes: &[u8]| client.take(bytes, at, protocol, numbers, tally);
        if self.pending.is_empty() {
            let taken = take(self, &buffer[..length])?;
            self.pending.extend_from_slice(&buffer[taken..length]);
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(&buffer[..length]);
            let taken = take(self, &pending)?;
            pending.drain(..taken);
            self.pending = pending;
        }
        Ok(())
    }

    /// Processes complete frames, and returns their length in bytes.
    fn take(
        &mut self,
        bytes: &[u8],
        at: Instant,
        protocol: &Protocol,
        numbers: &Numbers,
        tally: &mut Tally,
    ) -> Result<usize, Fault> {
        let mut taken = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return Ok(0);
            };
            taken = end + 4;
            if !protocol.is_upgraded(&bytes[..taken]) {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                return Err(Fault::NotUpgraded(head));
            }
            self.stage = Stage::Joining;
            self.say(&Vec::from_iter(protocol.opening()))?;
        }
        while let Some((frame, length)) = frame::parse(&bytes[taken..])? {
            taken += length;
            tally.frames += 1;
            self.receive(&frame, at, protocol, numbers, tally)?;
        }
        Ok(taken)
    }

    fn receive(
        &mut self,
        frame: &Frame<'_>,
        at: Instant,
        protocol: &Protocol,
        numbers: &Numbers,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        match frame.opcode {
            Opcode::Text => {}
            Opcode::Ping => return self.send(Opcode::Pong, frame.payload),
            Opcode::Pong => return Ok(()),
            Opcode::Close => return Err(Fault::Closed(reason(frame.payload))),
        }
        if let Some(number) = numbers.find(frame.payload) {
            self.check(number, frame.payload, protocol)?;
            return tally.deliver(self.node, number, frame.payload.len(), at);
        }
        let message = String::from_utf8_lossy(frame.payload);
        let answer = match self.stage {
            Stage::Joined => protocol.stay(&self.ids, &message),
            Stage::Joining | Stage::Upgrading => protocol.join(&self.ids, &message),
        };
        match answer.map_err(Fault::Protocol)? {
            Answer::Nothing => Ok(()),
            Answer::Send(messages) => self.say(&messages),
            Answer::Joined => {
                self.stage = Stage::Joined;
                tally.joined += 1;
                Ok(())
            }
        }
    }

    /// Checks that each comment comes exactly once and in order, and that the first one has every field.
    fn check(&mut self, number: u32, message: &[u8], protocol: &Protocol) -> Result<(), Fault> {
        match self.due {
            Some(due) if due != number => return Err(Fault::Order { got: number, due }),
            Some(_) => {}
            None => {
                let parsed = serde_json::from_slice(json_of(message)).unwrap_or_default();
                let comment = protocol.comment(&self.ids, &parsed);
                if !comment::is_complete(&comment, number) {
                    let message = String::from_utf8_lossy(message).into_owned();
                    return Err(Fault::Incomplete(message));
                }
            }
        }
        self.due = Some(number + 1);
        Ok(())
    }

    /// Sends messages with one write.
    fn say(&mut self, messages: &[String]) -> Result<(), Fault> {
        let mut frames = Vec::new();
        for message in messages {
            frame::push(&mut frames, Opcode::Text, message.as_bytes());
        }
        // Small enough for the socket's buffer.
        Ok(self.stream.write_all(&frames)?)
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Fault> {
        let mut frames = Vec::new();
        frame::push(&mut frames, opcode, payload);
        Ok(self.stream.write_all(&frames)?)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Returns a close frame's code and reason.
fn reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!(": {code} {}", String::from_utf8_lossy(reason))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::comment::body;

    /// Returns a client in the room, and the server's end of its socket.
    fn joined() -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = Client::connect(0, address, &Protocol::SocketIo).unwrap();
        client.stage = Stage::Joined;
        let mut server = listener.accept().unwrap().0;
        // Unread bytes would turn the close into a reset.
        let mut request = vec![0; Protocol::SocketIo.upgrade().len()];
        server.read_exact(&mut request).unwrap();
        (client, server)
    }

    fn event(number: u32) -> Vec<u8> {
        let body = body(number);
        let text = format!(
            r#"42["comment",{{"id":"1","body":"{body}","createdAt":"now","author":{{"name":"a","avatar":"b"}}}}]"#
        );
        let mut bytes = vec![0x81, 126];
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    /// Returns the client's result for bytes that come in pieces of this length.
    fn receive(numbers: &[u32], published: u32, piece: usize) -> Result<Tally, Fault> {
        let (mut client, mut server) = joined();
        let mut tally = Tally {
            latencies: Some(vec![Vec::new()]),
            ..Tally::default()
        };
        for _ in 0..published {
            tally.announce(Instant::now());
        }
        let stream: Vec<u8> = numbers.iter().flat_map(|number| event(*number)).collect();
        server.write_all(&stream).unwrap();
        drop(server);
        client.stream.set_nonblocking(false).unwrap();
        let mut buffer = vec![0; piece];
        loop {
            match client.read(
                &mut buffer,
                &Protocol::SocketIo,
                &Numbers::new(),
                &mut tally,
            ) {
                Ok(()) => {}
                Err(Fault::Closed(_)) => return Ok(tally),
                Err(fault) => return Err(fault),
            }
        }
    }

    #[test]
    fn ordered_comments_are_counted_however_the_stream_is_split() {
        for piece in [1, 7, 100, 301, 10_000] {
            let tally = receive(&[3, 4, 5], 6, piece).unwrap();
            assert_eq!(tally.deliveries, 3);
            assert_eq!(tally.have_newest, 1);
            assert_eq!(tally.latencies.unwrap()[0].len(), 3);
            assert_eq!(tally.message_bytes, 3 * (event(0).len() as u64 - 4));
        }
    }

    #[test]
    fn lost_repeated_or_misplaced_comment_is_a_fault() {
        for (numbers, got, due) in [([0, 2], 2, 1), ([0, 0], 0, 1), ([1, 0], 0, 2)] {
            match receive(&numbers, 3, 10_000) {
                Err(Fault::Order { got: g, due: d }) => assert_eq!((g, d), (got, due)),
                _ => panic!("{numbers:?} went through"),
            }
        }
    }

    #[test]
    fn unpublished_comment_is_a_fault() {
        assert!(matches!(
            receive(&[0, 1], 1, 10_000),
            Err(Fault::Unpublished(1))
        ));
    }
}
