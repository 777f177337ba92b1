//! Several nodes that serve the same posts: replicates rooms over a [`backplane`].
//!
//! `node` is the task that exchanges `wire` messages with the other nodes, and `remote` is the
//! handle through which rooms reach it. `inbound` handles what arrives, and `heartbeat` repairs what
//! was lost. Pure are `peers` (nodes that are alive) and `interest` (posts subscribed to).
//! `remote_count` asks for the viewers of posts without a room here, and `outbound` queues what is
//! to be sent.
//!
//! The cluster imports rooms, never the other way.

pub mod backplane;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod heartbeat;
mod inbound;
mod interest;
mod metrics;
mod node;
mod observer;
mod outbound;
mod peers;
mod remote;
mod remote_count;
mod wire;

pub use self::{
    node::ClusterNode,
    observer::{BackplaneStatus, ClusterObserver},
};
