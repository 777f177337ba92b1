//! A client of graphql-transport-ws that sends any bytes.

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
    protocol::{Action, Protocol, Rules},
    reader::{Read, Reader},
    send_queue::{Outbox, Room},
    writer::Connection,
};

const RULES: Rules = Rules {
    init_timeout: Duration::from_secs(3),
    ping_interval: Duration::from_secs(12),
    operation_limit: 4,
};
const MESSAGE_LIMIT: usize = 4096;

/// A connection, and what must be known of it by whoever looks on.
struct Watched {
    protocol: Protocol,
    now: Instant,
    is_acknowledged: bool,
    under_way: HashSet<OperationId>,
    is_over: bool,
}

impl Watched {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            protocol: Protocol::new(RULES, now),
            now,
            is_acknowledged: false,
            under_way: HashSet::new(),
            is_over: false,
        }
    }

    fn text(&mut self, text: &str) {
        self.protocol.heard();
        let action = self.protocol.text(text);
        self.act(action);
    }

    fn wait(&mut self, seconds: u8) {
        self.now += Duration::from_secs(seconds.into());
        let is_due = self.protocol.deadline() <= self.now;
        let action = self.protocol.due(self.now);
        assert!(is_due || action.is_none(), "{action:?} before its time");
        self.act(action);
    }

    fn finish(&mut self) {
        if let Some(id) = self.under_way.iter().next().cloned() {
            self.protocol.finished(&id);
            self.under_way.remove(&id);
        }
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            Some(Action::Authenticate(_)) => {
                assert!(!self.is_acknowledged, "initialised twice");
                self.protocol
                    .admit(Some(self.now + Duration::from_secs(60)));
                self.is_acknowledged = true;
            }
            Some(Action::Start(id, _)) => {
                assert!(self.is_acknowledged, "started before the acknowledgement");
                assert!(self.under_way.insert(id), "an id was used twice");
                assert!(self.under_way.len() <= RULES.operation_limit, "too many");
            }
            Some(Action::RefuseUnreadable(id, _)) => assert!(!self.under_way.contains(&id)),
            Some(Action::Refuse(id)) => {
                assert!(
                    !self.under_way.contains(&id) && self.under_way.len() == RULES.operation_limit
                );
            }
            Some(Action::Stop(id)) => assert!(self.under_way.remove(&id), "stopped what was not"),
            Some(Action::Close(close)) => self.close(&close),
            Some(Action::Abandon) => self.is_over = true,
            Some(Action::Pong(_) | Action::Ping) | None => {}
        }
        for id in &self.under_way {
            assert!(self.protocol.is_under_way(id), "an operation was forgotten");
        }
    }

    fn close(&mut self, close: &Close) {
        let code = close.code();
        assert!(matches!(code, 1002 | 1007 | 1009 | 4400..=4429), "{code}");
        assert!(close.reason().len() <= 123, "too long a reason");
        self.is_over = true;
    }
}

/// What happens, a line each: `+` and a byte is so many seconds, `-` the end of an operation, and
/// anything else a message.
pub fn protocol(bytes: &[u8]) {
    let mut watched = Watched::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        match line {
            [b'+', seconds, ..] => watched.wait(*seconds),
            [b'-', ..] => watched.finish(),
            message => watched.text(&String::from_utf8_lossy(message)),
        }
        if watched.is_over {
            return;
        }
    }
}

/// What comes behind the handshake: frames, whole or not.
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
        let room = Room {
            messages: 32,
            bytes: 64 * 1024,
        };
        let connection = Connection::new(tcp, Outbox::new(room, Duration::from_secs(10)));
        let mut reader = Reader::new(MESSAGE_LIMIT, &Bytes::copy_from_slice(bytes));
        let mut watched = Watched::new();
        while !watched.is_over {
            match reader.read(&connection) {
                Read::Message(Message::Text(text)) => {
                    assert!(text.len() <= MESSAGE_LIMIT, "a message beyond the limit");
                    watched.text(&text);
                }
                Read::Message(Message::Binary(_)) => {
                    let action = watched.protocol.binary();
                    watched.act(Some(action));
                }
                Read::Message(_) => {}
                Read::Nothing | Read::End => return,
                Read::Broken(close) => watched.close(&close),
            }
        }
    });
}

/// One end of a connection on which nothing ever comes: all there is was read before.
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
