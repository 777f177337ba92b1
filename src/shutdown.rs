//! Graceful shutdown without a thundering herd: each long-lived connection (a socket, a stream of
//! results) gets a deadline of its own.
//!
//! If all connections closed at once, all clients would reconnect at once to the servers that remain.
//! So deadlines are spread evenly over a window, in random order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// The graceful shutdown of one server. Clones share its state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    has_begun: AtomicBool,
    /// Cancelled when the server stops. The parent of every deadline.
    stop: CancellationToken,
    connections: Mutex<Connections>,
    /// Notified when the last connection ends and no more are accepted.
    is_empty: Notify,
}

#[derive(Debug)]
struct Connections {
    /// A token for each connection, cancelled at its deadline.
    deadlines: IndexMap<u64, CancellationToken>,
    next_id: u64,
    /// True once no more connections are accepted.
    is_closed: bool,
}

/// A guard that a connection owns. Dropping it tells the shutdown that the connection has ended.
#[derive(Debug)]
pub struct ConnectionHandle {
    shutdown: Shutdown,
    id: u64,
    deadline: CancellationToken,
}

impl Shutdown {
    /// Creates a shutdown that has not begun. Cancelling `stop` brings every deadline at once.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                has_begun: AtomicBool::new(false),
                stop,
                connections: Mutex::new(Connections {
                    deadlines: IndexMap::new(),
                    next_id: 0,
                    is_closed: false,
                }),
                is_empty: Notify::new(),
            }),
        }
    }

    /// Registers a connection. Returns `None` if connections are being closed already.
    pub fn register(&self) -> Option<ConnectionHandle> {
        let mut connections = self.shared.connections.lock();
        if connections.is_closed {
            return None;
        }
        let id = connections.next_id;
        connections.next_id += 1;
        let deadline = self.shared.stop.child_token();
        connections.deadlines.insert(id, deadline.clone());
        drop(connections);
        Some(ConnectionHandle {
            shutdown: self.clone(),
            id,
            deadline,
        })
    }

    /// Marks the server as shutting down. Connections are still accepted and none is closed.
    pub fn begin(&self) {
        self.shared.has_begun.store(true, Ordering::Release);
    }

    /// Returns true if the shutdown has begun, so that no new clients should be sent here.
    pub fn has_begun(&self) -> bool {
        self.shared.has_begun.load(Ordering::Acquire)
    }

    /// Accepts no more connections, and brings the deadlines of the others over `window`: in random
    /// order and evenly spread. Returns after the last deadline, or as soon as no connection is left.
    pub async fn drain(&self, window: Duration) {
        self.begin();
        let mut ids: Vec<u64> = {
            let mut connections = self.shared.connections.lock();
            connections.is_closed = true;
            connections.deadlines.keys().copied().collect()
        };
        fastrand::shuffle(&mut ids);
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let start = Instant::now();
        for (number, id) in (0..count).zip(ids) {
            let Some(deadline) = self.deadline_of(id) else {
                continue;
            };
            let delay = window.as_secs_f64() * f64::from(number) / f64::from(count);
            tokio::select! {
                () = sleep_until(start + Duration::from_secs_f64(delay)) => deadline.cancel(),
                () = self.shared.is_empty.notified() => return,
                () = self.shared.stop.cancelled() => return,
            }
        }
    }

    fn deadline_of(&self, id: u64) -> Option<CancellationToken> {
        self.shared.connections.lock().deadlines.get(&id).cloned()
    }
}

impl ConnectionHandle {
    /// Waits for the connection's deadline, at which the connection must close. Cancel safe.
    pub async fn deadline(&self) {
        self.deadline.cancelled().await;
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        let shared = &self.shutdown.shared;
        let mut connections = shared.connections.lock();
        connections.deadlines.swap_remove(&self.id);
        if connections.is_closed && connections.deadlines.is_empty() {
            shared.is_empty.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn shutdown() -> Shutdown {
        Shutdown::new(CancellationToken::new())
    }

    /// Drains, and returns each connection's delay until its deadline, in order of registration.
    async fn deadlines(shutdown: &Shutdown, connections: Vec<ConnectionHandle>) -> Vec<Duration> {
        let start = Instant::now();
        let all = connections.into_iter().map(async |connection| {
            connection.deadline().await;
            start.elapsed()
        });
        let all = futures_util::future::join_all(all);
        let (deadlines, ()) = tokio::join!(all, shutdown.drain(WINDOW));
        deadlines
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_are_spread_evenly_over_the_window() {
        let shutdown = shutdown();
        let connections = (0..1000).filter_map(|_| shutdown.register()).collect();
        let mut deadlines = deadlines(&shutdown, connections).await;
        deadlines.sort();
        assert_eq!(deadlines.len(), 1000);
        for second in 0..10 {
            let (from, to) = (Duration::from_secs(second), Duration::from_secs(second + 1));
            let closed = deadlines
                .iter()
                .filter(|&&at| at >= from && at < to)
                .count();
            // The clock ticks in milliseconds.
            assert!((98..=102).contains(&closed), "{closed} in second {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_are_not_in_order_of_registration() {
        let shutdown = shutdown();
        let connections = (0..100).filter_map(|_| shutdown.register()).collect();
        let deadlines = deadlines(&shutdown, connections).await;
        assert!(!deadlines.is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn lone_connection_or_zero_window_closes_at_once() {
        let alone = shutdown();
        let connection = alone.register().unwrap();
        assert_eq!(deadlines(&alone, vec![connection]).await, [Duration::ZERO]);

        let shutdown = shutdown();
        let connections: Vec<_> = (0..100).filter_map(|_| shutdown.register()).collect();
        let start = Instant::now();
        shutdown.drain(Duration::ZERO).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(
            connections
                .iter()
                .all(|connection| connection.deadline.is_cancelled())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn drain_returns_when_all_connections_have_ended() {
        let shutdown = shutdown();
        let connections: Vec<_> = (0..100).filter_map(|_| shutdown.register()).collect();
        let start = Instant::now();
        let ending = async {
            tokio::time::sleep(WINDOW / 2).await;
            drop(connections);
        };
        tokio::join!(shutdown.drain(WINDOW), ending);
        assert_eq!(start.elapsed(), WINDOW / 2);
        assert!(shutdown.shared.connections.lock().deadlines.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_refused_once_the_drain_starts() {
        let shutdown = shutdown();
        shutdown.begin();
        assert!(shutdown.has_begun() && shutdown.register().is_some());
        shutdown.drain(WINDOW).await;
        assert!(shutdown.register().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn stop_brings_every_deadline_and_ends_the_drain() {
        let stop = CancellationToken::new();
        let shutdown = Shutdown::new(stop.clone());
        let connections: Vec<_> = (0..3).filter_map(|_| shutdown.register()).collect();
        let start = Instant::now();
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        tokio::join!(shutdown.drain(WINDOW), stopping);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert!(
            connections
                .iter()
                .all(|connection| connection.deadline.is_cancelled())
        );
    }
}
