//! Adapters that carry messages between nodes.
//!
//! The store is the truth and the backplane only a hint: a lost message delays what it reports, and
//! loses nothing. So an adapter has little to guarantee; see [`Backplane`].

mod connect_error;
pub mod memory;
mod nats;
mod none;
mod room_token;
mod status;

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

pub use self::{connect_error::ConnectError, nats::connect, none::none};
use crate::{model::PostId, rooms::NodeId};

/// A message's destination: the nodes that have subscribed to the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All nodes.
    All,
    /// The node with this id.
    Node(NodeId),
    /// The nodes that have a room of this post.
    Room(PostId),
}

/// The sending side of an adapter. `tests/it/backplane.rs` holds every adapter to these guarantees:
///
/// - A message reaches each other node that has subscribed to its subject at most once. Messages of
///   one node to one subject arrive in the order of publishing. A subscription takes effect before
///   what the node publishes next, and before what others publish to the subject in response.
/// - A message never returns to its sender.
/// - No operation waits for the network or fails because of it. At an adapter's bound messages are
///   dropped and counted.
/// - If messages may have been lost anywhere, [`Incoming::Missed`] arrives in their place. After a
///   lost connection it is [`Incoming::Connected`] instead.
pub trait Backplane: Debug + Send + Sync {
    /// Queues a message to the other nodes that have subscribed to `subject`.
    fn publish(&self, subject: &Subject, message: Bytes);

    /// Subscribes to `subject`. Idempotent. Takes effect asynchronously.
    fn subscribe(&self, subject: &Subject);

    /// Unsubscribes from `subject`. Takes effect asynchronously.
    fn unsubscribe(&self, subject: &Subject);

    /// Closes the connection after queued messages are sent, or cannot be sent.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Returns the number of messages dropped at a bound so far.
    fn dropped(&self) -> u64;
}

/// An event that a backplane delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message to a subscribed subject.
    Message(Bytes),
    /// The connection is established, for the first time or again. Messages published before were
    /// not delivered.
    Connected,
    /// The connection is lost. The adapter reconnects, without a limit of attempts.
    Disconnected,
    /// Messages were lost although there was a connection, because the node read too slowly.
    Missed,
}

/// A node's connection to the others.
#[derive(Debug)]
pub struct Connection {
    /// The sending side.
    pub backplane: Arc<dyn Backplane>,
    /// The receiving side. It is bounded; what exceeds it waits in the adapter, or is lost.
    pub incoming: mpsc::Receiver<Incoming>,
    /// The nodes that can be connected.
    pub topology: Topology,
}

/// The nodes that a backplane can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// This node only, now and later.
    Standalone,
    /// Any number of nodes.
    Cluster,
}
