//! SQLite: a file on a full disk, and answers that may be cached because no other node writes. These tests run
//! on SQLite whatever `TEST_DATABASE` says.

use std::{collections::HashSet, os::unix::fs::PermissionsExt, time::Instant};

use causerie::model::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    answers::PAGE,
    failure::{OPEN, READ, assert_unavailable, feed, seqs, write},
    health::ask,
    support::{
        Signal, TestServer, another_program, run, sqlite_url, start_node_on, start_on_full_disk,
        user, wait_until,
    },
    writes::stored,
};

/// Makes a database with a post, before its disk is full. Returns the post's cursor.
async fn opened(database: &str) -> Value {
    let mut server = start_node_on(database, &[]).await;
    let mut opened = user(&server, Role::Author).send(OPEN, json!({})).await;
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await.status.success());
    opened["createPost"]["post"]["cursor"].take()
}

#[tokio::test]
async fn full_disk_fails_writes_serves_reads_and_keeps_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = sqlite_url(folder.path());
    let start = opened(&database).await;
    let mut server = start_on_full_disk(&database, 300).await;
    let ada = user(&server, Role::Reader);
    let mut acknowledged = HashSet::new();
    let mut failures = 0;
    // Long texts fill the log. Texts of all sizes then reach its end at different offsets.
    for number in 0..200 {
        let body = "x".repeat(if failures == 0 {
            9_000
        } else {
            1 + number * 37
        });
        match write(&ada, &body).await {
            Ok(id) => assert!(acknowledged.insert(id)),
            Err(error) => {
                assert_unavailable(&error);
                failures += 1;
            }
        }
    }
    assert!(failures > 0, "the disk was not full");
    assert!(!acknowledged.is_empty(), "the disk was full from the start");
    let post = ada.send(READ, json!({})).await;
    assert_eq!(post["post"]["commentCount"], json!(acknowledged.len()));
    server.signal(Signal::SIGTERM);
    server.ended().await;

    let mut server = start_node_on(&database, &[]).await;
    let (kept, _) = feed(&server, &start, acknowledged.len()).await;
    assert_eq!(kept, acknowledged);
    write(&user(&server, Role::Reader), "there is room again")
        .await
        .expect("an id");
    server.signal(Signal::SIGTERM);
    server.ended().await;
    let (seqs, stands) = seqs(&database).await;
    assert_eq!(
        seqs,
        (1..=stands).collect::<Vec<_>>(),
        "a write that failed left no hole"
    );
}

#[tokio::test]
async fn database_files_are_private_to_their_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_node_on(&sqlite_url(folder.path()), &[]).await;
    user(&server, Role::Moderator).send(OPEN, json!({})).await;
    let mut modes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its mode").permissions().mode();
        modes.push((entry.file_name(), mode & 0o777));
    }
    assert!(modes.len() >= 2, "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[tokio::test]
async fn full_disk_acknowledges_exactly_the_writes_that_are_kept() {
    const WRITERS: usize = 16;
    let folder = tempfile::tempdir().expect("a folder");
    let database = sqlite_url(folder.path());
    opened(&database).await;
    let mut server = start_on_full_disk(&database, 600).await;
    let writers = (0..WRITERS).map(|writer| {
        let ada = user(&server, Role::Reader);
        tokio::spawn(async move {
            let (mut acknowledged, mut failures) = (Vec::new(), 0);
            for number in 0..40 {
                let length = if failures == 0 {
                    9_000
                } else {
                    1 + (number * 37 + writer) % 900
                };
                let body = "x".repeat(length);
                match write(&ada, &body).await {
                    Ok(id) => acknowledged.push(id),
                    Err(error) => {
                        assert_unavailable(&error);
                        failures += 1;
                    }
                }
            }
            (acknowledged, failures)
        })
    });
    let (mut acknowledged, mut failures) = (HashSet::new(), 0);
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        let (ids, failed) = writer.expect("a writer");
        acknowledged.extend(ids);
        failures += failed;
    }
    assert!(failures > 0, "the disk was not full");
    assert!(!acknowledged.is_empty(), "the disk was full from the start");
    server.signal(Signal::SIGTERM);
    server.ended().await;

    assert_eq!(stored(&database).await, acknowledged);
    let (seqs, stands) = seqs(&database).await;
    assert_eq!(seqs, (1..=stands).collect::<Vec<_>>());
}

#[tokio::test]
async fn locked_file_makes_the_server_not_ready_until_it_can_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = sqlite_url(folder.path());
    let server = TestServer::start_on(folder, &database, &["--database-timeout=2s"]).await;
    let other = another_program(&database).await;
    let ada = server.reader("ada");
    run(&other, "BEGIN IMMEDIATE").await;
    let write = "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) {
        comment { id } } }";
    assert_unavailable(&ada.refused(write, json!({})).await);
    wait_until("it is not ready", async || {
        let (status, report) = ask(server.url("/readyz")).await;
        status == 503 && report["checks"]["store"] != json!("ok")
    })
    .await;
    run(&other, "ROLLBACK").await;
    // No client writes meanwhile.
    wait_until("it is ready again", async || {
        ask(server.url("/readyz")).await.0 == 200
    })
    .await;
    ada.comment("b").await;
    server.stop().await;
}

#[tokio::test]
async fn unchanged_page_is_read_once_for_all_readers() {
    // The reconciliation of rooms would be counted too.
    let folder = tempfile::tempdir().expect("a folder");
    let database = sqlite_url(folder.path());
    let server = TestServer::start_on(folder, &database, &["--reconcile-interval=1h"]).await;
    server.reader("ada").comment("a comment").await;
    let first = server.client().raw(PAGE, json!({"id": "hello"})).await;
    let (before, start) = (server.observer().statements(), Instant::now());
    for _ in 0..50 {
        let again = server.client().raw(PAGE, json!({"id": "hello"})).await;
        assert_eq!(again, first);
    }
    // An execution takes two statements, and its answer is served for one second.
    let statements = server.observer().statements() - before;
    let most = 2 * (1 + start.elapsed().as_secs());
    assert!(statements <= most, "{statements} statements, not {most}");
    server.stop().await;
}
