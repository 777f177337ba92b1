//! The programs that tests and the benchmark start, and the clients that tests speak with.
//!
//! - [`process`]: a program that ends with its test, its output and its use of the machine
//! - [`node`]: the real server, or a peer of it, as a process
//! - [`nats`] and [`postgres`]: the servers that nodes share
//! - [`port`]: ports that stay free while a program is down
//! - [`wait`]: waiting for a condition
//! - [`proxy`]: a network that can be cut
//! - [`http_client`] and [`ws_client`]: clients over HTTP and graphql-transport-ws
//!
//! The crate does not depend on the server's library. So a change of the library does not rebuild it, and no
//! client here shares code with what it tests. A server inside the test's own process needs the library:
//! `tests/it/support` has it.
//!
//! The crate panics if a program does not start or does not end: no test and no measurement can go on then.

#![allow(
    clippy::disallowed_methods,
    reason = "a test's tasks and threads end with the test; the path says where programs are"
)]
#![allow(
    clippy::panic,
    reason = "a helper that panics fails the test that it helps"
)]
#![allow(
    clippy::print_stderr,
    reason = "the output of a program explains why its test failed"
)]

#[cfg(feature = "clients")]
pub mod http_client;
pub mod nats;
pub mod node;
pub mod port;
pub mod postgres;
pub mod process;
#[cfg(feature = "clients")]
pub mod proxy;
pub mod wait;
#[cfg(feature = "clients")]
pub mod ws_client;

pub use nix::sys::signal::Signal;
