//! Many nodes under faults: three real nodes on a real PostgreSQL and three real NATS servers. All are
//! processes that the tests start, stop, freeze, kill and cut off.
//!
//! These tests need Linux, `setpriv`, PostgreSQL, nats-server and Caddy, and use the whole machine for some
//! minutes. `cargo test` leaves them out; `cargo test --test cluster` runs them, one after another.

#![allow(
    clippy::disallowed_methods,
    reason = "a test's tasks end with the test; it counts the server's, not its own"
)]
#![allow(
    clippy::panic,
    reason = "a helper that panics fails the test that it helps"
)]
#![allow(
    clippy::print_stderr,
    reason = "how long it took is worth reading, and so is what a program said before a test failed"
)]

mod deploy;
mod faults;
mod presence;
mod rolling;
mod support;
