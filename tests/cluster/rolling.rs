//! A rolling restart. Readers notice only a closed socket, and sockets close spread over the window, so
//! clients do not reconnect all at once.

use std::time::{Duration, Instant};

use testkit::{Signal, wait::wait_until_within};

use crate::support::{Cluster, Posts, RESTART};

/// The time that a node keeps serving after its readiness fails.
const DELAY: Duration = Duration::from_secs(2);
/// The window over which a node closes its connections.
const WINDOW: Duration = Duration::from_secs(6);
/// The number of closes in a second that counts as a spike, as a multiple of an even spread. The reader's
/// clock is not the node's.
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
        wait_until_within(DELAY, "the node is not ready any more", async || {
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
        let even = connected as f64 / WINDOW.as_secs_f64();
        let most = most_in_a_second(&closes);
        eprintln!("{connected} sockets were closed, at most {most} in a second");
        assert!(
            (most as f64) <= even * SLACK,
            "{most} in a second, evenly {even}"
        );

        cluster.nodes[number].start_again().await;
        posts.wait_until_counted(&cluster).await;
        posts.go_on().await;
    }
    posts.finish(&cluster, &["SERVICE_RESTART"]).await;
}

fn most_in_a_second(times: &[Instant]) -> usize {
    let second = Duration::from_secs(1);
    let counts = times.iter().enumerate().map(|(place, from)| {
        let later = &times[place..];
        later.partition_point(|at| *at < *from + second)
    });
    counts.max().unwrap_or_default()
}
