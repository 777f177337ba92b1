//! Jobs: this node's part in the long work that any node may do.
//!
//! The store has the jobs, and does each batch in a transaction. Here the batches are run one after the
//! other, and their effects published after each commit.

mod metrics;
mod runner;

pub use self::runner::{Jobs, JobsHandle};
