//! The test harness: the programs of a cluster, and a crowd that reads and writes on it.

mod cluster;
mod crowd;
mod feed;
mod posts;
mod reader;
mod writer;

pub(crate) use self::{
    cluster::{Cluster, SECRET, token},
    crowd::{Crowd, Party},
    posts::Posts,
    reader::{Loss, RESTART, Viewer},
};
