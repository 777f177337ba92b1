//! The contract, a sentence a test: the real server on a real socket with a real SQLite file.

#![allow(
    clippy::disallowed_methods,
    reason = "a test's tasks end with the test; it counts the server's, not its own"
)]
#![allow(
    clippy::panic,
    reason = "a helper that panics fails the test that it helps"
)]

mod answers;
mod bans;
mod cli;
mod failure;
mod feed;
mod hostile;
mod http;
mod imports;
mod interleavings;
mod keys;
mod multipart;
mod mutations;
mod persisted;
mod protocol;
mod queries;
mod resume;
mod roles;
mod rooms;
mod schema;
mod sharing;
mod slow;
mod sse;
mod support;
mod transports;
mod writes;
