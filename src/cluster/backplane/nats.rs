//! The backplane over NATS. Each room is a subject, so the NATS servers route messages to the nodes
//! that need them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
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

use super::{
    Backplane, ConnectError, Connection, Incoming, Subject, Topology, none, room_token::room_token,
    status::ConnectionStatus,
};
use crate::config::BackplaneConfig;

/// Maximum number of bytes queued to be published. Messages beyond it are dropped and counted.
const MAX_QUEUED_BYTES: usize = 32 * 1024 * 1024;
/// Maximum number of messages queued to be published.
const MAX_QUEUED: usize = 16_384;
/// Maximum number of messages that wait to be read by the node.
const INCOMING: usize = 1024;
/// Maximum number of further messages that wait per subject.
const INCOMING_PER_SUBJECT: usize = 4096;
/// Interval of pings. The connection is lost after three unanswered ones.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Timeout of one attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum backoff between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// Time that closing waits for queued messages to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to the configured servers, or returns [`fn@none`] if there are none. Servers that do not
/// answer yet are not an error: the client retries until one does.
pub async fn connect(config: &BackplaneConfig) -> Result<Connection, ConnectError> {
    if config.backplane_url.is_empty() {
        return Ok(none());
    }
    let (sender, incoming) = mpsc::channel(INCOMING);
    let status = Arc::new(ConnectionStatus::default());
    let client = connect_client(config, Arc::clone(&status)).await?;
    let shared = Arc::new(Shared {
        prefix: config.backplane_prefix.clone(),
        queued: Mutex::default(),
        wake: Notify::new(),
        dropped: AtomicU64::new(0),
    });
    let tasks = TaskTracker::new();
    let (closing, pump_ended) = (CancellationToken::new(), CancellationToken::new());
    let node = sender.clone();
    let subject = format!("{}.nobody", config.backplane_prefix);
    let asking = client.clone();
    let confirm = move || confirm_subscriptions(asking.clone(), subject.clone()).boxed();
    let reporting = async move { status.run(node, confirm).await };
    tasks.spawn(closing.clone().run_until_cancelled_owned(reporting));
    let pump = Pump {
        client: client.clone(),
        shared: Arc::clone(&shared),
        subscriptions: HashMap::new(),
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
        topology: Topology::Cluster,
    })
}

async fn connect_client(
    config: &BackplaneConfig,
    status: Arc<ConnectionStatus>,
) -> Result<Client, ConnectError> {
    let servers: Vec<ServerAddr> = config
        .backplane_url
        .iter()
        .map(|url| url.as_str().parse())
        .collect::<Result<_, _>>()
        .map_err(ConnectError::Url)?;
    let mut options = ConnectOptions::new()
        .name("causerie")
        .no_echo()
        // Then permission for subjects below the prefix is all that a node needs.
        .custom_inbox_prefix(format!("{}.inbox", config.backplane_prefix))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_TIMEOUT)
        .reconnect_delay_callback(backoff)
        .subscription_capacity(INCOMING_PER_SUBJECT)
        .retry_on_initial_connect()
        .event_callback(move |event| {
            handle_event(&status, &event);
            std::future::ready(())
        });
    // The client does not read credentials from the URL.
    if let Some((name, password)) = servers.iter().find_map(credentials) {
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
    Ok(options.connect(servers).await?)
}

/// The sending side of a connection.
struct Nats {
    client: Client,
    shared: Arc<Shared>,
    /// Cancelled when tasks must not wait for the servers any more.
    closing: CancellationToken,
    pump_ended: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    prefix: String,
    queued: Mutex<Queued>,
    wake: Notify,
    dropped: AtomicU64,
}

/// Work for the pump. It subscribes before it publishes, because a node that asks on a subject wants
/// to receive the answers on it.
#[derive(Debug, Default)]
struct Queued {
    /// Subjects to subscribe to (true) or to unsubscribe from. Each is queued once, so there are no
    /// more than rooms and former rooms.
    interest: IndexMap<Subject, bool>,
    messages: VecDeque<(Subject, Bytes)>,
    bytes: usize,
    /// The connection is closing: the pump ends when the queue is empty.
    is_closing: bool,
}

/// The task that does the queued work in order. The client's operations wait for the connection, so
/// the node's task does not call them.
struct Pump {
    client: Client,
    shared: Arc<Shared>,
    subscriptions: HashMap<Subject, CancellationToken>,
    incoming: mpsc::Sender<Incoming>,
    tasks: TaskTracker,
    closing: CancellationToken,
    _ended: DropGuard,
}

impl Backplane for Nats {
    fn publish(&self, subject: &Subject, message: Bytes) {
        let mut queued = self.shared.queued.lock();
        let bytes = queued.bytes + message.len();
        if queued.messages.len() == MAX_QUEUED || bytes > MAX_QUEUED_BYTES {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queued.bytes = bytes;
        queued.messages.push_back((subject.clone(), message));
        drop(queued);
        self.shared.wake.notify_one();
    }

    fn subscribe(&self, subject: &Subject) {
        self.shared.set_interest(subject, true);
    }

    fn unsubscribe(&self, subject: &Subject) {
        self.shared.set_interest(subject, false);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.queued.lock().is_closing = true;
            self.shared.wake.notify_one();
            let sent = async {
                self.pump_ended.cancelled().await;
                if let Err(error) = self.client.flush().await {
                    tracing::debug!(%error, "backplane flush failed");
                }
            };
            if tokio::time::timeout(CLOSE_TIMEOUT, sent).await.is_err() {
                tracing::debug!("backplane closed with unsent messages");
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
    fn set_interest(&self, subject: &Subject, is_wanted: bool) {
        self.queued
            .lock()
            .interest
            .insert(subject.clone(), is_wanted);
        self.wake.notify_one();
    }

    /// Returns the subject in NATS's form.
    fn name(&self, subject: &Subject) -> String {
        let prefix = &self.prefix;
        match subject {
            Subject::All => format!("{prefix}.all"),
            Subject::Node(node) => format!("{prefix}.node.{node}"),
            Subject::Room(post) => format!("{prefix}.room.{}", room_token(post)),
        }
    }
}

impl Pump {
    async fn run(mut self) {
        loop {
            let (interest, message, is_closing) = {
                let mut queued = self.shared.queued.lock();
                let interest = std::mem::take(&mut queued.interest);
                let message = queued.messages.pop_front();
                if let Some((_, message)) = &message {
                    queued.bytes -= message.len();
                }
                (interest, message, queued.is_closing)
            };
            if interest.is_empty() && message.is_none() {
                if is_closing {
                    return;
                }
                self.shared.wake.notified().await;
                continue;
            }
            for (subject, is_wanted) in interest {
                if is_wanted {
                    self.subscribe(subject).await;
                } else if let Some(subscription) = self.subscriptions.remove(&subject) {
                    subscription.cancel();
                }
            }
            if let Some((subject, message)) = message {
                let subject = self.shared.name(&subject);
                if let Err(error) = self.client.publish(subject, message).await {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "backplane message could not be published");
                }
            }
        }
    }

    async fn subscribe(&mut self, subject: Subject) {
        if self.subscriptions.contains_key(&subject) {
            return;
        }
        let mut messages = match self.client.subscribe(self.shared.name(&subject)).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(%error, "backplane subscription failed");
                return;
            }
        };
        let subscription = CancellationToken::new();
        let incoming = self.incoming.clone();
        let until = subscription.clone();
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
            // Unsubscribing waits for the connection, which may never come back.
            let _ = closing.run_until_cancelled(messages.unsubscribe()).await;
        });
        self.subscriptions.insert(subject, subscription);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        for subscription in self.subscriptions.values() {
            subscription.cancel();
        }
    }
}

/// Returns the name and password in a server's URL. A name without a password is a token.
fn credentials(server: &ServerAddr) -> Option<(String, Option<String>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(server.username()?), server.password().map(decoded)))
}

/// Returns the wait before the next attempt to connect, after `attempts` have failed.
fn backoff(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Duration::from_millis(50)
        .saturating_mul(attempts)
        .min(MAX_BACKOFF)
}

/// Waits until the server has processed this node's subscriptions, so nothing is missed from then on.
///
/// The client resubscribes by itself and does not say when the server has processed that. The server
/// answers in order, so any later request's answer says it: `subject` has no subscriber.
async fn confirm_subscriptions(client: Client, subject: String) {
    let answer = client.request(subject, Bytes::new());
    if tokio::time::timeout(CONNECT_TIMEOUT, answer).await.is_err() {
        tracing::debug!("backplane connected but not answering yet");
    }
}

fn handle_event(status: &ConnectionStatus, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!("backplane connected");
            status.set_connected(true);
        }
        Event::Disconnected => {
            tracing::warn!("backplane disconnected, reconnecting");
            status.set_connected(false);
        }
        Event::SlowConsumer(_) => {
            tracing::debug!("backplane message dropped: receiver too slow");
            status.set_missed();
        }
        other => tracing::debug!(event = %other, "backplane client event"),
    }
}
