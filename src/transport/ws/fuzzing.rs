//! Fuzzing entry points: a client of graphql-transport-ws that sends arbitrary bytes.

use std::{
    collections::HashSet,
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use tungstenite::Message;

use super::{
    close::Close,
    message::OperationId,
    protocol::{Action, Limits, Protocol},
    reader::{Read, Reader},
    send_queue::{Capacity, SendQueue},
    writer::SocketWriter,
};
use crate::memory::Account;

const LIMITS: Limits = Limits {
    init_timeout: Duration::from_secs(3),
    ping_interval: Duration::from_secs(12),
    operation_limit: 4,
};
const MESSAGE_LIMIT: usize = 4096;

/// A connection, with a model of its state to check the protocol against.
struct Observed {
    protocol: Protocol,
    now: Instant,
    is_acknowledged: bool,
    active: HashSet<OperationId>,
    is_closed: bool,
}

impl Observed {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            protocol: Protocol::new(LIMITS, now),
            now,
            is_acknowledged: false,
            active: HashSet::new(),
            is_closed: false,
        }
    }

    fn text(&mut self, text: &str) {
        self.protocol.record_activity();
        let action = self.protocol.on_text(text);
        self.act(action);
    }

    fn wait(&mut self, seconds: u8) {
        self.now += Duration::from_secs(seconds.into());
        let is_due = self.protocol.deadline() <= self.now;
        let action = self.protocol.on_timeout(self.now);
        assert!(is_due || action.is_none(), "{action:?} before its time");
        self.act(action);
    }

    fn finish(&mut self) {
        if let Some(id) = self.active.iter().next().cloned() {
            self.protocol.finish(&id);
            self.active.remove(&id);
        }
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            Some(Action::Authenticate(_)) => {
                assert!(!self.is_acknowledged, "initialised twice");
                self.protocol
                    .acknowledge(Some(self.now + Duration::from_secs(60)));
                self.is_acknowledged = true;
            }
            Some(Action::Start(id, _)) => {
                assert!(self.is_acknowledged, "started before the acknowledgement");
                assert!(self.active.insert(id), "an id was used twice");
                assert!(self.active.len() <= LIMITS.operation_limit, "too many");
            }
            Some(Action::RefuseUnreadable(id, _)) => assert!(!self.active.contains(&id)),
            Some(Action::Refuse(id)) => {
                assert!(!self.active.contains(&id) && self.active.len() == LIMITS.operation_limit);
            }
            Some(Action::Stop(id)) => assert!(self.active.remove(&id), "stopped what was not"),
            Some(Action::Close(close)) => self.close(&close),
            Some(Action::Disconnect) => self.is_closed = true,
            Some(Action::Renew(_)) => assert!(self.is_acknowledged, "renewed what was not there"),
            Some(Action::Pong(_) | Action::Ping) | None => {}
        }
        for id in &self.active {
            assert!(self.protocol.is_active(id), "an operation was forgotten");
        }
    }

    fn close(&mut self, close: &Close) {
        let code = close.code();
        assert!(matches!(code, 1002 | 1007 | 1009 | 4400..=4429), "{code}");
        assert!(close.reason().len() <= 123, "too long a reason");
        self.is_closed = true;
    }
}

/// Runs the protocol on a script. A line is `+` and a byte (that many seconds pass), `-` (an
/// operation ends), or a message.
pub fn protocol(bytes: &[u8]) {
    let mut observed = Observed::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        match line {
            [b'+', seconds, ..] => observed.wait(*seconds),
            [b'-', ..] => observed.finish(),
            message => observed.text(&String::from_utf8_lossy(message)),
        }
        if observed.is_closed {
            return;
        }
    }
}

/// Runs the reader and the protocol on the bytes after a handshake: frames, whole or not.
pub fn frames(bytes: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let Some(tcp) = silent() else {
            return;
        };
        let capacity = Capacity {
            messages: 32,
            bytes: 64 * 1024,
        };
        let writer = SocketWriter::new(tcp, SendQueue::new(capacity, Duration::from_secs(10)));
        let memory = Account::separate(MESSAGE_LIMIT);
        let mut reader = Reader::new(MESSAGE_LIMIT, &Bytes::copy_from_slice(bytes), &memory);
        let mut observed = Observed::new();
        while !observed.is_closed {
            match reader.read(&writer) {
                Read::Message(Message::Text(text)) => {
                    assert!(text.len() <= MESSAGE_LIMIT, "a message beyond the limit");
                    observed.text(&text);
                }
                Read::Message(Message::Binary(_)) => {
                    let action = observed.protocol.on_binary();
                    observed.act(Some(action));
                }
                Read::Message(_) => {}
                Read::Pending | Read::End => return,
                Read::Broken(close) => observed.close(&close),
            }
        }
    });
}

/// Returns one end of a connection that never receives anything.
fn silent() -> Option<tokio::net::TcpStream> {
    thread_local! {
        static ENDS: Option<(TcpStream, TcpStream)> = connect();
    }
    let end = ENDS.with(|ends| ends.as_ref()?.0.try_clone().ok())?;
    tokio::net::TcpStream::from_std(end).ok()
}

fn connect() -> Option<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").ok()?;
    let end = TcpStream::connect(listener.local_addr().ok()?).ok()?;
    end.set_nonblocking(true).ok()?;
    let (other, _) = listener.accept().ok()?;
    Some((end, other))
}
