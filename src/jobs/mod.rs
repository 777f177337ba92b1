//! Jobs: this node's part in the long work that any node may do, and in the regular one.
//!
//! The store has the jobs, and does each batch in a transaction. Here the batches are run one after the
//! other, and their effects published after each commit.

mod metrics;
mod runner;
mod sweep;

pub use self::{
    runner::{Jobs, JobsHandle},
    sweep::Sweep,
};
