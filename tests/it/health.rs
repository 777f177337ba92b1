//! `/healthz` and `/readyz`: the checks of a supervisor and a load balancer.

use reqwest::header::{CACHE_CONTROL, RETRY_AFTER};
use serde_json::{Value, json};

use crate::support::{TestServer, another_program, run, wait_until, within};

pub(crate) async fn ask(url: String) -> (u16, Value) {
    let answer = reqwest::get(url).await.expect("an answer");
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers().contains_key(RETRY_AFTER), status == 503);
    (status, answer.json().await.expect("an object"))
}

#[tokio::test]
async fn running_server_is_alive_and_ready_and_names_its_checks() {
    let server = TestServer::start().await;
    assert_eq!(
        ask(server.url("/healthz")).await,
        (200, json!({"status": "ok"}))
    );
    assert_eq!(
        ask(server.url("/readyz")).await,
        (
            200,
            json!({"status": "ready", "checks": {"store": "ok", "backplane": "ok"}})
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn failing_database_makes_the_server_alive_but_not_ready() {
    let server = TestServer::start().await;
    let other = another_program(&server.database()).await;
    run(&other, "ALTER TABLE post RENAME TO taken_away").await;
    // The server may answer from its last check, which is valid for one second.
    let answer = within("not ready", async {
        loop {
            let answer = ask(server.url("/readyz")).await;
            if answer.0 == 503 {
                return answer.1;
            }
        }
    });
    assert_eq!(
        answer.await,
        json!({"status": "not_ready", "checks": {"store": "failed", "backplane": "ok"}})
    );
    assert_eq!(ask(server.url("/healthz")).await.0, 200);
    run(&other, "ALTER TABLE taken_away RENAME TO post").await;
    wait_until("it is ready again", async || {
        ask(server.url("/readyz")).await.0 == 200
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn repeated_readiness_requests_do_not_load_the_database() {
    let server = TestServer::start().await;
    let before = server.observer().statements();
    let client = reqwest::Client::new();
    let start = tokio::time::Instant::now();
    for _ in 0..200 {
        let answer = client.get(server.url("/readyz")).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    // One check a second, and the server's own ticks: reconciliation and bans.
    let most = 3 * (1 + start.elapsed().as_secs());
    let asked = server.observer().statements() - before;
    assert!((1..=most).contains(&asked), "{asked} statements");
    server.stop().await;
}
