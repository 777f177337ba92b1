//! The backplane over NATS: a subject a room, so that the servers themselves know which node is to
//! hear what.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use indexmap::IndexMap;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::sync::{Notify, mpsc};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{Backplane, Connection, Incoming, Reach, Subject, alone, status::Herald};
use crate::config::BackplaneConfig;

/// How many bytes wait to be published. What comes when they are reached is dropped, and counted.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// How many messages wait to be published.
const MAX_WAITING: usize = 16_384;
/// How many messages wait to be read by the node, and how many more of each subject.
const INCOMING: usize = 1024;
const INCOMING_OF_A_SUBJECT: usize = 4096;
/// How often the server is asked whether it is there; with three unanswered, it is not.
const PING: Duration = Duration::from_secs(2);
/// How long one attempt to connect may take, and the longest wait before the next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// How long closing waits for what was published to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why there can be no connection, now or later.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The list of servers means nothing.
    #[error("BACKPLANE_URL (--backplane-url): {0}")]
    Url(io::Error),
    /// The file of credentials cannot be read, or holds none.
    #[error("BACKPLANE_CREDENTIALS (--backplane-credentials): {0}")]
    Credentials(io::Error),
    /// The servers cannot be connected to, and trying again would not help.
    #[error("BACKPLANE_URL (--backplane-url): {0}")]
    Refused(#[from] async_nats::ConnectError),
}

/// Connects to what the settings name; to nobody where they name nothing. Servers that do not answer
/// yet are no error: the connection comes when one of them does.
pub async fn connect(config: &BackplaneConfig) -> Result<Connection, ConnectError> {
    if config.backplane_url.is_empty() {
        return Ok(alone());
    }
    let servers: Vec<ServerAddr> = config
        .backplane_url
        .iter()
        .map(|url| url.as_str().parse())
        .collect::<Result<_, _>>()
        .map_err(ConnectError::Url)?;
    let (sender, incoming) = mpsc::channel(INCOMING);
    let herald = Arc::new(Herald::default());
    let hearing = Arc::clone(&herald);
    let mut options = ConnectOptions::new()
        .name("causerie")
        .no_echo()
        // So that a right to what the prefix begins is all that a node needs.
        .custom_inbox_prefix(format!("{}.inbox", config.backplane_prefix))
        .ping_interval(PING)
        .connection_timeout(CONNECT_TIMEOUT)
        .reconnect_delay_callback(delay)
        .subscription_capacity(INCOMING_OF_A_SUBJECT)
        .retry_on_initial_connect()
        .event_callback(move |event| {
            hear(&hearing, &event);
            std::future::ready(())
        });
    // The client does not look for them there by itself.
    if let Some((name, password)) = servers.iter().find_map(named) {
        options = match password {
            Some(password) => options.user_and_password(name, password),
            None => options.token(name),
        };
    }
    if let Some(path) = &config.backplane_credentials {
        let credentials = options.credentials_file(path).await;
        options = credentials.map_err(ConnectError::Credentials)?;
    }
    if let Some(path) = &config.backplane_ca {
        options = options.add_root_certificates(path.clone());
    }
    let client = options.connect(servers).await?;
    let shared = Arc::new(Shared {
        prefix: config.backplane_prefix.clone(),
        waiting: Mutex::default(),
        wake: Notify::new(),
        dropped: AtomicU64::new(0),
    });
    let tasks = TaskTracker::new();
    let (closing, pump_ended) = (CancellationToken::new(), CancellationToken::new());
    let node = sender.clone();
    let question = format!("{}.nobody", config.backplane_prefix);
    let asking = client.clone();
    let heard = move || heard(asking.clone(), question.clone()).boxed();
    let telling = async move { herald.run(node, heard).await };
    tasks.spawn(closing.clone().run_until_cancelled_owned(telling));
    let pump = Pump {
        client: client.clone(),
        shared: Arc::clone(&shared),
        subscribed: HashMap::new(),
        incoming: sender,
        tasks: tasks.clone(),
        closing: closing.clone(),
        _ended: pump_ended.clone().drop_guard(),
    };
    tasks.spawn(closing.clone().run_until_cancelled_owned(pump.run()));
    Ok(Connection {
        backplane: Arc::new(Nats {
            client,
            shared,
            closing,
            pump_ended,
            tasks,
        }),
        incoming,
        reach: Reach::Nodes,
    })
}

/// A node's side of the connection.
struct Nats {
    client: Client,
    shared: Arc<Shared>,
    /// Nothing waits for the servers any more.
    closing: CancellationToken,
    pump_ended: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    prefix: String,
    waiting: Mutex<Waiting>,
    wake: Notify,
    dropped: AtomicU64,
}

/// What the pump has yet to do. Subscribing goes before publishing: who asks something on a subject
/// wants to hear the answers on it.
#[derive(Debug, Default)]
struct Waiting {
    /// Subjects whose messages are wanted from now on (true), or no more. A subject is here once,
    /// so there are no more than the rooms that were or are.
    interest: IndexMap<Subject, bool>,
    messages: VecDeque<(Subject, Bytes)>,
    bytes: usize,
    /// Nothing more will come: the pump ends when it has done all this.
    is_last: bool,
}

/// Does what waits, one after the other: the client's operations wait for the connection, and this
/// is who can.
struct Pump {
    client: Client,
    shared: Arc<Shared>,
    subscribed: HashMap<Subject, CancellationToken>,
    incoming: mpsc::Sender<Incoming>,
    tasks: TaskTracker,
    closing: CancellationToken,
    _ended: DropGuard,
}

impl Backplane for Nats {
    fn publish(&self, subject: &Subject, message: Bytes) {
        let mut waiting = self.shared.waiting.lock();
        let bytes = waiting.bytes + message.len();
        if waiting.messages.len() == MAX_WAITING || bytes > MAX_WAITING_BYTES {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes = bytes;
        waiting.messages.push_back((subject.clone(), message));
        drop(waiting);
        self.shared.wake.notify_one();
    }

    fn subscribe(&self, subject: &Subject) {
        self.shared.want(subject, true);
    }

    fn unsubscribe(&self, subject: &Subject) {
        self.shared.want(subject, false);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.waiting.lock().is_last = true;
            self.shared.wake.notify_one();
            let sent = async {
                self.pump_ended.cancelled().await;
                if let Err(error) = self.client.flush().await {
                    tracing::debug!(%error, "the backplane was not flushed");
                }
            };
            if tokio::time::timeout(CLOSE_TIMEOUT, sent).await.is_err() {
                tracing::debug!("the backplane was closed before everything was sent");
            }
            self.closing.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        })
    }

    fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn want(&self, subject: &Subject, is_wanted: bool) {
        self.waiting
            .lock()
            .interest
            .insert(subject.clone(), is_wanted);
        self.wake.notify_one();
    }

    /// A subject as NATS writes it. A dot would divide it, and an id may begin or end with one: it
    /// becomes an equals sign, which no id has.
    fn name(&self, subject: &Subject) -> String {
        let prefix = &self.prefix;
        match subject {
            Subject::All => format!("{prefix}.all"),
            Subject::Node(node) => format!("{prefix}.node.{node}"),
            Subject::Room(post) => format!("{prefix}.room.{}", post.as_str().replace('.', "=")),
        }
    }
}

impl Pump {
    async fn run(mut self) {
        loop {
            let (interest, message, is_last) = {
                let mut waiting = self.shared.waiting.lock();
                let interest = std::mem::take(&mut waiting.interest);
                let message = waiting.messages.pop_front();
                if let Some((_, message)) = &message {
                    waiting.bytes -= message.len();
                }
                (interest, message, waiting.is_last)
            };
            if interest.is_empty() && message.is_none() {
                if is_last {
                    return;
                }
                self.shared.wake.notified().await;
                continue;
            }
            for (subject, is_wanted) in interest {
                if is_wanted {
                    self.subscribe(subject).await;
                } else if let Some(listening) = self.subscribed.remove(&subject) {
                    listening.cancel();
                }
            }
            if let Some((subject, message)) = message {
                let subject = self.shared.name(&subject);
                if let Err(error) = self.client.publish(subject, message).await {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "a message to the other nodes was not published");
                }
            }
        }
    }

    async fn subscribe(&mut self, subject: Subject) {
        if self.subscribed.contains_key(&subject) {
            return;
        }
        let mut messages = match self.client.subscribe(self.shared.name(&subject)).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(%error, "a subject of the backplane was not subscribed to");
                return;
            }
        };
        let listening = CancellationToken::new();
        let incoming = self.incoming.clone();
        let until = listening.clone();
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            let forwarding = async {
                while let Some(message) = messages.next().await {
                    let message = Incoming::Message(message.payload);
                    if incoming.send(message).await.is_err() {
                        return;
                    }
                }
            };
            until.run_until_cancelled(forwarding).await;
            // It waits for the connection, which may never come again.
            let _ = closing.run_until_cancelled(messages.unsubscribe()).await;
        });
        self.subscribed.insert(subject, listening);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        for listening in self.subscribed.values() {
            listening.cancel();
        }
    }
}

/// The name and password, or the token alone, that stand in a server's URL.
fn named(server: &ServerAddr) -> Option<(String, Option<String>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(server.username()?), server.password().map(decoded)))
}

/// How long to wait before the next attempt to connect, after so many.
fn delay(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Duration::from_millis(50)
        .saturating_mul(attempts)
        .min(LONGEST_DELAY)
}

/// Waits until the server has heard what this node is subscribed to: from then on nothing is missed.
/// The client subscribes anew by itself, and does not tell when the server has heard that; but the
/// answer to a question that was asked behind it does.
async fn heard(client: Client, question: String) {
    let answer = client.request(question, Bytes::new());
    if tokio::time::timeout(CONNECT_TIMEOUT, answer).await.is_err() {
        tracing::debug!("the backplane is connected and does not answer yet");
    }
}

fn hear(herald: &Herald, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!("the backplane is connected");
            herald.connected(true);
        }
        Event::Disconnected => {
            tracing::warn!("the backplane is lost; this node goes on and tries to connect again");
            herald.connected(false);
        }
        Event::SlowConsumer(_) => {
            tracing::debug!("a message of another node came faster than it was read");
            herald.missed();
        }
        other => tracing::debug!(event = %other, "the backplane's client says something"),
    }
}
