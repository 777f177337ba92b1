//! PostgreSQL: several nodes on one database, and a database that is lost in various ways and comes back.
//! These tests run on PostgreSQL whatever `TEST_DATABASE` says, and are ignored unless `--include-ignored` is
//! given, because it must be installed.

use std::{
    collections::{HashMap, HashSet},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use causerie::{
    config::StoreConfig,
    error::Error,
    model::{CommentId, PostId, Profile, Role, Seq, Timestamp, User, UserId},
    store::{Bodies, DeleteComment, EditComment, NewComment, NewPost, Screened, Store},
    telemetry::Registry,
};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use testkit::{
    postgres::{Postgres, Stop},
    proxy::Proxy,
};
use tokio::sync::watch;

use crate::{
    failure::{assert_unavailable, seqs},
    jobs,
    support::{
        Client, Socket, TestServer, another_program, everything, postgres_url, run, settings,
        start_node_on, user as user_of, wait_until, within,
    },
};

/// Settings of a PostgreSQL that keeps acknowledged writes when it is killed. The machine keeps running, so the
/// system need not flush to disk.
const DURABLE: &str = "-c fsync=off";
const WRITE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";
const READ: &str = "{ post(id: \"hello\") { title comments(first: 100) { nodes { body } } } }";
const ADDED: &str = "subscription($after: Cursor) {
    commentAdded(postId: \"hello\", after: $after) { body }
}";

fn config(url: &str, arguments: &[&str]) -> StoreConfig {
    let url = format!("--database-url={url}");
    let all: Vec<&str> = [&*url]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    settings(&all).store
}

async fn open(url: &str) -> Store {
    Store::open(&config(url, &[]), &Registry::new())
        .await
        .expect("a store")
}

async fn refusal(url: &str, arguments: &[&str]) -> String {
    let refused = within(
        "a refusal",
        Store::open(&config(url, arguments), &Registry::new()),
    )
    .await;
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("DATABASE_URL (--database-url)"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    error
}

fn user(name: &str) -> User {
    User {
        id: UserId::parse(name).expect("an id"),
        name: name.into(),
        avatar: None,
        role: Role::Reader,
    }
}

fn profile(name: &str) -> Profile {
    Profile::new(user(name), Timestamp::now())
}

fn new_comment(post: &PostId, author: &str, parent_id: Option<CommentId>) -> NewComment {
    NewComment {
        screened: Screened::PASSED,
        post_id: post.clone(),
        parent_id,
        author: profile(author),
        body: format!("by {author}"),
        at: Timestamp::now(),
        origin: None,
        key: None,
        max_depth: 32,
    }
}

async fn cursor(client: &Client) -> Value {
    let query = "{ post(id: \"hello\") { cursor } }";
    client.send(query, json!({})).await["post"]["cursor"].take()
}

/// Takes `count` comments and returns their texts.
async fn take(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut bodies = Vec::with_capacity(count);
    for _ in 0..count {
        let added = socket.data("s").await["commentAdded"].take();
        bodies.push(added["body"].as_str().expect("a body").to_owned());
    }
    bodies
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_migrate_an_empty_database() {
    for _ in 0..4 {
        let folder = tempfile::tempdir().expect("a folder");
        let url = postgres_url(folder.path());
        let nodes = (0..3).map(|_| {
            let config = config(&url, &[]);
            tokio::spawn(async move { Store::open(&config, &Registry::new()).await })
        });
        for (number, node) in join_all(nodes.collect::<Vec<_>>())
            .await
            .into_iter()
            .enumerate()
        {
            let node = node.expect("no panic").expect("a store");
            let new = NewPost {
                id: PostId::parse(&format!("post{number}")).expect("an id"),
                title: "Post".to_owned(),
                url: None,
                at: Timestamp::now(),
                by: None,
            };
            node.create_post(new).await.expect("a post");
            node.close().await;
        }
    }
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_of_one_node_reach_anothers_readers_once_in_order() {
    const EACH: usize = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        nodes.push(TestServer::start_on(folder, &url, &["--reconcile-interval=20ms"]).await);
    }
    let mut sockets = Vec::new();
    for node in &nodes {
        let mut socket = node.socket().await;
        let after = cursor(&node.client()).await;
        socket.subscribe("s", ADDED, json!({"after": after})).await;
        node.wait_for_members(1, 1).await;
        sockets.push(socket);
    }
    let writers = (0..4).map(|writer| {
        let client = nodes[writer % 2].reader(&format!("writer{writer}"));
        tokio::spawn(async move {
            for number in 0..EACH {
                client.comment(&format!("{writer}/{number}")).await;
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.expect("no panic");
    }
    let stored = nodes[0].client().bodies().await;
    assert_eq!(stored.len(), 4 * EACH);
    assert_eq!(nodes[1].client().bodies().await, stored);
    for mut socket in sockets {
        assert_eq!(take(&mut socket, stored.len()).await, stored);
        assert!(socket.settle().await.is_empty(), "a comment came twice");
        socket.close().await;
    }
    for node in nodes {
        node.stop().await;
    }
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_acknowledged_by_one_node_is_in_answers_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let one = TestServer::start_on(folder, &url, &[]).await;
    let other = TestServer::start_on(tempfile::tempdir().expect("a folder"), &url, &[]).await;
    for number in 0..20 {
        one.reader("ada").comment(&format!("{number}")).await;
        let bodies = other.client().bodies().await;
        assert_eq!(bodies.len(), number + 1);
    }
    other.stop().await;
    one.stop().await;
}

/// All writers write to all posts as the same few users, reply to the same comments, and edit and delete
/// them. Whatever locks they meet, none fails and no seq is missing.
#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_two_nodes_leave_no_gap_and_never_deadlock() {
    const WRITERS: usize = 16;
    const ROUNDS: usize = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let nodes = [open(&url).await, open(&url).await];
    let (mut posts, mut roots) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        let id = PostId::parse(name).expect("an id");
        let new = NewPost {
            id: id.clone(),
            title: name.to_owned(),
            url: None,
            at: Timestamp::now(),
            by: None,
        };
        nodes[0].create_post(new).await.expect("a post");
        let root = nodes[0]
            .create_comment(new_comment(&id, "root", None))
            .await;
        roots.push(root.expect("a comment").comment.id);
        posts.push(id);
    }
    let writers = (0..WRITERS).map(|writer| {
        let (store, posts, roots) = (nodes[writer % 2].clone(), posts.clone(), roots.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let at = (writer + round) % 3;
                let author = format!("user{}", (writer * 7 + round) % 5);
                let parent = (round % 2 == 0).then_some(roots[at]);
                let added = store.create_comment(new_comment(&posts[at], &author, parent));
                let id = added.await.expect("a comment").comment.id;
                let edit = EditComment {
                    screened: Screened::PASSED,
                    id: roots[at],
                    body: format!("{writer}/{round}"),
                    by: profile("editor"),
                    at: Timestamp::now(),
                    origin: None,
                };
                store.edit_comment(edit, |_| Ok(())).await.expect("an edit");
                if round % 3 == 0 {
                    let delete = DeleteComment {
                        id,
                        by: profile("editor"),
                        at: Timestamp::now(),
                        origin: None,
                    };
                    let deleted = store.delete_comment(delete, |_| Ok(())).await;
                    deleted.expect("a deletion");
                }
            }
        })
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.expect("no error");
    }
    let other = another_program(&url).await;
    for (post, root) in posts.iter().zip(roots) {
        let stands = nodes[0]
            .head(post)
            .await
            .expect("a place")
            .expect("a post")
            .seq
            .0;
        let all = nodes[1]
            .changed_after(post, Seq(0), 10_000, everything())
            .await
            .expect("changes")
            .items;
        // A comment that was changed after its entry has two places in the feed.
        let all: HashMap<_, _> = all
            .into_iter()
            .map(|entry| (entry.comment.id, entry.comment))
            .collect();
        let kept = all.values().filter(|comment| !comment.is_deleted).count();
        let deleted = all.len() - kept;
        let edits = i64::try_from(WRITERS * ROUNDS).expect("few") / 3;
        let additions = i64::try_from(all.len()).expect("few");
        let deletions = i64::try_from(deleted).expect("few");
        assert_eq!(stands, additions + edits + deletions, "{post}");
        let shown = nodes[1].post(post).await.expect("a post").expect("a post");
        assert_eq!(
            shown.comment_count,
            i64::try_from(kept).expect("few"),
            "{post}"
        );
        let replies = all
            .values()
            .filter(|comment| comment.parent_id == Some(root) && !comment.is_deleted);
        let counted = nodes[0]
            .comment(root, Bodies::Read)
            .await
            .expect("a comment")
            .expect("a comment");
        assert_eq!(
            counted.reply_count,
            i64::try_from(replies.count()).expect("few")
        );
    }
    // The server would retry a deadlock silently.
    let query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let backend = other.get_database_backend();
    let row = other
        .query_one_raw(Statement::from_string(backend, query))
        .await;
    let deadlocks: i64 = row
        .expect("a row")
        .expect("a row")
        .try_get_by_index(0)
        .expect("a number");
    assert_eq!(deadlocks, 0);
    for node in nodes {
        node.close().await;
    }
}

/// A deletion that another node commits between the two statements of an edit would be undone by the edit.
#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edit_racing_a_deletion_on_another_node_restores_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let server = TestServer::start_on(folder, &url, &[]).await;
    let nodes = [open(&url).await, open(&url).await];
    let post = PostId::parse("hello").expect("an id");
    for _ in 0..60 {
        let added = nodes[0]
            .create_comment(new_comment(&post, "ada", None))
            .await;
        let id = added.expect("a comment").comment.id;
        let (at, origin) = (Timestamp::now(), None);
        let edit = EditComment {
            screened: Screened::PASSED,
            id,
            body: "back".to_owned(),
            by: profile("editor"),
            at,
            origin: None,
        };
        let (edited, deleted) = tokio::join!(
            nodes[0].edit_comment(edit, |_| Ok(())),
            nodes[1].delete_comment(
                DeleteComment {
                    id,
                    by: profile("editor"),
                    at,
                    origin
                },
                |_| Ok(())
            ),
        );
        deleted.expect("a deletion");
        assert!(
            matches!(edited, Ok(_) | Err(Error::Conflict(_))),
            "{edited:?}"
        );
        let left = nodes[0]
            .comment(id, Bodies::Read)
            .await
            .expect("a comment")
            .expect("a comment");
        assert!(left.is_deleted && left.body.is_empty(), "{left:?}");
    }
    for node in nodes {
        node.close().await;
    }
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_of_two_deletions_at_once_stores_no_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let server = TestServer::start_on(folder, &url, &[]).await;
    let id = server.reader("ada").comment("deleted twice").await;
    let id = CommentId::parse(&id).expect("an id");
    let (store, other) = (open(&url).await, another_program(&url).await);
    run(&other, "BEGIN").await;
    run(&other, "LOCK TABLE post IN EXCLUSIVE MODE").await;
    let users = ["one", "two"];
    let deletions = users.map(|by| {
        let store = store.clone();
        let delete = DeleteComment {
            id,
            by: profile(by),
            at: Timestamp::now(),
            origin: None,
        };
        tokio::spawn(async move { store.delete_comment(delete, |_| Ok(())).await })
    });
    // Both have found the comment undeleted.
    wait_until_blocked(&url, 2).await;
    run(&other, "ROLLBACK").await;
    for (by, deletion) in users.into_iter().zip(deletions) {
        let deletion = within("the deletion", deletion).await.expect("no panic");
        let has_deleted = deletion.expect("a deletion").effects.change.is_some();
        let stored = store.user(&profile(by).user.id).await.expect("an answer");
        assert_eq!(stored.is_some(), has_deleted, "{by}");
    }
    store.close().await;
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocked_write_is_retried_and_committed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let server = TestServer::start_on(folder, &url, &[]).await;
    let ada = server.reader("ada");
    ada.comment("before").await;
    let other = another_program(&server.database()).await;
    // The server must be the one that detects the deadlock and rolls back.
    run(&other, "SET deadlock_timeout = '1h'").await;
    run(&other, "BEGIN").await;
    run(&other, "SELECT 1 FROM \"user\" WHERE id = 'ada' FOR UPDATE").await;
    let writing = tokio::spawn(async move { ada.comment("in a circle").await });
    wait_until_blocked(&server.database(), 1).await;
    run(&other, "SELECT 1 FROM post WHERE id = 'hello' FOR UPDATE").await;
    run(&other, "ROLLBACK").await;
    within("the comment", writing).await.expect("no panic");
    assert_eq!(server.client().bodies().await, ["before", "in a circle"]);
    server.stop().await;
}

/// Waits until `count` statements in this database wait for a lock.
async fn wait_until_blocked(url: &str, count: usize) {
    let looking = another_program(url).await;
    let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock'";
    let backend = looking.get_database_backend();
    wait_until("statements wait", async || {
        let statement = Statement::from_string(backend, waiting);
        let rows = looking.query_all_raw(statement).await;
        rows.expect("rows").len() == count
    })
    .await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_database_is_reported_to_clients_and_recovered_from() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    // A lost database is noticed within this time, and one that is back has answered before it is over.
    let quick = ["--database-timeout=5s", "--reconcile-interval=100ms"];
    let server = TestServer::start_on(folder, &url, &quick).await;
    let ada = server.reader("ada");
    let start = cursor(&server.client()).await;
    ada.comment("before").await;
    let mut live = server.socket().await;
    live.subscribe("s", ADDED, json!({})).await;
    server.wait_for_members(1, 1).await;
    // A member may still wait for the head of the feed. One that received an event does not.
    ada.comment("live").await;
    assert_eq!(take(&mut live, 1).await, ["live"]);

    for manner in [Stop::Immediate, Stop::Fast] {
        postgres.stop(manner);
        let mut socket = server.socket().await;
        let other = "subscription { commentAdded(postId: \"another\") { body } }";
        socket.subscribe("o", other, json!({})).await;
        let (read, lost, told) = tokio::join!(
            ada.refused(READ, json!({})),
            ada.refused(WRITE, json!({"body": "lost"})),
            socket.message()
        );
        for error in [read, lost, told["payload"][0].clone()] {
            assert_unavailable(&without_path(error));
        }
        // The token tells who the user is.
        let me = ada.send("{ me { name } }", json!({})).await;
        assert_eq!(me, json!({"me": {"name": "ada"}}));
        socket.close().await;
        // This subscriber's room exists, and what it missed is in the database, so it waits.
        let mut late = server.socket().await;
        late.subscribe("s", ADDED, json!({"after": start})).await;
        server.wait_for_members(1, 2).await;
        assert!(late.settle().await.is_empty());
        assert!(live.settle().await.is_empty());

        postgres.start_again();
        let back = format!("back after {manner:?}");
        ada.comment(&back).await;
        assert_eq!(take(&mut live, 1).await, [&*back]);
        let expected = server.client().bodies().await;
        assert!(!expected.contains(&"lost".to_owned()), "{expected:?}");
        assert_eq!(take(&mut late, expected.len()).await, expected);
        late.close().await;
        server.wait_for_members(1, 1).await;
    }
    live.close().await;
    server.stop().await;
}

fn without_path(mut error: Value) -> Value {
    let parts = error.as_object_mut().expect("an error");
    parts.retain(|name, _| name != "path" && name != "locations");
    error
}

/// Whenever the database is killed, acknowledged writes are stored, refused ones are not, and subscribers
/// receive each comment once and in order.
#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_keep_all_acknowledged_and_no_refused() {
    const WRITERS: usize = 6;
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    let server = TestServer::start_on(folder, &url, &["--reconcile-interval=100ms"]).await;
    let mut live = server.socket().await;
    live.subscribe("s", ADDED, json!({})).await;
    server.wait_for_members(1, 1).await;
    let (is_over, over) = watch::channel(false);
    let (count, mut counted) = watch::channel(0);
    let count = Arc::new(count);
    let writers = (0..WRITERS).map(|writer| {
        let client = server.reader(&format!("writer{writer}"));
        let (over, count) = (over.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            let (mut kept, mut refused) = (Vec::new(), Vec::new());
            for number in 0.. {
                if *over.borrow() {
                    break;
                }
                let body = format!("{writer}/{number}");
                let reply = client.try_send(WRITE, json!({"body": body})).await;
                if reply.body.get("errors").is_none() {
                    kept.push(body);
                    count.send_modify(|count| *count += 1);
                    continue;
                }
                match reply.error()["extensions"]["code"].as_str() {
                    Some("SERVICE_UNAVAILABLE") => refused.push(body),
                    Some("OUTCOME_UNKNOWN") => {}
                    _ => panic!("{reply:?}"),
                }
            }
            (kept, refused)
        })
    });
    let writers: Vec<_> = writers.collect();
    for restart in 1..=4 {
        let enough = counted.wait_for(|count| *count >= restart * 60);
        within("comments between two restarts", enough)
            .await
            .expect("writers");
        postgres.stop(Stop::Immediate);
        postgres.start_again();
    }
    let enough = counted.wait_for(|count| *count >= 300);
    within("comments behind the last restart", enough)
        .await
        .expect("writers");
    is_over.send_replace(true);
    let (mut kept, mut refused) = (HashSet::new(), HashSet::new());
    for writer in join_all(writers).await {
        let (done, not_done) = writer.expect("no panic");
        kept.extend(done);
        refused.extend(not_done);
    }
    let stored = server.client().bodies().await;
    let once: HashSet<String> = stored.iter().cloned().collect();
    assert_eq!(once.len(), stored.len(), "a comment is there twice");
    assert!(kept.is_subset(&once), "an acknowledged comment is lost");
    assert!(refused.is_disjoint(&once), "a refused comment was kept");
    assert_eq!(take(&mut live, stored.len()).await, stored);
    live.close().await;
    server.stop().await;
    let (seqs, stands) = seqs(&url).await;
    assert_eq!(seqs, (1..=stands).collect::<Vec<_>>());
}

/// Returns the URL of the database as a client of the proxy.
fn through(proxy: &Proxy, url: &str, postgres: &Postgres) -> String {
    url.replace(
        &postgres.address().to_string(),
        &proxy.address().to_string(),
    )
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_fail_only_requests_in_flight() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    let proxy = Proxy::to(postgres.address()).await;
    let url = through(&proxy, &url, &postgres);
    let quick = ["--database-timeout=2s", "--reconcile-interval=1h"];
    let server = TestServer::start_on(folder, &url, &quick).await;
    let ada = server.reader("ada");
    let both = || async {
        let replies = join_all((0..16).map(|number| {
            let ada = ada.clone();
            async move {
                match number % 2 {
                    0 => ada.try_send(READ, json!({})).await,
                    _ => ada.try_send(WRITE, json!({"body": "b"})).await,
                }
            }
        }));
        within("answers", replies).await
    };
    for _ in 0..3 {
        for reply in both().await {
            assert_eq!(reply.body.get("errors"), None, "{reply:?}");
        }
        proxy.silence();
        for reply in both().await {
            if reply.body.get("errors").is_some() {
                let code = reply.error()["extensions"]["code"].clone();
                assert!(
                    code == "SERVICE_UNAVAILABLE" || code == "OUTCOME_UNKNOWN",
                    "{reply:?}"
                );
            }
        }
    }
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_commit_answer_is_reported_as_outcome_unknown() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    let proxy = Proxy::to(postgres.address()).await;
    let url = through(&proxy, &url, &postgres);
    let server = TestServer::start_on(folder, &url, &[]).await;
    let ada = server.reader("ada");
    let mut live = server.socket().await;
    live.subscribe("s", ADDED, json!({})).await;
    server.wait_for_members(1, 1).await;
    proxy.lose_answer_to(b"COMMIT");
    let error = without_path(ada.refused(WRITE, json!({"body": "perhaps"})).await);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("may be saved or not"), "{message}");
    assert_eq!(error["extensions"], json!({"code": "OUTCOME_UNKNOWN"}));
    ada.comment("after").await;
    // The comment was stored once, and subscribers receive it.
    assert_eq!(server.client().bodies().await, ["perhaps", "after"]);
    assert_eq!(take(&mut live, 2).await, ["perhaps", "after"]);
    live.close().await;
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_waits_for_an_absent_database_until_its_timeout() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    for (url, word) in [
        (postgres.url("none"), "none"),
        (url.replace("causerie@", "nobody:hidden@"), "nobody"),
    ] {
        let said = refusal(&url, &["--database-wait=1h"]).await;
        assert!(said.contains(word) && !said.contains("hidden"), "{said}");
    }
    postgres.stop(Stop::Immediate);
    let said = refusal(&url, &["--database-wait=300ms"]).await;
    for word in ["DATABASE_WAIT", "300ms", "refused"] {
        assert!(said.contains(word), "{said}");
    }
    let waiting = tokio::spawn(async move { open(&url).await });
    postgres.start_again();
    let store = within("a store", waiting).await.expect("no panic");
    store.close().await;
}

/// Creates a certificate for `localhost`, signed by the test's own authority, in PostgreSQL's data folder.
fn certify(postgres: &Postgres, folder: &std::path::Path) {
    let script = "set -e; cd \"$0\"
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \"$@\" 2>/dev/null; }
        new -x509 -days 2 -subj /CN=test -keyout ca.key -out ca.crt
        new -subj /CN=localhost -keyout server.key -out server.csr
        echo subjectAltName=DNS:localhost > names
        openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
            -extfile names -out server.crt 2>/dev/null
        cp server.key server.crt \"$1\"
        chmod 600 \"$1/server.key\"
        chown --reference=\"$1\" \"$1/server.key\" \"$1/server.crt\"";
    let data = postgres.data();
    let made = Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .arg(data)
        .status();
    assert!(made.expect("a shell").success());
    postgres.sql("ALTER SYSTEM SET ssl = on");
    postgres.stop(Stop::Fast);
    postgres.start_again();
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_url_can_require_tls_and_a_verified_server() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    certify(&postgres, folder.path());
    let url = postgres.database_of(folder.path());
    let by_name = url.replace("127.0.0.1", "localhost");
    let authority = folder.path().join("ca.crt");
    let known = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    for url in [
        format!("{url}?sslmode=require"),
        format!("{by_name}?{known}"),
    ] {
        let store = open(&url).await;
        let other = another_program(&url).await;
        let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE datname = current_database()";
        let backend = other.get_database_backend();
        let row = other
            .query_one_raw(Statement::from_string(backend, query))
            .await;
        let is_encrypted: bool = row
            .expect("a row")
            .expect("a row")
            .try_get_by_index(0)
            .expect("");
        assert!(is_encrypted);
        store.close().await;
    }
    // Another name than the certified one, and an unknown authority.
    refusal(&format!("{url}?{known}"), &["--database-wait=1h"]).await;
    refusal(
        &format!("{by_name}?sslmode=verify-full"),
        &["--database-wait=1h"],
    )
    .await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_cut_off_in_a_transaction_blocks_others_a_bounded_time() {
    let postgres = Postgres::start(DURABLE);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres.database_of(folder.path());
    let proxy = Proxy::to(postgres.address()).await;
    let cut_off = through(&proxy, &url, &postgres);
    let quick = ["--database-timeout=3s", "--reconcile-interval=1h"];
    let server = TestServer::start_on(folder, &cut_off, &quick).await;
    let ada = server.reader("ada");
    ada.comment("before").await;
    let other = another_program(&url).await;
    run(&other, "BEGIN").await;
    run(&other, "SELECT 1 FROM \"user\" WHERE id = 'ada' FOR UPDATE").await;
    let writing = {
        let ada = ada.clone();
        tokio::spawn(async move { ada.refused(WRITE, json!({"body": "cut off"})).await })
    };
    wait_until_blocked(&url, 1).await;
    proxy.silence();
    // Its transaction now holds the post's lock, and no answer reaches the node.
    run(&other, "ROLLBACK").await;
    let node = open(&url).await;
    let post = PostId::parse("hello").expect("an id");
    let added = within(
        "the other node",
        node.create_comment(new_comment(&post, "bob", None)),
    );
    added.await.expect("a comment");
    assert_unavailable(&without_path(writing.await.expect("no panic")));
    assert_eq!(server.client().bodies().await, ["before", "by bob"]);
    node.close().await;
    server.stop().await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_of_a_dead_node_is_taken_over_within_ten_seconds() {
    const COMMENTS: usize = 2_500;
    const TAKEOVER: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    jobs::filled(&url, "spammer", COMMENTS).await.close().await;
    let mut node = start_node_on(&url, &[]).await;
    let ban = "mutation {
        banUser(input: { userId: \"spammer\", rejectComments: true }) { ban { userId } }
    }";
    user_of(&node, Role::Moderator).send(ban, json!({})).await;
    wait_until("a batch is done", async || {
        jobs::count(&node.client()).await < COMMENTS as u64
    })
    .await;
    // It starts after the job was taken, so the first node has the lease.
    let other = start_node_on(&url, &[]).await;
    node.kill();
    let killed_at = Instant::now();
    let left = jobs::count(&other.client()).await;
    assert_ne!(left, 0, "it was killed too late");
    wait_until("the job goes on", async || {
        jobs::count(&other.client()).await < left
    })
    .await;
    assert!(killed_at.elapsed() < TAKEOVER, "{:?}", killed_at.elapsed());
    jobs::assert_all_rejected(&other, &url, COMMENTS).await;
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_jobs_do_each_batch_once() {
    const USERS: usize = 6;
    const COMMENTS: usize = 700;
    let folder = tempfile::tempdir().expect("a folder");
    let url = postgres_url(folder.path());
    let store = jobs::filled(&url, "u0", COMMENTS).await;
    for number in 1..USERS {
        jobs::write_many(&store, "hello", &format!("u{number}"), COMMENTS).await;
    }
    store.close().await;
    let [one, two] = [
        start_node_on(&url, &[]).await,
        start_node_on(&url, &[]).await,
    ];
    let ban = "mutation($id: ID!) {
        banUser(input: { userId: $id, rejectComments: true }) { ban { userId } }
    }";
    let bosses = [
        user_of(&one, Role::Moderator),
        user_of(&two, Role::Moderator),
    ];
    let bans = (0..USERS).map(|number| {
        let boss = &bosses[number % 2];
        boss.send(ban, json!({"id": format!("u{number}")}))
    });
    join_all(bans).await;
    jobs::assert_all_rejected(&one, &url, USERS * COMMENTS).await;
}
