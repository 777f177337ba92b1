//! A comments server for websites: a GraphQL API whose realtime channel is GraphQL subscriptions.
//!
//! To run a server inside another program, make a [`config::Config`], [`bind`](server::Server::bind) a
//! [`server::Server`] and [`run`](server::Server::run) it.
//!
//! # Map
//!
//! Imports go down this list and never up; `tests/it/imports.rs` checks it.
//!
//! * [`server`]: composes the parts into a server: bind, run, shut down.
//! * `transport`: HTTP, SSE, multipart and WebSocket: from bytes to operations and back.
//! * [`graphql`]: the schema, and how an operation is parsed, limited and executed.
//! * [`jobs`]: this node's part in long work that is done in batches.
//! * [`feed`]: subscriptions: joining a room, catching up, one execution for many subscribers.
//! * [`moderation`]: bans, and the screening of comments before they are stored.
//! * [`cluster`]: what nodes tell each other: changes, readers, heartbeats, over a backplane.
//! * [`rooms`]: the live side of posts on this node: members, presence and typing.
//! * [`store`]: every query to SQLite or PostgreSQL, with group commit. The source of truth.
//! * [`auth`]: bearer tokens in, principals out.
//! * [`limits`]: rate limits of users and addresses.
//! * [`outgoing`]: HTTP requests to other servers, bounded and signed.
//! * [`site`]: the host site's pages, as its sitemap or feed lists them.
//! * [`telemetry`]: logs, spans, health checks and the registry of metrics.
//! * [`shutdown`]: a deadline for each long-lived connection, spread over a window.
//! * [`memory`]: the process's budget of memory.
//! * [`config`]: settings: flags, environment variables, defaults.
//! * [`model`]: the types of the domain: ids, posts, comments, changes.
//! * `json`: JSON from clients.
//! * [`text`]: cleaning of what users and host sites write.
//! * [`error`]: the errors of the domain.
//!
//! [`demo`] fills a database with sample posts. ARCHITECTURE.md has the picture and the invariants.

pub mod auth;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod error;
pub mod feed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod graphql;
pub mod jobs;
mod json;
pub mod limits;
pub mod memory;
pub mod model;
pub mod moderation;
pub mod outgoing;
pub mod rooms;
pub mod server;
pub mod shutdown;
pub mod site;
pub mod store;
pub mod telemetry;
pub mod text;
mod transport;
