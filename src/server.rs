//! A server is a value: bind it, ask for its address, run it until it is told to go down.
//!
//! It has no global state; two of them run in one process.

use std::{future::Future, io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Authenticator, Bans, SetupError},
    config::{Config, HttpConfig},
    error::Error,
    feed::{self, Feed},
    graphql::{Counts, Executor, PersistedQueries, Services, Settings},
    limits::Limits,
    moderation::Moderation,
    rooms::{Census, Hub},
    store::{OpenError, Store},
    transport::{self, Transport},
};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Tokens cannot be checked as the settings say.
    #[error(transparent)]
    Auth(#[from] SetupError),
    /// Who is banned could not be read.
    #[error("DATABASE_URL (--database-url): {0}")]
    Bans(#[source] Error),
    /// The address could not be listened on.
    #[error("LISTEN (--listen): {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    config: Config,
    observer: Observer,
    limits: Arc<Limits>,
    authenticator: Arc<Authenticator>,
    moderation: Arc<Moderation>,
    going_down: CancellationToken,
}

/// Looks at a running server.
#[derive(Clone, Debug)]
pub struct Observer {
    hub: Hub,
    store: Store,
    executor: Executor,
    tasks: TaskTracker,
}

impl Observer {
    /// How many rooms there are, and members in them.
    pub fn census(&self) -> Census {
        self.hub.census()
    }

    /// How many tasks are under way: sockets, streams, mutations, and what they have started.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// How many events were executed, for how many deliveries.
    pub fn events(&self) -> Counts {
        self.executor.counts()
    }

    /// How many SQL statements were run so far.
    pub fn statements(&self) -> u64 {
        self.store.statements()
    }

    /// How many transactions were committed so far. Writers who wait together share one.
    pub fn commits(&self) -> u64 {
        self.store.commits()
    }

    /// The store, for what a program that embeds the server wants to do beside it.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Server {
    /// Listens, opens the database, and brings it up to date.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        // First: a server that cannot listen leaves the database of the one that does alone.
        let address = config.listen;
        let listen_error = |cause| StartError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let authenticator = Arc::new(Authenticator::new(&config.auth)?);
        let store = Store::open(&config.store).await?;
        authenticator.prepare(&config.auth).await;
        let bans = Arc::new(Bans::default());
        let moderation = Arc::new(Moderation::new(store.clone(), Arc::clone(&bans)));
        moderation.look_now().await.map_err(StartError::Bans)?;

        let hub = Hub::new(config.rooms.room_buffer as usize);
        let tasks = TaskTracker::new();
        let going_down = CancellationToken::new();
        let limits = Arc::new(Limits::new(config.writing.rate_limits));

        let services = Services {
            feed: Feed::new(
                hub.clone(),
                store.clone(),
                config.rooms.catch_up_page.into(),
            ),
            store: store.clone(),
            hub: hub.clone(),
            authenticator: Arc::clone(&authenticator),
            moderation: Arc::clone(&moderation),
            limits: Arc::clone(&limits),
            settings: Settings {
                allow_guests: config.auth.allow_guests,
                guest_token_lifetime: config.auth.guest_token_lifetime,
                edit_window: config.writing.edit_window,
            },
        };
        let executor = Executor::new(services, tasks.clone());
        let router = transport::router(Transport {
            executor: executor.clone(),
            authenticator: Arc::clone(&authenticator),
            bans,
            persisted: persisted_queries(&config.http),
            http: config.http.clone(),
            ws: config.ws.clone(),
            tasks: tasks.clone(),
            going_down: going_down.clone(),
        });
        Ok(Self {
            listener,
            address,
            router,
            config,
            observer: Observer {
                hub,
                store,
                executor,
                tasks,
            },
            limits,
            authenticator,
            moderation,
            going_down,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A look at the server while it runs.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until `shutdown` is done. Then no connection is taken any more, sockets close with
    /// 1012, streams end, and requests and mutations under way have the grace period to end.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let Self {
            listener,
            router,
            config,
            observer,
            limits,
            authenticator,
            moderation,
            going_down,
            ..
        } = self;
        // A server whose `run` is dropped ends what it started.
        let _stop_all = going_down.clone().drop_guard();
        // What a connection is for is not known yet: whoever may wait longer sets the measure.
        let (http, ws) = (config.http.http_write_timeout, config.ws.ws_write_timeout);
        let patience = http.max(ws) + LAST_RESORT;
        let listener = listener.tap_io(move |connection| {
            if let Err(error) = tune(connection, patience) {
                tracing::debug!(%error, "a connection was not tuned");
            }
        });
        // What runs for as long as the server does.
        let background = TaskTracker::new();
        let hub = observer.hub.clone();
        let interval = config.rooms.reconcile_interval;
        let reconcile = feed::reconcile(hub.clone(), observer.store.clone(), interval);
        let until_down = || going_down.clone();
        background.spawn(until_down().run_until_cancelled_owned(async move { hub.run().await }));
        background.spawn(until_down().run_until_cancelled_owned(reconcile));
        background.spawn(until_down().run_until_cancelled_owned(async move { limits.run().await }));
        let keys = async move { authenticator.run().await };
        background.spawn(until_down().run_until_cancelled_owned(keys));
        let interval = config.auth.ban_refresh;
        let bans = async move { moderation.run(interval).await };
        background.spawn(until_down().run_until_cancelled_owned(bans));

        let stop = going_down.clone();
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .into_future();
        let serving = background.spawn(serving);
        let abort = serving.abort_handle();

        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = shutdown => {}
            // It ends by itself only where something is broken.
            result = &mut serving => {
                going_down.cancel();
                return result.map_err(io::Error::other)?;
            }
        }
        tracing::info!("going down");
        going_down.cancel();
        observer.tasks.close();
        background.close();
        let ended = async {
            observer.tasks.wait().await;
            background.wait().await;
        };
        if tokio::time::timeout(config.grace_period, ended)
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = observer.tasks.len(),
                "not everything ended within the grace period"
            );
            abort.abort();
        }
        observer.store.close().await;
        Ok(())
    }
}

fn persisted_queries(config: &HttpConfig) -> PersistedQueries {
    let most = usize::try_from(config.persisted_queries).unwrap_or(usize::MAX);
    let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
    PersistedQueries::new(most, config.persisted_query_bytes)
}

/// How much of what was written to a connection may be left unsent before the system calls it full.
const UNSENT_BYTES: u32 = 16 * 1024;

/// How much longer the system waits for a client than the server does, so that one that can still be
/// told why it is sent away is told.
const LAST_RESORT: Duration = Duration::from_secs(3);

/// The longest time that the system can be told, 24 days.
#[cfg(target_os = "linux")]
const LONGEST_PATIENCE: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// What the system is to do otherwise with a connection than it would by itself. `patience` is how
/// long a peer may take nothing.
fn tune(connection: &TcpStream, patience: Duration) -> io::Result<()> {
    // Nagle's algorithm would hold back small frames until the one before is acknowledged.
    connection.set_nodelay(true)?;
    // The system would take megabytes for a client before it says that it takes no more, and those
    // again before it takes anything: a slow client could not be told from one that takes nothing.
    #[cfg(target_os = "linux")]
    SockRef::from(connection).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    // A peer that is gone without a word would be waited for by the system for a quarter of an hour,
    // and one that is there and reads nothing for ever.
    #[cfg(target_os = "linux")]
    SockRef::from(connection).set_tcp_user_timeout(Some(patience.min(LONGEST_PATIENCE)))?;
    Ok(())
}
