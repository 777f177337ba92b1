//! The contract, one claim a test: the real server on a real socket with a real database.

#![allow(
    clippy::disallowed_methods,
    reason = "a test's tasks end with the test; it counts the server's, not its own"
)]
#![allow(
    clippy::panic,
    reason = "a helper that panics fails the test that it helps"
)]

mod answers;
mod backplane;
mod bans;
mod cli;
mod cluster_interleavings;
mod drain;
mod failure;
mod feed;
mod grace;
mod guest_addresses;
mod health;
mod hostile;
mod http;
mod idempotency;
mod imports;
mod interleavings;
mod jobs;
mod keys;
mod language;
mod leak;
mod limits;
mod logs;
mod memory;
mod metrics;
mod moderated_feed;
mod moderation;
mod moderation_fields;
mod moderation_metrics;
mod move_to_postgres;
mod moving;
mod multipart;
mod mutations;
mod nodes;
mod order;
mod overload;
mod pages;
mod participants;
mod persisted;
mod pipeline;
mod postgres;
mod posts;
mod posts_changed;
mod posts_sync;
mod profiles;
mod protocol;
mod queries;
mod rates;
mod reactions;
mod relatives;
mod restore;
mod resume;
mod roles;
mod room_events;
mod rooms;
mod schema;
mod screening;
mod sharing;
mod silent;
mod slow;
mod sqlite;
mod sse;
mod support;
mod toy_topic;
mod traces;
mod transports;
mod upgrade;
mod web;
mod websocket;
mod writes;
