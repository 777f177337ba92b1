//! Metrics that are sampled when they are scraped, because their owners count them anyway.

use metrics::{Counter, Gauge};

use super::observer::Observer;
use crate::{graphql::Counts, rooms::RoomStats, telemetry::Registry};

/// Sampled metrics.
#[derive(Clone, Debug)]
pub(super) struct SampledMetrics {
    rooms: Gauge,
    members: Gauge,
    tasks: Gauge,
    waiting_writes: Gauge,
    memory_limit: Gauge,
    memory_reserved: Gauge,
    memory_refusals: Counter,
    executions: Counter,
    deliveries: Counter,
    commits: Counter,
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
            memory_limit: registry.gauge(
                "causerie_memory_limit_bytes",
                &[],
                "Memory that requests, responses and events may take.",
            ),
            memory_reserved: registry.gauge(
                "causerie_memory_reserved_bytes",
                &[],
                "Memory that they take now.",
            ),
            memory_refusals: registry.counter(
                "causerie_memory_refusals_total",
                &[],
                "Reservations of memory that were refused.",
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
                "Committed transactions.",
            ),
        }
    }

    /// Sets all metrics to what `observer` sees now.
    pub(super) fn sample(&self, observer: &Observer) {
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
        self.memory_limit.set(number(memory.limit()));
        self.memory_reserved.set(number(memory.used()));
        self.memory_refusals.absolute(memory.refused());
        self.executions.absolute(executions);
        self.deliveries.absolute(deliveries);
        self.commits.absolute(observer.commits());
    }
}
