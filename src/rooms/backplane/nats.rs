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
use futures_util::{StreamExt, future::BoxFuture};
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Backplane, Connection, Incoming, Reach, Subject, alone};
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
    let shared = Arc::new(Shared {
        prefix: config.backplane_prefix.clone(),
        waiting: Mutex::default(),
        wake: Notify::new(),
        dropped: AtomicU64::new(0),
        losses: tokio::sync::Mutex::new(0),
        incoming: sender,
    });
    let events = Arc::clone(&shared);
    let mut options = ConnectOptions::new()
        .name("causerie")
        .no_echo()
        .ping_interval(PING)
        .connection_timeout(CONNECT_TIMEOUT)
        .reconnect_delay_callback(delay)
        .subscription_capacity(INCOMING_OF_A_SUBJECT)
        .retry_on_initial_connect()
        .event_callback(move |event| tell(Arc::clone(&events), event));
    if let Some(path) = &config.backplane_credentials {
        let credentials = options.credentials_file(path).await;
        options = credentials.map_err(ConnectError::Credentials)?;
    }
    if let Some(path) = &config.backplane_ca {
        options = options.add_root_certificates(path.clone());
    }
    let client = options.connect(servers).await?;
    let tasks = TaskTracker::new();
    let closing = CancellationToken::new();
    let pump = Pump {
        client: client.clone(),
        shared: Arc::clone(&shared),
        subscribed: HashMap::new(),
        tasks: tasks.clone(),
    };
    tasks.spawn(closing.clone().run_until_cancelled_owned(pump.run()));
    Ok(Connection {
        backplane: Arc::new(Nats {
            client,
            shared,
            closing,
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
    closing: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    prefix: String,
    waiting: Mutex<Waiting>,
    wake: Notify,
    dropped: AtomicU64,
    /// How often the connection was lost. Held by whoever says that it is lost or there, so that the
    /// last word is true.
    losses: tokio::sync::Mutex<u64>,
    incoming: mpsc::Sender<Incoming>,
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
    /// A connection is there, after so many losses, and that is yet to be said.
    connected: Option<u64>,
}

/// Does what waits, one after the other: the client's operations wait for the connection, and this
/// is who can.
struct Pump {
    client: Client,
    shared: Arc<Shared>,
    subscribed: HashMap<Subject, CancellationToken>,
    tasks: TaskTracker,
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
            let sent = async {
                while !self.shared.waiting.lock().messages.is_empty() {
                    // The pump tells when it has found nothing more.
                    tokio::task::yield_now().await;
                }
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
            let (connected, interest, message) = {
                let mut waiting = self.shared.waiting.lock();
                let connected = waiting.connected.take();
                let interest = std::mem::take(&mut waiting.interest);
                let message = waiting.messages.pop_front();
                if let Some((_, message)) = &message {
                    waiting.bytes -= message.len();
                }
                (connected, interest, message)
            };
            if connected.is_none() && interest.is_empty() && message.is_none() {
                self.shared.wake.notified().await;
                continue;
            }
            if let Some(losses) = connected {
                self.greet(losses).await;
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

    /// Says that there is a connection, once the server has heard what this node is subscribed to:
    /// from then on nothing is missed. The client subscribes anew by itself, and does not tell when
    /// the server has heard that; but the answer to a question that was asked behind it does.
    async fn greet(&self, losses: u64) {
        let question = format!("{}.nobody", self.shared.prefix);
        let heard = self.client.request(question, Bytes::new());
        if tokio::time::timeout(CONNECT_TIMEOUT, heard).await.is_err() {
            tracing::debug!("the backplane is connected and does not answer yet");
        }
        let losses_now = self.shared.losses.lock().await;
        if *losses_now == losses {
            tracing::info!("the backplane is connected");
            // An error says that the node has ended.
            let _ = self.shared.incoming.send(Incoming::Connected).await;
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
        let incoming = self.shared.incoming.clone();
        let until = listening.clone();
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
            // An error says that the connection is closed, and the subscription with it.
            let _ = messages.unsubscribe().await;
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

/// How long to wait before the next attempt to connect, after so many.
fn delay(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Duration::from_millis(50)
        .saturating_mul(attempts)
        .min(LONGEST_DELAY)
}

async fn tell(shared: Arc<Shared>, event: Event) {
    match event {
        Event::Connected => {
            let losses = *shared.losses.lock().await;
            shared.waiting.lock().connected = Some(losses);
            shared.wake.notify_one();
        }
        Event::Disconnected => {
            tracing::warn!("the backplane is lost; this node goes on and tries to connect again");
            let mut losses = shared.losses.lock().await;
            *losses += 1;
            // An error says that the node has ended.
            let _ = shared.incoming.send(Incoming::Disconnected).await;
        }
        Event::SlowConsumer(_) => {
            tracing::warn!("messages of other nodes came faster than they were read");
            let _ = shared.incoming.send(Incoming::Missed).await;
        }
        other => tracing::debug!(event = %other, "the backplane's client says something"),
    }
}
