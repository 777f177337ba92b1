//! Readers whose connections are cut repeatedly, and a server that is killed meanwhile. Every reader ends
//! with every comment, once and in order.

use std::{collections::HashSet, time::Duration};

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::proxy::Proxy;
use tokio::sync::watch;

use crate::support::{Client, Reader, Signal, start_node, token, within};

const READERS: usize = 50;
const WRITERS: usize = 4;
const COMMENTS: usize = 2_000;
/// The bytes after which a connection is cut at the latest: those of some hundred comments.
const CUT_BELOW: usize = 40_000;
/// The pause of a writer before it tries again.
const PAUSE: Duration = Duration::from_millis(10);
/// The text of the last comment.
const LAST: &str = "the last";
const WRITE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cut_at_random_get_every_comment_once_and_in_order() {
    run(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_cut_at_random_lose_nothing_though_server_is_killed() {
    run(&[COMMENTS / 3, 2 * COMMENTS / 3]).await;
}

/// Writes and reads, and kills the server at each number of acknowledged comments in `kills`.
async fn run(kills: &[usize]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &[]).await;
    let author = server
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { cursor } } }";
    let start_of_feed =
        author.send(create, Value::Null).await["createPost"]["post"]["cursor"].take();

    let proxy = Proxy::cutting(server.address(), CUT_BELOW).await;
    let readers = [(); READERS].map(|()| {
        let reader = Reader::new(proxy.address(), start_of_feed.clone());
        tokio::spawn(reader.read_until(LAST))
    });
    let (count, mut counted) = watch::channel(0);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let token = token(&format!("writer{writer}"), "Writer", Role::Reader);
            let client = server.client().with_token(&token);
            tokio::spawn(write(client, writer, count.clone()))
        })
        .collect();
    for &kill in kills {
        while *counted.borrow_and_update() < kill {
            let another = within("another comment", counted.changed()).await;
            another.expect("writers");
        }
        server.kill();
        server.start_again().await;
    }
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.expect("a writer"));
    }
    author.comment(LAST).await;

    let stored = server.client().bodies().await;
    let all: HashSet<&String> = stored.iter().collect();
    assert_eq!(all.len(), stored.len(), "no comment is stored twice");
    assert!(
        acknowledged.iter().all(|body| all.contains(body)),
        "acknowledged means stored"
    );
    assert_eq!(acknowledged.len(), COMMENTS);
    for reader in readers {
        let (_, bodies) = reader.await.expect("a reader");
        assert_eq!(bodies, stored);
    }
    assert!(proxy.cuts() >= READERS as u64, "no reader was cut");
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await.status.success());
}

/// Writes its share of the comments, each until it is acknowledged, and returns the acknowledged ones. An
/// attempt without an answer may be stored, so each attempt has its own text.
async fn write(client: Client, writer: usize, count: watch::Sender<usize>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0..COMMENTS / WRITERS {
        for attempt in 0.. {
            let body = format!("{writer}/{number}/{attempt}");
            let answer = client.attempt(WRITE, json!({"body": body}));
            if let Some(answer) = within("an answer", answer).await {
                assert_eq!(answer.get("errors"), None, "{answer}");
                acknowledged.push(body);
                count.send_modify(|count| *count += 1);
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    acknowledged
}
