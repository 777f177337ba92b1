//! A rolling restart. Readers notice only a closed socket, and sockets close spread over the window, so
//! clients do not reconnect all at once.

use std::time::{Duration, Instant};

use testkit::{Signal, wait::wait_until};

use crate::support::{Cluster, Posts, RESTART};

/// The time that a node keeps serving after its readiness fails.
const DELAY: Duration = Duration::from_secs(5);
/// The window over which a node closes its connections.
const WINDOW: Duration = Duration::from_secs(6);
/// The fastest pace of closes, as a multiple of an even spread: a node may have more sockets than are counted.
const SLACK: f64 = 2.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_of_three_nodes_loses_nothing() {
    let setting = |name: &str, time: Duration| (name.to_owned(), format!("{}s", time.as_secs()));
    let settings = vec![
        setting("DRAIN_DELAY", DELAY),
        setting("DRAIN_WINDOW", WINDOW),
    ];
    let mut cluster = Cluster::start_with(settings).await;
    let posts = Posts::gather(&cluster).await;
    for number in 0..cluster.nodes.len() {
        let address = cluster.nodes[number].address();
        let crowds = [&posts.busy, &posts.quiet];
        let connected: usize = crowds
            .iter()
            .map(|crowd| crowd.connected_with(address))
            .sum();
        let start = Instant::now();
        cluster.nodes[number].signal(Signal::SIGTERM);
        wait_until("the node is not ready any more", async || {
            !cluster.nodes[number].is_ready().await
        })
        .await;
        let count = cluster.nodes[number].viewer_count("busy").await;
        assert!(count.is_some(), "whoever is there is served on");
        let ended = cluster.nodes[number].ended().await;
        assert!(ended.status.success(), "{ended:?}");
        posts
            .wait_until_counted_but_by(&cluster, Some(number))
            .await;

        let closes = crowds.iter().flat_map(|crowd| crowd.feed().closes());
        let mut closes: Vec<Instant> = closes
            .filter(|(at, _)| *at >= start)
            .map(|(at, code)| {
                assert_eq!(code, RESTART);
                at
            })
            .collect();
        closes.sort();
        assert!(closes.len() >= connected, "{} of {connected}", closes.len());
        // However busy the machine is, no close comes long before it is due.
        let pace = SLACK * connected as f64 / WINDOW.as_secs_f64();
        for (place, at) in closes.iter().enumerate() {
            let due = DELAY + Duration::from_secs_f64(place as f64 / pace);
            let after = at.duration_since(start);
            assert!(
                after >= due,
                "close {place} of {connected} came after {after:?}"
            );
        }

        cluster.restart(number).await;
        posts.wait_until_counted(&cluster).await;
        posts.go_on().await;
    }
    posts.finish(&cluster, &["SERVICE_RESTART"]).await;
}
