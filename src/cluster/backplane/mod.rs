//! What carries messages between nodes.
//!
//! The store is the truth and the backplane only a hint: a message that is lost delays what it would
//! have told, and loses nothing. So an adapter may be as simple as [`Backplane`] asks.

pub mod memory;
mod nats;
mod none;
mod status;

use std::fmt::Debug;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

pub use self::{
    nats::{ConnectError, connect},
    none::alone,
};
use super::peers::NodeId;
use crate::model::PostId;

/// Where a message goes: to the nodes that have subscribed to the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Every node.
    All,
    /// The one node of this id.
    Node(NodeId),
    /// The nodes that are in the room of this post.
    Room(PostId),
}

/// An adapter. What all of them keep to, and `tests/it/backplane.rs` holds:
///
/// - A message reaches each other node that has subscribed to its subject at most once, and those of
///   one node to one subject in the order in which it published them. What a node publishes after it
///   has subscribed, and what others publish to that subject when they have heard it, comes after.
/// - It never comes back to the node that published it.
/// - No operation waits for the network or fails because of it. What is more than an adapter's bound
///   is dropped, and counted.
/// - Where messages may have been lost, on whatever way, [`Incoming::Missed`] or, after a
///   connection was lost, [`Incoming::Connected`] comes once they would have come.
pub trait Backplane: Debug + Send + Sync {
    /// Hands over a message to whoever has subscribed to its subject, besides this node.
    fn publish(&self, subject: &Subject, message: Bytes);

    /// Has messages to this subject come, from soon on. Doing it twice changes nothing.
    fn subscribe(&self, subject: &Subject);

    /// Has messages to this subject come no more, from soon on.
    fn unsubscribe(&self, subject: &Subject);

    /// Ends the connection, once what was published is sent, or it has turned out that it cannot be.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// How many messages were dropped at a bound so far.
    fn dropped(&self) -> u64;
}

/// What comes from a backplane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message to one of the subjects.
    Message(Bytes),
    /// There is a connection: the first, or again. What was published meanwhile did not come.
    Connected,
    /// The connection is lost; the adapter tries for another, for as long as it takes.
    Disconnected,
    /// Messages were lost although there was a connection: too many came at once.
    Missed,
}

/// One node's connection to the others.
#[derive(Debug)]
pub struct Connection {
    /// The way out.
    pub backplane: std::sync::Arc<dyn Backplane>,
    /// The way in. It is bounded; what does not fit waits in the adapter, or is missed.
    pub incoming: mpsc::Receiver<Incoming>,
    /// Whether there can be other nodes at all.
    pub reach: Reach,
}

/// Who can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody: this node is the only one, now and later.
    Nobody,
    /// Other nodes, as many as come.
    Nodes,
}
