//! Without faults, all nodes agree on the viewers. `tests/it/nodes.rs` has the times, on a clock of its own.

use crate::support::{Cluster, Crowd, Loss, Viewer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_agree_on_viewers_and_count_a_user_on_two_nodes_once() {
    let cluster = Cluster::start().await;
    let mut crowd = Crowd::open(&cluster, "calm").await;
    let ada = || Viewer::User("ada".to_owned());
    let page = |name: &str| Viewer::Page(name.to_owned());
    // The third node has no member in the room until the end, and reports the same number.
    for (node, viewer, number) in [
        (0, page("a"), 1),
        (0, ada(), 2),
        (1, ada(), 2),
        (1, page("b"), 3),
        (1, page("a"), 3),
        (2, page("c"), 4),
    ] {
        crowd.join(node, viewer, Loss::Leave);
        crowd.wait_until_counted(&cluster).await;
        assert_eq!(crowd.number(), number);
    }
    for number in [4, 4, 3, 2, 1, 0] {
        crowd.leave();
        crowd.wait_until_counted(&cluster).await;
        assert_eq!(crowd.number(), number);
    }
}
