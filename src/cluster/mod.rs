//! Many nodes: `node` speaks with the others, in the words of `wire`, over a [`backplane`]. Pure are
//! `peers` (who they are) and `remote_count` (asking them about a room that is not here); what waits
//! to be told is in `outbound`.

pub mod backplane;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod node;
pub(crate) mod outbound;
mod peers;
pub(crate) mod remote_count;
pub(crate) mod wire;

pub use self::{
    node::{Cluster, ClusterObserver, Link},
    peers::NodeId,
};
