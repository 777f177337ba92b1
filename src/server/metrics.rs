//! Metrics that are sampled when they are scraped, because their owners count them anyway.

use metrics::{Counter, Gauge};

use super::{observer::Observer, queue_metrics::QueueMetrics};
use crate::{graphql::Counts, memory::Pool, rooms::RoomStats, telemetry::Registry};

/// Sampled metrics.
#[derive(Clone, Debug)]
pub(super) struct SampledMetrics {
    rooms: Gauge,
    members: Gauge,
    tasks: Gauge,
    waiting_writes: Gauge,
    memory_of_requests: PoolMetrics,
    memory_of_events: PoolMetrics,
    executions: Counter,
    deliveries: Counter,
    commits: Counter,
    queue: QueueMetrics,
}

impl SampledMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            rooms: registry.gauge("causerie_rooms", &[], "Rooms that exist on this node."),
            members: registry.gauge(
                "causerie_members",
                &[],
                "Clients in rooms of this node, each counted once per room.",
            ),
            tasks: registry.gauge(
                "causerie_tasks",
                &[],
                "Running tasks: sockets, streams, mutations and what they have spawned.",
            ),
            waiting_writes: registry.gauge(
                "causerie_store_waiting_writes",
                &[],
                "Writes in the queue of the group commit.",
            ),
            memory_of_requests: PoolMetrics::new(registry, "requests"),
            memory_of_events: PoolMetrics::new(registry, "events"),
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
                "Committed transactions.",
            ),
            queue: QueueMetrics::new(registry),
        }
    }

    /// Sets all metrics to what `observer` sees now.
    pub(super) async fn sample(&self, observer: &Observer) {
        let number = |count: usize| count as f64;
        let RoomStats { rooms, members } = observer.rooms();
        let Counts {
            executions,
            deliveries,
        } = observer.events();
        self.rooms.set(number(rooms));
        self.members.set(number(members));
        self.tasks.set(number(observer.tasks()));
        let waiting = observer.store().waiting_writes();
        self.waiting_writes.set(number(waiting));
        let memory = observer.memory();
        self.memory_of_requests.sample(memory.requests());
        self.memory_of_events.sample(memory.events());
        self.executions.absolute(executions);
        self.deliveries.absolute(deliveries);
        self.commits.absolute(observer.commits());
        self.queue.sample(observer.store()).await;
    }
}

/// The metrics of a part of the budget of memory.
#[derive(Clone, Debug)]
struct PoolMetrics {
    limit: Gauge,
    reserved: Gauge,
    refusals: Counter,
}

impl PoolMetrics {
    fn new(registry: &Registry, pool: &'static str) -> Self {
        let labels = [("pool", pool)];
        Self {
            limit: registry.gauge(
                "causerie_memory_limit_bytes",
                &labels,
                "Memory that requests and events may take.",
            ),
            reserved: registry.gauge(
                "causerie_memory_reserved_bytes",
                &labels,
                "Memory that they take now.",
            ),
            refusals: registry.counter(
                "causerie_memory_refusals_total",
                &labels,
                "Reservations of memory that were refused.",
            ),
        }
    }

    fn sample(&self, pool: &Pool) {
        self.limit.set(pool.limit() as f64);
        self.reserved.set(pool.used() as f64);
        self.refusals.absolute(pool.refused());
    }
}
