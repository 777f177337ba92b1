//! Parts of the benchmark and the soak: clients that check what they receive, servers as processes, and
//! reports.

pub mod client;
pub mod closed_loop;
pub mod cluster;
pub mod cluster_page;
pub mod comment;
pub mod crowd;
pub mod digits;
pub mod frame;
pub mod http;
pub mod interrupt;
pub mod machine;
pub mod plan;
pub mod plots;
pub mod protocol;
pub mod report;
pub mod results;
pub mod scenario;
pub mod server;
pub mod statistics;
pub mod svg;
