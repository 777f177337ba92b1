//! The test harness: the programs of a cluster, and a crowd that reads and writes on it.

mod cluster;
mod crowd;
mod feed;
mod link;
mod nats;
mod node;
mod postgres;
mod posts;
mod program;
mod reader;
mod waiting;
mod writer;

pub(crate) use self::{
    cluster::{Cluster, SECRET, token},
    crowd::{Crowd, Party},
    link::Network,
    posts::{AGREEMENT, Posts},
    program::{Program, command, find, path},
    reader::{Loss, RESTART, Viewer},
    waiting::{wait_until, wait_until_within},
};
