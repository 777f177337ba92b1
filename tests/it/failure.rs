//! Failures: a locked or broken database, a full disk, a killed process. Acknowledged writes stay, other
//! writes are reported as errors, and no client sees the database's message.

use std::collections::HashSet;

use causerie::{
    config::StoreConfig,
    model::{PostId, Role, Seq},
    store::Store,
    telemetry::Registry,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Chunk, Client, Node, Request, Signal, Streaming, TestServer, another_program, database_url,
    everything, lock, on_postgres, run, settings, start_node, token, user, wait_until,
};

pub(crate) const OPEN: &str =
    "mutation { createPost(input: { id: \"hello\", title: \"Hello\" }) { post { cursor } } }";
const WRITE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";
pub(crate) const READ: &str = "{ post(id: \"hello\") { title commentCount cursor } }";
const CHANGED: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { kind cursor comment { id } }
}";

/// Returns the id under which the server logged the error, and asserts that the answer says nothing else.
fn logged_id(error: &Value) -> String {
    assert_eq!(
        error["message"],
        json!("Something went wrong on the server.")
    );
    let extensions = error["extensions"].as_object().expect("extensions");
    assert_eq!(extensions["code"], json!("INTERNAL_SERVER_ERROR"));
    assert_eq!(extensions.len(), 2, "{error}");
    extensions["id"].as_str().expect("an id").to_owned()
}

/// Asserts that this is exactly the server's error while its database cannot be used.
pub(crate) fn assert_unavailable(error: &Value) {
    assert_eq!(
        error["message"],
        json!("The database cannot be reached: try again shortly.")
    );
    let extensions = error["extensions"].as_object().expect("extensions");
    assert_eq!(extensions["code"], json!("SERVICE_UNAVAILABLE"), "{error}");
    let wait = &extensions["retryAfterMs"];
    assert!(wait.as_u64().is_some_and(|wait| wait > 0), "{error}");
    assert_eq!(extensions.len(), 2, "{error}");
}

/// Writes a comment. Returns its id if it was acknowledged, else the error.
pub(crate) async fn write(client: &Client, body: &str) -> Result<String, Value> {
    let reply = client.try_send(WRITE, json!({"body": body})).await;
    match reply.body.get("errors") {
        None => {
            let id = &reply.body["data"]["createComment"]["comment"]["id"];
            Ok(id.as_str().expect("an id").to_owned())
        }
        Some(_) => Err(reply.error()),
    }
}

/// Returns the ids of all comments of the feed after `after`, and the cursor of the last.
pub(crate) async fn feed(server: &Node, after: &Value, length: usize) -> (HashSet<String>, Value) {
    let mut socket = server.socket().await;
    socket
        .subscribe("c", CHANGED, json!({"after": after}))
        .await;
    let (mut seen, mut last) = (HashSet::new(), after.clone());
    for _ in 0..length {
        let change = socket.data("c").await["commentChanged"].take();
        let id = change["comment"]["id"].as_str().expect("an id").to_owned();
        assert!(seen.insert(id), "a comment came twice");
        last = change["cursor"].clone();
    }
    assert!(
        socket.settle().await.is_empty(),
        "more changes than comments"
    );
    socket.close().await;
    (seen, last)
}

/// Returns the seqs of the comments of `hello`, and the post's own seq.
pub(crate) async fn seqs(database: &str) -> (Vec<i64>, i64) {
    let url = format!("--database-url={database}");
    let config: StoreConfig = settings(&[&url]).store;
    let store = Store::open(&config, &Registry::new())
        .await
        .expect("a store");
    let post = PostId::parse("hello").expect("an id");
    let changes = store
        .changed_after(&post, Seq(0), 10_000, everything())
        .await
        .expect("changes");
    let stands = store.head(&post).await.expect("a place").expect("a post");
    store.close().await;
    let seqs = changes
        .items
        .iter()
        .map(|change| change.comment.changed_seq.0);
    (seqs.collect(), stands.seq.0)
}

#[tokio::test]
async fn locked_database_serves_reads_and_logs_each_failed_write_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &["--database-timeout=2s"]).await;
    let moderator = user(&server, Role::Moderator);
    moderator.send(OPEN, json!({})).await;
    let kept = write(&moderator, "before").await.expect("an id");

    let other = another_program(&database_url(folder.path())).await;
    lock(&other).await;
    let edit =
        "mutation($id: ID!) { editComment(input: { id: $id, body: \"b\" }) { comment { id } } }";
    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    let open = "mutation { createPost(input: { id: \"new\", title: \"New\" }) { post { id } } }";
    let mutations = [
        (WRITE, json!({"body": "a secret text"})),
        (edit, json!({"id": kept})),
        (delete, json!({"id": kept})),
        (open, json!({})),
    ];
    let count = mutations.len();
    for (mutation, variables) in mutations {
        assert_unavailable(&moderator.refused(mutation, variables).await);
    }
    let post = moderator.send(READ, json!({})).await;
    assert_eq!(post["post"]["commentCount"], json!(1));
    run(&other, "ROLLBACK").await;
    write(&moderator, "after").await.expect("the lock is gone");

    server.signal(Signal::SIGTERM);
    let ended = server.ended().await;
    let why = if on_postgres() {
        "statement timeout"
    } else {
        "locked"
    };
    let lines = ended.stderr.lines();
    let lines = lines.filter(|line| line.contains("WARN") && line.contains(why));
    assert_eq!(lines.count(), count, "{}", ended.stderr);
    assert!(!ended.stderr.contains("a secret text"), "{}", ended.stderr);
}

#[tokio::test]
async fn database_error_text_is_in_no_answer() {
    let server = TestServer::start().await;
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let id = moderator.comment("a comment").await;
    let mut socket = server.socket().await;
    let other = another_program(&server.database()).await;
    run(&other, "ALTER TABLE comment RENAME TO taken_away").await;
    for query in [
        "query($id: ID!) { comment(id: $id) { id } }",
        "query($id: ID!) { post(id: \"hello\") { comments { nodes { id } } } comment(id: $id) { id } }",
        "mutation($id: ID!) { createComment(input: { postId: \"hello\", parentId: $id, body: \"b\" }) { comment { id } } }",
        "mutation($id: ID!) { editComment(input: { id: $id, body: \"b\" }) { comment { id } } }",
        "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }",
    ] {
        let reply = moderator.try_send(query, json!({"id": id})).await;
        for error in reply.body["errors"].as_array().expect("errors") {
            let mut error = error.clone();
            error
                .as_object_mut()
                .expect("an object")
                .retain(|name, _| name != "path" && name != "locations");
            logged_id(&error);
        }
        socket.subscribe("q", query, json!({"id": id})).await;
        let text = socket.message().await.to_string();
        assert!(
            text.contains("INTERNAL_SERVER_ERROR") || text.contains("UNAUTHENTICATED"),
            "{text}"
        );
        for word in ["taken_away", "no such", "SELECT", "sql", "Query"] {
            assert!(!text.contains(word), "{text}");
        }
        let _complete = socket.settle().await;
    }
    run(&other, "ALTER TABLE taken_away RENAME TO comment").await;
    moderator.comment("it is back").await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn mutation_completes_after_its_client_disconnects() {
    let server = TestServer::start().await;
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let mut connection = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let body = json!({"query": WRITE, "variables": {"body": "goodbye"}}).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        token("ada", "ada", Role::Reader),
        body.len()
    );
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    wait_until("the mutation is under way", async || {
        server.observer().tasks() == 1
    })
    .await;
    drop(connection);
    run(&other, "ROLLBACK").await;
    wait_until("the mutation is over", async || {
        server.observer().tasks() == 0
    })
    .await;
    let post = server.client().send(READ, json!({})).await;
    assert_eq!(post["post"]["commentCount"], json!(1));
    server.stop().await;
}

#[tokio::test]
async fn kill_while_writing_keeps_every_acknowledged_comment() {
    const WRITERS: usize = 32;
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &[]).await;
    let start =
        user(&server, Role::Author).send(OPEN, json!({})).await["createPost"]["post"]["cursor"]
            .take();
    let (tell, mut told) = tokio::sync::mpsc::channel(1000);
    let writers = (0..WRITERS).map(|number| {
        let (client, tell) = (user(&server, Role::Reader), tell.clone());
        tokio::spawn(async move {
            // Ends when the server is gone, and with it the answer to the last write.
            while let Some(id) = client.try_write(&format!("writer {number}")).await {
                tell.send(id).await.expect("somebody listens");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    drop(tell);
    let mut acknowledged = HashSet::new();
    for _ in 0..100 {
        acknowledged.insert(told.recv().await.expect("an id"));
    }
    server.signal(Signal::SIGKILL);
    while let Some(id) = told.recv().await {
        acknowledged.insert(id);
    }
    join_all(writers).await;
    assert!(!server.ended().await.status.success());

    let mut server = start_node(folder.path(), &[]).await;
    let post = server.client().send(READ, json!({})).await["post"].take();
    let count = usize::try_from(post["commentCount"].as_u64().expect("a number")).expect("few");
    assert!((acknowledged.len()..=acknowledged.len() + WRITERS).contains(&count));
    let (kept, last) = feed(&server, &start, count).await;
    assert!(kept.is_superset(&acknowledged));
    assert_eq!(last, post["cursor"]);
    server.signal(Signal::SIGTERM);
    server.ended().await;
    let (seqs, stands) = seqs(&database_url(folder.path())).await;
    assert_eq!(
        seqs,
        (1..=stands).collect::<Vec<_>>(),
        "the feed has no hole"
    );
}

#[tokio::test]
async fn sigterm_and_ctrl_c_shut_down_gracefully() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = start_node(folder.path(), &[]).await;
        user(&server, Role::Author).send(OPEN, json!({})).await;
        write(&user(&server, Role::Reader), "kept")
            .await
            .expect("an id");
        let mut sockets = [server.socket().await, server.socket().await];
        sockets[0].subscribe("c", CHANGED, json!({})).await;
        assert!(sockets[0].settle().await.is_empty());
        assert!(on_postgres() || folder.path().join("test.db-wal").exists());

        server.signal(signal);
        for socket in &mut sockets {
            assert_eq!(
                socket.closed().await,
                (1012, "Service restart".to_owned()),
                "{signal}"
            );
        }
        let ended = server.ended().await;
        assert_eq!(ended.status.code(), Some(0), "{signal}: {}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
        let files = std::fs::read_dir(folder.path()).expect("a folder");
        let files: Vec<_> = files
            .map(|file| file.expect("a file").file_name())
            .collect();
        assert!(
            on_postgres() || files == ["test.db"],
            "the write-ahead log is folded into the file: {files:?}"
        );
        let (seqs, stands) = seqs(&database_url(folder.path())).await;
        assert_eq!((seqs, stands), (vec![1], 1));
    }
}

/// Shutdown ends only subscriptions, because they have no end of their own.
#[tokio::test]
async fn mutation_over_sse_is_answered_during_shutdown() {
    let server = TestServer::start().await;
    let other = another_program(&server.database()).await;
    let token = token("ada", "Ada", Role::Reader);
    let open = async |query| {
        let request = Request::post(query, json!({"body": "b"})).with_token(&token);
        let request = request.accepting("text/event-stream");
        Streaming::open(server.address(), &request).await
    };
    let mut subscription = open("subscription { viewerCount(postId: \"hello\") }").await;
    assert_eq!(subscription.event_data().await, json!({"viewerCount": 1}));
    lock(&other).await;
    let mut mutation = open(WRITE).await;
    let observer = server.observer().clone();
    // Two streams, the listener of one, and the write that the other waits for.
    wait_until("the mutation is under way", async || observer.tasks() == 4).await;
    let ended = server.begin_to_stop();
    let rest = async {
        assert_eq!(subscription.rest().await, (String::new(), Chunk::CutOff));
        run(&other, "ROLLBACK").await;
        let next = mutation.event().await;
        assert_eq!(next.data.get("errors"), None, "{next:?}");
        assert_eq!(mutation.event().await.name, "complete");
        assert_eq!(mutation.rest().await, (String::new(), Chunk::Last));
    };
    tokio::join!(ended, rest);
}
