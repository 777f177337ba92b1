//! Faults: whatever stops, freezes or is cut off, each acknowledged comment reaches every reader exactly once
//! and in order. After the fault, all nodes agree on the viewers.

use std::time::Duration;

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::{Signal, postgres::Stop, proxy::Network};

use crate::support::{Cluster, Party, Posts, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_node_loses_no_comment_and_counts_recover() {
    let mut cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    cluster.nodes[1].kill();
    posts.wait_until_counted_but_by(&cluster, Some(1)).await;
    let passers_by = Party::BUSY.passers_by as u64;
    assert_eq!(
        posts.busy.number(),
        before - passers_by,
        "who was only there is gone"
    );
    posts.go_on().await;
    cluster.restart(1).await;
    posts.wait_until_counted(&cluster).await;
    posts.go_on().await;
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_frozen_for_20_s_loses_no_comment_and_counts_recover() {
    let cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    cluster.nodes[1].signal(Signal::SIGSTOP);
    let still = posts.busy.endure(Duration::from_secs(20));
    tokio::join!(still, async {
        posts
            .busy
            .wait_until_gone_from(cluster.nodes[1].address())
            .await;
        posts.wait_until_counted_but_by(&cluster, Some(1)).await;
        let passers_by = Party::BUSY.passers_by as u64;
        assert_eq!(posts.busy.number(), before - passers_by, "no ghosts");
        posts.go_on().await;
    });
    cluster.nodes[1].signal(Signal::SIGCONT);
    posts.wait_until_counted(&cluster).await;
    posts.go_on().await;
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_killed_nats_server_goes_unnoticed_by_readers() {
    let mut cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    cluster.nats.kill_one(0);
    posts.go_on().await;
    posts.wait_until_counted(&cluster).await;
    cluster.nats.start_again();
    posts.go_on().await;
    posts.wait_until_counted(&cluster).await;
    assert_eq!(posts.busy.number(), before, "no reader notices");
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_frozen_for_60_s_goes_unnoticed_by_readers() {
    let cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    cluster.nats.freeze();
    let still = posts.busy.endure(Duration::from_secs(60));
    tokio::join!(still, posts.go_on());
    posts.go_on().await;
    cluster.nats.thaw();
    posts.wait_until_counted(&cluster).await;
    assert_eq!(posts.busy.number(), before, "no reader notices");
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_killed_and_restarted_goes_unnoticed_by_readers() {
    let mut cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    cluster.nats.kill();
    posts.go_on().await;
    cluster.nats.start_again();
    posts.wait_until_counted(&cluster).await;
    posts.go_on().await;
    assert_eq!(posts.busy.number(), before, "no reader notices");
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_cut_off_from_nats_goes_unnoticed_by_its_readers() {
    let cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    let before = posts.busy.number();
    // First the network is silent, as if a cable were pulled; then connections are refused.
    cluster.set_network(Network::Silent);
    let lost = posts.busy.endure(Duration::from_secs(15));
    tokio::join!(lost, posts.go_on(), async {
        let others: Vec<_> = cluster.nodes[1..].iter().collect();
        posts.busy.wait_until_counted_alone(&others).await;
    });
    cluster.set_network(Network::Closed);
    posts.go_on().await;
    cluster.set_network(Network::Whole);
    posts.wait_until_counted(&cluster).await;
    posts.go_on().await;
    assert_eq!(posts.busy.number(), before, "no reader notices");
    posts.finish(&cluster, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_crash_fails_requests_and_loses_no_comment() {
    let cluster = Cluster::start().await;
    let posts = Posts::gather(&cluster).await;
    cluster.postgres.stop(Stop::Immediate);
    for node in &cluster.nodes {
        for (query, code) in [
            (
                "mutation { createComment(input: { postId: \"busy\", body: \"lost\" }) { comment { id } } }",
                DATABASE_LOST,
            ),
            ("{ post(id: \"busy\") { title } }", DATABASE_LOST),
            // The token tells who the user is.
            ("{ me { name } }", ""),
        ] {
            let ada = node.client().with_token(&token("ada", Role::Reader));
            let answer = ada.try_send(query, json!({})).await.body;
            let said = answer
                .pointer("/errors/0/extensions/code")
                .and_then(Value::as_str);
            assert_eq!(said.unwrap_or_default(), code, "{answer}");
        }
    }
    cluster.postgres.start_again();
    posts.go_on().await;
    posts.wait_until_counted(&cluster).await;
    posts.finish(&cluster, &[DATABASE_LOST, UNKNOWN]).await;
}

/// The error code of a request that needs the lost database.
const DATABASE_LOST: &str = "SERVICE_UNAVAILABLE";
/// The error code of a write that may or may not be committed.
const UNKNOWN: &str = "OUTCOME_UNKNOWN";
