//! A server is a value: bind it, ask for its address, run it until it is told to go down.
//!
//! It has no global state; two of them run in one process.

use std::{future::Future, io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, error::RecvError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Authenticator, Bans, SetupError},
    cluster::{BackplaneStatus, ClusterNode, ClusterObserver, backplane},
    config::{Config, HttpConfig},
    drain::Drain,
    error::Error,
    feed::{self, Feed},
    graphql::{Counts, Executor, PersistedQueries, Services, Settings},
    health::{Checks, Health},
    limits::Limits,
    metrics::{BuildError, Metrics, Sample},
    model::UserId,
    moderation::Moderation,
    rooms::{Hub, RoomStats},
    store::{OpenError, Store},
    transport::{self, Entrance, MetricsFor, Operations, Transport},
};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Other nodes cannot have this node's database.
    #[error(
        "BACKPLANE_URL (--backplane-url): many nodes share one database, and DATABASE_URL names a \
         file of this one: it must be postgres://…"
    )]
    OwnDatabase,
    /// There can be no connection to the other nodes.
    #[error(transparent)]
    Backplane(#[from] backplane::ConnectError),
    /// The metrics could not be set up.
    #[error("the metrics: {0}")]
    Metrics(#[from] BuildError),
    /// Tokens cannot be checked as the settings say.
    #[error(transparent)]
    Auth(#[from] SetupError),
    /// Who is banned could not be read.
    #[error("DATABASE_URL (--database-url): {0}")]
    Bans(#[source] Error),
    /// The address could not be listened on.
    #[error("{setting}: {address}: {cause}")]
    Listen {
        /// Which setting names the address.
        setting: &'static str,
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
    /// Where the metrics are, if not at the address.
    operations: Option<(TcpListener, SocketAddr, Router)>,
    config: Config,
    observer: Observer,
    cluster: ClusterNode,
    limits: Arc<Limits>,
    drain: Drain,
    entrance: Entrance,
    authenticator: Arc<Authenticator>,
    moderation: Arc<Moderation>,
    going_down: CancellationToken,
}

/// Looks at a running server.
#[derive(Clone, Debug)]
pub struct Observer {
    hub: Hub,
    cluster: ClusterObserver,
    store: Store,
    executor: Executor,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl Observer {
    /// How many rooms there are, and members in them.
    pub fn census(&self) -> RoomStats {
        self.hub.stats()
    }

    /// The connection to the other nodes.
    pub fn cluster(&self) -> &ClusterObserver {
        &self.cluster
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

    /// The metrics, in Prometheus's text format.
    pub fn metrics(&self) -> String {
        let (RoomStats { rooms, members }, counts) = (self.census(), self.events());
        self.metrics.render(Sample {
            rooms,
            members,
            tasks: self.tasks(),
            waiting_writes: self.store.waiting_writes(),
            executions: counts.executions,
            deliveries: counts.deliveries,
            commits: self.commits(),
        })
    }

    /// The store, for what a program that embeds the server wants to do beside it.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Server {
    /// Listens, opens the database, and brings it up to date. Connects to the other nodes, where
    /// the settings say how; does not wait until that has come about.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let has_others = !config.backplane.backplane_url.is_empty();
        if has_others && config.store.database_url.starts_with("sqlite:") {
            return Err(StartError::OwnDatabase);
        }
        let connection = backplane::connect(&config.backplane).await?;
        Self::bind_among(config, connection).await
    }

    /// As [`bind`](Self::bind), with another connection to the other nodes than the settings say:
    /// for programs that run several nodes in one process.
    pub async fn bind_among(
        config: Config,
        connection: backplane::Connection,
    ) -> Result<Self, StartError> {
        // First: a server that cannot listen leaves the database of the one that does alone.
        let (listener, address) = listen("LISTEN (--listen)", config.listen).await?;
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(listen("METRICS_LISTEN (--metrics-listen)", address).await?),
            None => None,
        };
        let authenticator = Arc::new(Authenticator::new(&config.auth)?);
        let metrics = Metrics::new()?;
        let store = Store::open_measured(&config.store, metrics.store.clone()).await?;
        authenticator.prepare(&config.auth).await;
        let bans = Arc::new(Bans::default());
        let moderation = Arc::new(Moderation::new(store.clone(), Arc::clone(&bans)));
        moderation.look_now().await.map_err(StartError::Bans)?;

        let buffer = config.rooms.room_buffer as usize;
        let (hub, cluster) = ClusterNode::new(buffer, connection, &metrics);
        let tasks = TaskTracker::new();
        let going_down = CancellationToken::new();
        let limits = Limits::new(&config.writing).measured(metrics.limits.clone());
        let limits = Arc::new(limits);

        let services = Services {
            feed: Feed::new(
                hub.clone(),
                store.clone(),
                config.rooms.catch_up_page.into(),
            )
            .measured(metrics.feed.clone()),
            store: store.clone(),
            hub: hub.clone(),
            authenticator: Arc::clone(&authenticator),
            moderation: Arc::clone(&moderation),
            limits: Arc::clone(&limits),
            settings: Settings {
                allow_guests: config.auth.allow_guests,
                guest_token_lifetime: config.auth.guest_token_lifetime,
                edit_window: config.writing.edit_window,
                reply_depth: config.writing.reply_depth,
                operation_timeout: config.clients.operation_timeout,
            },
        };
        let executor = Executor::new(services, tasks.clone()).measured(&metrics.graphql);
        let entrance = Entrance::new(&config.clients, config.writing.rate_limits);
        let drain = Drain::new(going_down.clone());
        let router = transport::router(Transport {
            executor: executor.clone(),
            authenticator: Arc::clone(&authenticator),
            bans,
            persisted: persisted_queries(&config.http).measured(&metrics.graphql),
            entrance: entrance.clone(),
            http: config.http.clone(),
            ws: config.ws.clone(),
            tasks: tasks.clone(),
            drain: drain.clone(),
            metrics: Arc::new(metrics.transport.clone()),
        });
        let observer = Observer {
            hub,
            cluster: cluster.observer(),
            store,
            executor,
            tasks,
            metrics,
        };
        let operations = Operations {
            health: health(&observer),
            drain: drain.clone(),
            metrics: {
                let observer = observer.clone();
                Arc::new(move || observer.metrics())
            },
        };
        let here = match metrics_listener {
            Some(_) => MetricsFor::Nobody,
            None => MetricsFor::Everybody,
        };
        let router = router.merge(transport::operations(operations.clone(), here));
        let operations = metrics_listener.map(|(listener, address)| {
            let router = transport::operations(operations, MetricsFor::Everybody);
            (listener, address, router)
        });
        Ok(Self {
            listener,
            address,
            router,
            operations,
            config,
            observer,
            cluster,
            limits,
            drain,
            entrance,
            authenticator,
            moderation,
            going_down,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the metrics are, if not where the server listens.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(|(_, address, _)| *address)
    }

    /// A look at the server while it runs.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until `shutdown` is done. Then it says that it is not ready, and goes on for the drain's
    /// delay; over the drain's window sockets close with 1012 and streams end; and requests and
    /// mutations under way have the grace period to end. Requests are answered until the window is
    /// over, then no connection is taken any more.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let Self {
            listener,
            router,
            operations,
            config,
            observer,
            cluster,
            limits,
            drain,
            entrance,
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
        let listener = listener.tap_io(tuned(patience));
        // What runs for as long as the server does.
        let background = TaskTracker::new();
        let hub = observer.hub.clone();
        let interval = config.rooms.reconcile_interval;
        let reconcile = feed::reconcile(hub.clone(), observer.store.clone(), interval);
        let until_down = || going_down.clone();
        background.spawn(until_down().run_until_cancelled_owned(async move { hub.run().await }));
        background.spawn(until_down().run_until_cancelled_owned(reconcile));
        background.spawn(until_down().run_until_cancelled_owned(async move { limits.run().await }));
        let metrics = observer.metrics.clone();
        background
            .spawn(until_down().run_until_cancelled_owned(async move { metrics.run().await }));
        let read_timeout = config.http.http_read_timeout;
        if let Some((listener, address, router)) = operations {
            tracing::info!(%address, "metrics are at an address of their own");
            // Whoever asks there is held to the same, and takes no place of a reader's.
            let entrance = Entrance::new(&config.clients, config.writing.rate_limits);
            let listener = listener.tap_io(tuned(patience));
            let serving = transport::serve(listener, router, entrance, read_timeout, until_down());
            background.spawn(serving);
        }
        let keys = async move { authenticator.run().await };
        background.spawn(until_down().run_until_cancelled_owned(keys));
        let interval = config.auth.ban_refresh;
        let looking = Arc::clone(&moderation);
        let bans = async move { looking.run(interval).await };
        background.spawn(until_down().run_until_cancelled_owned(bans));
        let sharing = share_bans(moderation, observer.hub.clone(), cluster.users_changed());
        background.spawn(until_down().run_until_cancelled_owned(sharing));

        // It hears of the last reader's leaving before it leaves itself.
        let leaving = CancellationToken::new();
        let _leave_all = leaving.clone().drop_guard();
        let nodes = TaskTracker::new();
        let speaking = nodes.spawn(cluster.run(leaving.clone()));

        let serving = transport::serve(listener, router, entrance, read_timeout, until_down());
        let serving = background.spawn(serving);
        let abort = serving.abort_handle();

        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = shutdown => {}
            // They end by themselves only where something is broken.
            result = &mut serving => {
                going_down.cancel();
                return result.map_err(io::Error::other);
            }
            result = speaking => {
                going_down.cancel();
                return result.map_err(io::Error::other);
            }
        }
        tracing::info!("going down");
        drain.begin();
        let drained = async {
            tokio::time::sleep(config.drain_delay).await;
            drain.spread(config.drain_window).await;
        };
        tokio::select! {
            () = drained => {}
            // Nobody can come or go any more.
            _ = &mut serving => {}
        }
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
        leaving.cancel();
        nodes.close();
        nodes.wait().await;
        observer.store.close().await;
        Ok(())
    }
}

/// Tells the other nodes whose bans were changed here, and looks when they say so. Whatever of this is
/// lost is found when it is time to look.
async fn share_bans(
    moderation: Arc<Moderation>,
    hub: Hub,
    mut changed_elsewhere: broadcast::Receiver<UserId>,
) {
    let mut changed_here = moderation.changes();
    loop {
        tokio::select! {
            changed = changed_here.recv() => match changed {
                Ok(user) => hub.user_changed(&user),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            changed = changed_elsewhere.recv() => {
                if changed == Err(RecvError::Closed) {
                    return;
                }
                if let Err(error) = moderation.look_now().await {
                    tracing::warn!(error = ?error, "another node's ban takes effect later");
                }
            }
        }
    }
}

async fn listen(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |cause| StartError::Listen {
        setting,
        address,
        cause,
    };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// What the server needs to be of use: `/readyz` asks each for an answer.
fn health(observer: &Observer) -> Health {
    let (store, cluster) = (observer.store.clone(), observer.cluster.clone());
    let checks = Checks::default()
        .with("store", move || {
            let store = store.clone();
            async move { store.answer().await }
        })
        .with("backplane", move || {
            std::future::ready(match cluster.status() {
                BackplaneStatus::Standalone | BackplaneStatus::Connected => Ok(()),
                BackplaneStatus::Disconnected => {
                    Err(Error::Unavailable("the other nodes are not heard".into()))
                }
            })
        });
    Health::new(checks)
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

/// Tunes each connection that is taken.
fn tuned(patience: Duration) -> impl FnMut(&mut TcpStream) + Send + 'static {
    move |connection| {
        if let Err(error) = tune(connection, patience) {
            tracing::debug!(%error, "a connection was not tuned");
        }
    }
}

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
