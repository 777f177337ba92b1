//! A server as a value: bind it, ask for its address, run it until it is told to shut down.
//!
//! This composes the parts. There is no global state, so several servers can run in one process.

mod background;
mod error;
mod grace;
mod metrics;
mod observer;
mod queue_metrics;
mod settings;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use axum::{Router, serve::ListenerExt};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{background::Background, grace::end_grace_of_banned, metrics::SampledMetrics};
pub use self::{error::StartError, observer::Observer};
use crate::{
    auth::Authenticator,
    cluster::{ClusterNode, backplane},
    config::Config,
    feed::{self, Feed},
    graphql::{Executor, Services, SitePages},
    jobs::{Jobs, JobsHandle, Sweep},
    limits::{Limits, OperationLimits},
    moderation::{Bans, Moderation, Screening, share_bans},
    shutdown::Shutdown,
    store::Store,
    telemetry::Registry,
    transport::{
        self, AdminState, Admission, KERNEL_MARGIN, MetricsRoute, Transport, TransportMetrics,
        tuned,
    },
};

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// The listener of `METRICS_LISTEN`, if it is set.
    admin: Option<(TcpListener, SocketAddr, Router)>,
    config: Config,
    observer: Observer,
    cluster: ClusterNode,
    limits: Arc<Limits>,
    shutdown: Shutdown,
    admission: Admission,
    authenticator: Arc<Authenticator>,
    moderation: Arc<Moderation>,
    jobs: Jobs,
    screening: Arc<Screening>,
    bans: Arc<Bans>,
    stop: CancellationToken,
}

impl Server {
    /// Listens, opens the database and migrates it. Starts to connect to other nodes if they are
    /// configured, without waiting for the connection.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let has_backplane = !config.backplane.backplane_url.is_empty();
        if has_backplane && config.store.database_url.starts_with("sqlite:") {
            return Err(StartError::OwnDatabase);
        }
        let connection = backplane::connect(&config.backplane).await?;
        Self::bind_with_backplane(config, connection).await
    }

    /// Binds like [`bind`](Self::bind), with `connection` instead of the configured backplane, for
    /// programs that run several nodes in one process.
    pub async fn bind_with_backplane(
        config: Config,
        connection: backplane::Connection,
    ) -> Result<Self, StartError> {
        // Listening comes first: if another server has the address, its database is left alone.
        let (listener, address) = listen("LISTEN (--listen)", config.listen).await?;
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(listen("METRICS_LISTEN (--metrics-listen)", address).await?),
            None => None,
        };
        let authenticator = Arc::new(Authenticator::new(&config.auth)?);
        let registry = Registry::new();
        let screening = Arc::new(Screening::new(&config.moderation, &registry)?);
        let store = Store::open(&config.store, &registry).await?;
        authenticator.prepare(&config.auth).await;
        let bans = Arc::new(Bans::default());
        let moderation = Arc::new(Moderation::new(store.clone(), Arc::clone(&bans)));
        moderation.refresh().await.map_err(StartError::Bans)?;

        let buffer = config.rooms.room_buffer as usize;
        let (hub, cluster) = ClusterNode::new(buffer, connection, &registry);
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let limits = Arc::new(Limits::new(&config.writing, &registry));

        let memory = settings::memory(&config);

        let jobs = JobsHandle::default();
        let services = Services {
            feed: Feed::new(
                hub.clone(),
                store.clone(),
                config.rooms.catch_up_page.into(),
                &memory,
                &registry,
            ),
            store: store.clone(),
            hub: hub.clone(),
            jobs: jobs.clone(),
            authenticator: Arc::clone(&authenticator),
            moderation: Arc::clone(&moderation),
            screening: Arc::clone(&screening),
            limits: Arc::clone(&limits),
            memory: memory.clone(),
            site_pages: SitePages::new(&config.posts.auto_open_posts),
            settings: settings::of_resolvers(&config),
        };
        let executor = Executor::new(services, tasks.clone(), &registry);
        let admission = Admission::new(&config.clients, config.writing.rate_limits);
        let shutdown = Shutdown::new(stop.clone());
        let router = transport::router(Transport {
            executor: executor.clone(),
            authenticator: Arc::clone(&authenticator),
            bans: Arc::clone(&bans),
            requests: settings::requests(&config, &registry),
            admission: admission.clone(),
            operation_limits: OperationLimits::new(
                &config.clients,
                config.writing.rate_limits,
                &registry,
            ),
            memory: memory.clone(),
            http: settings::http(&config),
            ws: config.ws.clone(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
            metrics: Arc::new(TransportMetrics::new(&registry)),
        });
        let jobs = Jobs::new(store.clone(), hub.clone(), jobs, &registry);
        let observer = Observer {
            hub,
            cluster: cluster.observer(),
            store,
            executor,
            memory,
            tasks,
            sampled: SampledMetrics::new(&registry),
            registry,
        };
        let admin_state = AdminState {
            health: observer.health(),
            shutdown: shutdown.clone(),
            metrics: {
                let observer = observer.clone();
                Arc::new(move || {
                    let observer = observer.clone();
                    async move { observer.metrics().await }.boxed()
                })
            },
        };
        let metrics_here = match metrics_listener {
            Some(_) => MetricsRoute::Disabled,
            None => MetricsRoute::Enabled,
        };
        let router = router.merge(transport::admin_router(admin_state.clone(), metrics_here));
        let admin = metrics_listener.map(|(listener, address)| {
            let router = transport::admin_router(admin_state, MetricsRoute::Enabled);
            (listener, address, router)
        });
        Ok(Self {
            listener,
            address,
            router,
            admin,
            config,
            observer,
            cluster,
            limits,
            shutdown,
            admission,
            authenticator,
            moderation,
            screening,
            jobs,
            bans,
            stop,
        })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the second listener, if `METRICS_LISTEN` is set.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address, _)| *address)
    }

    /// Returns a view of the server that can be used while it runs.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until `shutdown` completes, then shuts down gracefully:
    ///
    /// 1. `/readyz` fails, and all else goes on for the drain delay.
    /// 2. Over the drain window, sockets close with 1012 and streams end. Requests are still answered.
    /// 3. No more connections are accepted. Requests and mutations in flight have the grace period to
    ///    finish.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let Self {
            listener,
            router,
            admin,
            config,
            observer,
            cluster,
            limits,
            shutdown: graceful,
            admission,
            authenticator,
            moderation,
            screening,
            jobs,
            bans,
            stop,
            ..
        } = self;
        // Dropping the future of `run` stops all tasks too.
        let _stop_on_drop = stop.clone().drop_guard();
        // The kernel's timeout is set before a connection's protocol is known, so the longer of the two
        // applies.
        let (http, ws) = (config.http.http_write_timeout, config.ws.ws_write_timeout);
        let tuned = || tuned(http.max(ws) + KERNEL_MARGIN);
        let idle_timeout = config.http.http_idle_timeout;
        // Tasks that run until `stop`.
        let background = Background {
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        };
        let hub = observer.hub.clone();
        let interval = config.rooms.reconcile_interval;
        background.spawn(feed::reconcile(
            hub.clone(),
            observer.store.clone(),
            interval,
        ));
        let publish_to = hub.clone();
        background.spawn(share_bans(
            Arc::clone(&moderation),
            move |user| publish_to.user_changed(user),
            cluster.users_changed(),
        ));
        background.spawn(end_grace_of_banned(hub.clone(), bans.imposed()));
        let close_after = config.posts.close_after();
        let sweep = Sweep::new(
            observer.store.clone(),
            hub.clone(),
            jobs.handle(),
            close_after,
        );
        background.spawn(sweep.run());
        background.spawn(async move { hub.run().await });
        background.spawn(async move { limits.run().await });
        background.spawn(async move { screening.run().await });
        background.tasks.spawn(jobs.run(stop.clone()));
        let registry = observer.registry.clone();
        background.spawn(async move { registry.run().await });
        background.spawn(async move { authenticator.run().await });
        background.spawn(async move { moderation.run(config.auth.ban_refresh).await });
        if let Some((listener, address, router)) = admin {
            tracing::info!(%address, "serving metrics");
            // The same limits, counted apart: it takes no places from clients.
            let admission = Admission::new(&config.clients, config.writing.rate_limits);
            let listener = listener.tap_io(tuned());
            let serving = transport::serve(listener, router, admission, idle_timeout, stop.clone());
            background.tasks.spawn(serving);
        }

        // The cluster leaves last, so that other nodes are told that the last reader has left.
        let leave = CancellationToken::new();
        let _leave_on_drop = leave.clone().drop_guard();
        let cluster_tasks = TaskTracker::new();
        let cluster = cluster_tasks.spawn(cluster.run(leave.clone()));

        let listener = listener.tap_io(tuned());
        let serving = transport::serve(listener, router, admission, idle_timeout, stop.clone());
        let serving = background.tasks.spawn(serving);
        let abort = serving.abort_handle();

        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = shutdown => {}
            // These two end on their own only after a panic.
            result = &mut serving => {
                stop.cancel();
                return result.map_err(io::Error::other);
            }
            result = cluster => {
                stop.cancel();
                return result.map_err(io::Error::other);
            }
        }
        tracing::info!("shutting down");
        graceful.begin();
        let drained = async {
            tokio::time::sleep(config.drain_delay).await;
            graceful.drain(config.drain_window).await;
        };
        tokio::select! {
            () = drained => {}
            // Without a listener there is nothing to drain.
            _ = &mut serving => {}
        }
        stop.cancel();
        observer.tasks.close();
        background.tasks.close();
        let ended = async {
            observer.tasks.wait().await;
            background.tasks.wait().await;
        };
        if tokio::time::timeout(config.grace_period, ended)
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = observer.tasks.len(),
                "tasks are still running after the grace period"
            );
            abort.abort();
        }
        leave.cancel();
        cluster_tasks.close();
        cluster_tasks.wait().await;
        observer.hub.end_all_grace();
        observer.store.close().await;
        Ok(())
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
