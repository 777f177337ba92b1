//! The registry of metrics, in Prometheus's text format.
//!
//! Each part of the server gets the few handles that it needs. A server has handles of its own: there
//! is no global recorder. Every label has few values, all known here. Ids, names and texts of users are
//! never labels. docs/metrics.md gives the meaning of each metric.

use std::{sync::Arc, time::Duration};

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, with_local_recorder,
};
pub use metrics_exporter_prometheus::BuildError;
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

/// Interval at which measured times are sorted into buckets. Until then each takes some bytes.
const UPKEEP: Duration = Duration::from_secs(1);
/// Upper bounds of the buckets of times, in seconds.
const SECONDS: [f64; 15] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets of writes a commit.
const WRITES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const BATCH: &str = "causerie_store_batch_writes";

/// The types of operations. A request that was refused before its type was known has none of them.
const TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];
/// The results of an operation: success, abandoned by its client, or the code of its first error.
const CODES: [&str; 18] = [
    "OK",
    "ABANDONED",
    "BAD_USER_INPUT",
    "CONFLICT",
    "FORBIDDEN",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "INTERNAL_SERVER_ERROR",
    "NOT_FOUND",
    "OPERATION_TIMEOUT",
    "OUTCOME_UNKNOWN",
    "PERSISTED_QUERY_NOT_FOUND",
    "QUERY_TOO_EXPENSIVE",
    "RATE_LIMITED",
    "SERVICE_RESTART",
    "SERVICE_UNAVAILABLE",
    "UNAUTHENTICATED",
    "OTHER",
];
/// The close codes of sockets.
const CLOSES: [u16; 13] = [
    1002, 1007, 1009, 1012, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429, 0,
];

/// The metrics of one server. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
    /// Metrics of the store.
    pub store: StoreMetrics,
    /// Metrics of the rooms.
    pub rooms: RoomMetrics,
    /// Metrics of the feeds.
    pub feed: FeedMetrics,
    /// Metrics of the caches of queries.
    pub graphql: GraphqlMetrics,
    /// Metrics of the limits.
    pub limits: LimitMetrics,
    /// Metrics of the transports.
    pub transport: TransportMetrics,
    /// Metrics of the backplane.
    pub backplane: BackplaneMetrics,
}

#[derive(Debug)]
struct Shared {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: Collector,
    sampled: SampledMetrics,
}

/// Numbers that the parts count themselves, sampled when the metrics are scraped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Rooms that exist.
    pub rooms: usize,
    /// Members: clients in rooms, each counted once a room.
    pub members: usize,
    /// Running tasks.
    pub tasks: usize,
    /// Writes in the queue of the group commit.
    pub waiting_writes: usize,
    /// Executions of a subscription's selection set.
    pub executions: u64,
    /// Deliveries of events to a subscriber's sink.
    pub deliveries: u64,
    /// Committed transactions.
    pub commits: u64,
}

#[derive(Clone, Debug)]
struct SampledMetrics {
    rooms: Gauge,
    members: Gauge,
    tasks: Gauge,
    waiting_writes: Gauge,
    executions: Counter,
    deliveries: Counter,
    commits: Counter,
}

/// Metrics of the store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// Duration of a statement, in seconds.
    pub statement: Histogram,
    /// Duration of a transaction from BEGIN to COMMIT, in seconds.
    pub transaction: Histogram,
    /// Number of writes in a transaction.
    pub batch: Histogram,
    /// Failed transactions.
    pub failed: Counter,
}

/// Metrics of the rooms.
#[derive(Clone, Debug)]
pub struct RoomMetrics {
    /// Changes published on this node.
    pub published: Counter,
    /// Changes that the resequencer dropped because it was full.
    pub forgotten: Counter,
    /// Rooms found behind the store by reconciling.
    pub gaps: Counter,
}

/// Metrics of the feeds.
#[derive(Clone, Debug)]
pub struct FeedMetrics {
    /// Catch-ups that are running.
    pub catching_up: Gauge,
    /// Catch-ups from a cursor.
    pub resumed: Counter,
    /// Catch-ups of subscribers that were too slow.
    pub slow: Counter,
    /// Catch-ups of subscribers whose room had a gap.
    pub missed: Counter,
}

/// Metrics of the caches of responses and documents.
#[derive(Clone, Debug)]
pub struct GraphqlMetrics {
    /// Lookups in the response cache.
    pub answers: Lookups,
    /// Lookups of documents by their text.
    pub documents: Lookups,
    /// Lookups of persisted queries by their hash.
    pub persisted: Lookups,
}

/// Hits and misses of a cache.
#[derive(Clone, Debug)]
pub struct Lookups {
    found: Counter,
    missed: Counter,
}

/// Metrics of the limits.
#[derive(Clone, Debug)]
pub struct LimitMetrics {
    /// Refused typing requests.
    pub typing: Counter,
    /// Comments refused by the limit of a user.
    pub comments: Counter,
    /// Comments refused by the limit of an address.
    pub comments_from_address: Counter,
    /// Guests refused by the limit of an address.
    pub guests: Counter,
}

/// Metrics of the transports.
#[derive(Clone, Debug)]
pub struct TransportMetrics {
    websocket: ConnectionMetrics,
    sse: ConnectionMetrics,
    multipart: ConnectionMetrics,
    closes: Arc<[(u16, Counter)]>,
    operations: Arc<[[Counter; CODES.len()]]>,
    query: Histogram,
    mutation: Histogram,
    expired: Counter,
    invalid: Counter,
    /// Connections dropped because their client read nothing.
    pub slow: Counter,
    /// Connections dropped because their client sent nothing.
    pub silent: Counter,
}

#[derive(Clone, Debug)]
struct ConnectionMetrics {
    open: Gauge,
    opened: Counter,
}

/// A guard that keeps a gauge incremented until it is dropped.
#[derive(Debug)]
pub struct GoingOn(Gauge);

/// The kind of a long-lived connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// A WebSocket.
    WebSocket,
    /// A stream of server-sent events.
    EventStream,
    /// A multipart stream.
    Multipart,
}

/// Metrics of the backplane, if there is one.
#[derive(Clone, Debug)]
pub struct BackplaneMetrics {
    /// 1 while it is connected or none is configured, else 0.
    pub connected: Gauge,
    /// Published messages.
    pub published: Counter,
    /// Received messages.
    pub received: Counter,
    /// Messages dropped because a queue was full.
    pub dropped: Counter,
    /// Other nodes that are alive.
    pub nodes: Gauge,
}

/// Creates the handles of one recorder.
struct Registry<'a>(&'a PrometheusRecorder);

impl Registry<'_> {
    const METADATA: Metadata<'static> = Metadata::new("causerie", Level::INFO, None);

    fn key(name: &'static str, labels: &[(&'static str, &'static str)]) -> Key {
        let labels: Vec<Label> = labels
            .iter()
            .map(|&(name, value)| Label::from_static_parts(name, value))
            .collect();
        Key::from_parts(name, labels)
    }

    fn counter(
        &self,
        name: &'static str,
        labels: &[(&'static str, &'static str)],
        help: &'static str,
    ) -> Counter {
        self.0
            .describe_counter(KeyName::from_const_str(name), None, help.into());
        let counter = self
            .0
            .register_counter(&Self::key(name, labels), &Self::METADATA);
        // What has not happened yet is 0, and not missing.
        counter.increment(0);
        counter
    }

    fn gauge(
        &self,
        name: &'static str,
        labels: &[(&'static str, &'static str)],
        help: &'static str,
    ) -> Gauge {
        self.0
            .describe_gauge(KeyName::from_const_str(name), None, help.into());
        let gauge = self
            .0
            .register_gauge(&Self::key(name, labels), &Self::METADATA);
        gauge.set(0.0);
        gauge
    }

    fn histogram(
        &self,
        name: &'static str,
        labels: &[(&'static str, &'static str)],
        help: &'static str,
    ) -> Histogram {
        self.0
            .describe_histogram(KeyName::from_const_str(name), None, help.into());
        self.0
            .register_histogram(&Self::key(name, labels), &Self::METADATA)
    }

    fn lookups(&self, name: &'static str, help: &'static str) -> Lookups {
        Lookups {
            found: self.counter(name, &[("result", "hit")], help),
            missed: self.counter(name, &[("result", "miss")], help),
        }
    }

    fn connections(&self, transport: &'static str) -> ConnectionMetrics {
        let labels = [("transport", transport)];
        ConnectionMetrics {
            open: self.gauge(
                "causerie_connections",
                &labels,
                "Sockets and streams that are open.",
            ),
            opened: self.counter(
                "causerie_connections_opened_total",
                &labels,
                "Sockets and streams that were opened.",
            ),
        }
    }
}

impl Metrics {
    /// Registers all metrics, each at zero.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&SECONDS)?
            .set_buckets_for_metric(Matcher::Full(BATCH.to_owned()), &WRITES)?
            .build_recorder();
        let registry = Registry(&recorder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let build = registry.gauge(
            "causerie_build_info",
            &version,
            "1; the label says which version this is.",
        );
        build.set(1.0);
        let process = Collector::default();
        with_local_recorder(&recorder, || process.describe());
        Ok(Self {
            store: StoreMetrics::of(&registry),
            rooms: RoomMetrics::of(&registry),
            feed: FeedMetrics::of(&registry),
            graphql: GraphqlMetrics::of(&registry),
            limits: LimitMetrics::of(&registry),
            transport: TransportMetrics::of(&registry),
            backplane: BackplaneMetrics::of(&registry),
            shared: Arc::new(Shared {
                sampled: SampledMetrics::of(&registry),
                handle: recorder.handle(),
                process,
                recorder,
            }),
        })
    }

    /// Renders all metrics in Prometheus's text format.
    pub fn render(&self, sample: Sample) -> String {
        let Shared {
            recorder,
            handle,
            process,
            sampled,
        } = &*self.shared;
        sampled.set(sample);
        // For this thread, and for as long as this takes.
        with_local_recorder(recorder, || process.collect());
        handle.render()
    }

    /// Sorts measured times into buckets. Runs until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.shared.handle.run_upkeep();
        }
    }
}

impl SampledMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        Self {
            rooms: registry.gauge("causerie_rooms", &[], "Rooms that exist on this node."),
            members: registry.gauge(
                "causerie_members",
                &[],
                "Clients in rooms of this node, each counted once a room.",
            ),
            tasks: registry.gauge(
                "causerie_tasks",
                &[],
                "Tasks under way: sockets, streams, mutations and what they started.",
            ),
            waiting_writes: registry.gauge(
                "causerie_store_waiting_writes",
                &[],
                "Writes that wait for the one writer.",
            ),
            executions: registry.counter(
                "causerie_event_executions_total",
                &[],
                "Executions of a subscription's selection set.",
            ),
            deliveries: registry.counter(
                "causerie_event_deliveries_total",
                &[],
                "Events that were handed to a subscriber's transport.",
            ),
            commits: registry.counter(
                "causerie_store_commits_total",
                &[],
                "Transactions that were committed.",
            ),
        }
    }

    fn set(&self, sample: Sample) {
        let number = |count: usize| count as f64;
        self.rooms.set(number(sample.rooms));
        self.members.set(number(sample.members));
        self.tasks.set(number(sample.tasks));
        self.waiting_writes.set(number(sample.waiting_writes));
        self.executions.absolute(sample.executions);
        self.deliveries.absolute(sample.deliveries);
        self.commits.absolute(sample.commits);
    }
}

impl StoreMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        Self {
            statement: registry.histogram(
                "causerie_store_statement_seconds",
                &[],
                "How long an SQL statement took.",
            ),
            transaction: registry.histogram(
                "causerie_store_transaction_seconds",
                &[],
                "How long a writing transaction took, from its begin to its commit.",
            ),
            batch: registry.histogram(BATCH, &[], "How many writes shared a transaction."),
            failed: registry.counter(
                "causerie_store_failed_transactions_total",
                &[],
                "Writing transactions that failed.",
            ),
        }
    }
}

impl RoomMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        Self {
            published: registry.counter(
                "causerie_events_published_total",
                &[],
                "Changes to comments that were published on this node.",
            ),
            forgotten: registry.counter(
                "causerie_events_forgotten_total",
                &[],
                "Changes that came too early and were forgotten, for too many waited; they are read from the store.",
            ),
            gaps: registry.counter(
                "causerie_feed_gaps_total",
                &[],
                "Rooms that were found behind the store, whose members then read it.",
            ),
        }
    }
}

impl FeedMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        let catch_ups = |reason| {
            registry.counter(
                "causerie_catch_ups_total",
                &[("reason", reason)],
                "Subscribers who had to be caught up.",
            )
        };
        Self {
            catching_up: registry.gauge(
                "causerie_catching_up",
                &[],
                "Subscribers who are being caught up now.",
            ),
            resumed: catch_ups("resumed"),
            slow: catch_ups("slow"),
            missed: catch_ups("missed"),
        }
    }
}

impl GraphqlMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        Self {
            answers: registry.lookups(
                "causerie_kept_answers_total",
                "Queries, and whether they were answered with what another was answered.",
            ),
            documents: registry.lookups(
                "causerie_parsed_documents_total",
                "Documents, and whether they were parsed already.",
            ),
            persisted: registry.lookups(
                "causerie_persisted_queries_total",
                "Documents that were named by their hash alone, and whether they were known.",
            ),
        }
    }
}

impl LimitMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        let refused = |limit| {
            registry.counter(
                "causerie_rate_limited_total",
                &[("limit", limit)],
                "Requests that were one too many.",
            )
        };
        Self {
            typing: refused("typing"),
            comments: refused("comments"),
            comments_from_address: refused("comments_from_address"),
            guests: refused("guests"),
        }
    }
}

impl TransportMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        let close = |code: u16| {
            let (label, help) = (
                close_label(code),
                "Sockets that this server closed, by code.",
            );
            let labels = [("code", label)];
            (
                code,
                registry.counter("causerie_websocket_closes_total", &labels, help),
            )
        };
        let operations = TYPES.map(|kind| {
            CODES.map(|code| {
                registry.counter(
                    "causerie_operations_total",
                    &[("type", kind), ("code", code)],
                    "Operations, by the code of their first error.",
                )
            })
        });
        let duration = |kind| {
            registry.histogram(
                "causerie_operation_seconds",
                &[("type", kind)],
                "How long an operation took.",
            )
        };
        let unauthenticated = |reason| {
            registry.counter(
                "causerie_auth_failures_total",
                &[("reason", reason)],
                "Tokens that were refused.",
            )
        };
        let dropped = |reason| {
            registry.counter(
                "causerie_connections_dropped_total",
                &[("reason", reason)],
                "Sockets and streams that were given up.",
            )
        };
        Self {
            websocket: registry.connections("websocket"),
            sse: registry.connections("sse"),
            multipart: registry.connections("multipart"),
            closes: CLOSES.into_iter().map(close).collect(),
            operations: operations.into(),
            query: duration("query"),
            mutation: duration("mutation"),
            expired: unauthenticated("expired"),
            invalid: unauthenticated("invalid"),
            slow: dropped("slow"),
            silent: dropped("silent"),
        }
    }

    /// Counts a long-lived connection until the returned guard is dropped.
    pub fn connected(&self, kind: StreamKind) -> GoingOn {
        let connections = match kind {
            StreamKind::WebSocket => &self.websocket,
            StreamKind::EventStream => &self.sse,
            StreamKind::Multipart => &self.multipart,
        };
        connections.opened.increment(1);
        GoingOn::in_one_of(&connections.open)
    }

    /// Counts a socket that this server closes.
    pub fn closed(&self, code: u16) {
        let known = self.closes.iter().find(|(known, _)| *known == code);
        if let Some((_, counter)) = known.or(self.closes.last()) {
            counter.increment(1);
        }
    }

    /// Counts an operation: its type, the code of its first error, and its duration, if it has one.
    /// Unknown types and codes are counted as `unknown` and `OTHER`.
    pub fn operation(&self, kind: &str, code: Option<&str>, took: Option<Duration>) {
        let place = |list: &[&str], what: &str| {
            let known = list.iter().position(|known| *known == what);
            known.unwrap_or(list.len() - 1)
        };
        let of_type = &self.operations[place(&TYPES, kind)];
        of_type[code.map_or(0, |code| place(&CODES, code))].increment(1);
        match (kind, took) {
            ("query", Some(took)) => self.query.record(took),
            ("mutation", Some(took)) => self.mutation.record(took),
            _ => {}
        }
    }

    /// Counts a refused token.
    pub fn unauthenticated(&self, has_expired: bool) {
        let counter = if has_expired {
            &self.expired
        } else {
            &self.invalid
        };
        counter.increment(1);
    }
}

fn close_label(code: u16) -> &'static str {
    match code {
        1002 => "1002",
        1007 => "1007",
        1009 => "1009",
        1012 => "1012",
        1013 => "1013",
        4400 => "4400",
        4401 => "4401",
        4403 => "4403",
        4406 => "4406",
        4408 => "4408",
        4409 => "4409",
        4429 => "4429",
        _ => "other",
    }
}

impl BackplaneMetrics {
    fn of(registry: &Registry<'_>) -> Self {
        let connected = registry.gauge(
            "causerie_backplane_connected",
            &[],
            "1 while what carries events between nodes is connected, or none is wanted.",
        );
        connected.set(1.0);
        let messages = |direction| {
            registry.counter(
                "causerie_backplane_messages_total",
                &[("direction", direction)],
                "Messages that went to other nodes and came from them.",
            )
        };
        Self {
            connected,
            published: messages("published"),
            received: messages("received"),
            dropped: registry.counter(
                "causerie_backplane_dropped_total",
                &[("reason", "queue_full")],
                "Messages that other nodes were not sent; what they told is made up for.",
            ),
            nodes: registry.gauge(
                "causerie_backplane_nodes",
                &[],
                "Other nodes that are known to be alive.",
            ),
        }
    }
}

impl Lookups {
    /// Counts a lookup.
    pub fn count(&self, is_found: bool) {
        let counter = if is_found { &self.found } else { &self.missed };
        counter.increment(1);
    }
}

impl GoingOn {
    /// Increments `gauge` until the guard is dropped.
    pub fn in_one_of(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Handles that record nothing, for parts that are used without a server.
macro_rules! counts_nothing {
    ($($part:ty { $($field:ident: $handle:expr),* })*) => {$(
        impl Default for $part {
            fn default() -> Self {
                Self { $($field: $handle),* }
            }
        }
    )*};
}

counts_nothing! {
    StoreMetrics {
        statement: Histogram::noop(),
        transaction: Histogram::noop(),
        batch: Histogram::noop(),
        failed: Counter::noop()
    }
    RoomMetrics { published: Counter::noop(), forgotten: Counter::noop(), gaps: Counter::noop() }
    FeedMetrics {
        catching_up: Gauge::noop(),
        resumed: Counter::noop(),
        slow: Counter::noop(),
        missed: Counter::noop()
    }
    Lookups { found: Counter::noop(), missed: Counter::noop() }
    GraphqlMetrics {
        answers: Lookups::default(),
        documents: Lookups::default(),
        persisted: Lookups::default()
    }
    LimitMetrics {
        typing: Counter::noop(),
        comments: Counter::noop(),
        comments_from_address: Counter::noop(),
        guests: Counter::noop()
    }
    BackplaneMetrics {
        connected: Gauge::noop(),
        published: Counter::noop(),
        received: Counter::noop(),
        dropped: Counter::noop(),
        nodes: Gauge::noop()
    }
}
