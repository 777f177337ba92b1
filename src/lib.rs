//! Causerie: a comments server for a blog, with GraphQL subscriptions for its realtime channel.
//!
//! ARCHITECTURE.md has the picture, the map of the files and the invariants. A program that wants
//! the server inside itself makes a [`config::Config`] and a [`server::Server`].

pub mod auth;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod drain;
pub mod error;
pub mod feed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod graphql;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod model;
pub mod moderation;
pub mod probe;
pub mod rooms;
pub mod server;
pub mod store;
pub mod telemetry;
mod transport;
