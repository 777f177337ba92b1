//! Long work: what it does, and that it is done once, whichever node dies when.

use std::time::Duration;

use causerie::{
    cluster::backplane::memory::Network,
    model::{PostId, Profile, Role, Timestamp, User, UserId},
    store::{BannedComments, JobOwner, NewBan, NewComment, NewPost, Screened, Store},
    telemetry::Registry,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    posts::author,
    support::{
        Client, Node, TestServer, another_program, database_url, settings, start_node, token, user,
        wait_until,
    },
    transports::readers_of,
};

const BAN: &str = "mutation($id: ID!, $reject: Boolean! = true) {
    banUser(input: { userId: $id, rejectComments: $reject }) { ban { userId } }
}";
const CHANGED: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { kind comment { id } }
}";
const COUNT: &str = "{ post(id: \"hello\") { commentCount cursor } }";
const REJECTED: &str = "{ moderation { comments(status: REJECTED, first: 100) {
    nodes { author { id } reason moderator { id } }
} } }";
const DELETE_POST: &str = "mutation($id: ID!) { deletePost(input: { id: $id }) { id } }";
const CREATE_POST: &str = "mutation($id: ID!) {
    createPost(input: { id: $id, title: \"T\" }) { post { id commentCount } }
}";
/// More than two batches.
const MANY: usize = 1_203;

pub(crate) fn post_id(id: &str) -> PostId {
    PostId::parse(id).expect("an id")
}

pub(crate) fn profile(name: &str) -> Profile {
    let user = User {
        id: UserId::parse(name).expect("an id"),
        name: name.into(),
        avatar: None,
        role: Role::Reader,
    };
    Profile::new(user, Timestamp::now())
}

/// Writes `count` comments of a user.
pub(crate) async fn write_many(store: &Store, post: &str, author: &str, count: usize) {
    let writes = (0..count).map(|number| {
        store.create_comment(NewComment {
            post_id: post_id(post),
            parent_id: None,
            max_depth: 32,
            author: profile(author),
            body: format!("{author} {number}"),
            screened: Screened::PASSED,
            at: Timestamp::now(),
            origin: None,
            key: None,
        })
    });
    for written in join_all(writes).await {
        written.expect("written");
    }
}

/// Opens the folder's database and fills it with the post `hello` and comments of a user.
pub(crate) async fn filled(url: &str, author: &str, count: usize) -> Store {
    let url = format!("--database-url={url}");
    let config = settings(&[&url]).store;
    let store = Store::open(&config, &Registry::new()).await;
    let store = store.expect("a store");
    let new = NewPost {
        id: post_id("hello"),
        title: "Hello".to_owned(),
        url: None,
        at: Timestamp::now(),
        by: None,
    };
    store.create_post(new).await.expect("a post");
    write_many(&store, "hello", author, count).await;
    store
}

pub(crate) async fn count(client: &Client) -> u64 {
    let data = client.send(COUNT, json!({})).await;
    data["post"]["commentCount"].as_u64().expect("a count")
}

/// Returns the number of changes in the feed of `hello`.
pub(crate) async fn changes(store: &Store) -> i64 {
    let head = store.head(&post_id("hello")).await.expect("read");
    head.expect("a post").seq.0
}

fn moderator(server: &TestServer) -> Client {
    server
        .client()
        .with_token(&token("mod", "Mod", Role::Moderator))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_of_banned_user_are_rejected_live_for_readers() {
    let server = TestServer::start().await;
    let store = server.observer().store();
    write_many(store, "hello", "spammer", MANY).await;
    server.reader("ada").comment("stays").await;
    let start = server.client().send(COUNT, json!({})).await;
    let mut socket = server.socket().await;
    let variables = json!({"after": start["post"]["cursor"]});
    socket.subscribe("c", CHANGED, variables).await;

    let boss = moderator(&server);
    boss.send(BAN, json!({"id": "spammer"})).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..MANY {
        let change = socket.data("c").await["commentChanged"].take();
        assert_eq!(change["kind"], json!("DELETED"));
        assert!(seen.insert(change["comment"]["id"].to_string()), "twice");
    }
    assert_eq!(count(&boss).await, 1);
    let decided = "causerie_comments_decided_total{action=\"reject\"}";
    server.wait_for_sample(decided, MANY as f64).await;
    let rejected = boss.send(REJECTED, json!({})).await;
    let nodes = rejected["moderation"]["comments"]["nodes"].clone();
    let expected = json!({
        "author": {"id": "spammer"}, "reason": "MODERATOR", "moderator": {"id": "mod"}
    });
    let nodes = nodes.as_array().expect("comments");
    assert!(nodes.len() == 100 && nodes.iter().all(|node| *node == expected));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn ban_without_rejection_keeps_comments_and_again_rejects() {
    let server = TestServer::start().await;
    let store = server.observer().store();
    write_many(store, "hello", "spammer", 3).await;
    let boss = moderator(&server);
    let keep = json!({"id": "spammer", "reject": false});
    boss.send(BAN, keep).await;
    assert_eq!(count(&boss).await, 3);
    boss.send(BAN, json!({"id": "spammer"})).await;
    wait_until("no comment is left", async || count(&boss).await == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn comment_under_way_when_its_author_is_banned_is_rejected() {
    let server = TestServer::start().await;
    // It does not hear of bans.
    let other = server.beside(&["--ban-refresh=1h"]).await;
    let spammer = other.reader("spammer");
    spammer.comment("before").await;
    let boss = moderator(&server);
    boss.send(BAN, json!({"id": "spammer"})).await;
    wait_until("no comment is left", async || count(&boss).await == 0).await;
    spammer.comment("late").await;
    wait_until("the late comment is rejected", async || {
        let rejected = boss.send(REJECTED, json!({})).await;
        let nodes = rejected["moderation"]["comments"]["nodes"].as_array();
        nodes.map(Vec::len) == Some(2)
    })
    .await;
    other.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_of_a_killed_node_goes_on_and_does_no_batch_twice() {
    const COMMENTS: usize = 2_500;
    let folder = tempfile::tempdir().expect("a folder");
    let url = database_url(folder.path());
    filled(&url, "spammer", COMMENTS).await.close().await;
    let mut node = start_node(folder.path(), &[]).await;
    let boss = user(&node, Role::Moderator);
    boss.send(BAN, json!({"id": "spammer"})).await;
    wait_until("a batch is done", async || {
        count(&node.client()).await < COMMENTS as u64
    })
    .await;
    node.kill();
    node.start_again().await;
    assert_ne!(count(&node.client()).await, 0, "it was killed too late");
    assert_all_rejected(&node, &url, COMMENTS).await;
}

/// Waits until all comments are rejected, and asserts that each was once.
pub(crate) async fn assert_all_rejected(node: &Node, url: &str, comments: usize) {
    wait_until("no comment is left", async || {
        count(&node.client()).await == 0
    })
    .await;
    let url = format!("--database-url={url}");
    let config = settings(&[&url]).store;
    let store = Store::open(&config, &Registry::new()).await;
    let store = store.expect("a store");
    let expected = i64::try_from(2 * comments).expect("a number");
    assert_eq!(changes(&store).await, expected);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_lost_its_lease_does_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = filled(&database_url(folder.path()), "spammer", MANY).await;
    let at = Timestamp::now();
    let ban = NewBan {
        user_id: UserId::parse("spammer").expect("an id"),
        by: profile("mod"),
        at,
        reason: None,
        addresses_until: None,
        comments: BannedComments::Reject,
    };
    store.ban(ban).await.expect("banned");
    let lease = async |owner, at| store.lease_job(owner, at).await.expect("asked");
    let (one, two) = (JobOwner::new(), JobOwner::new());
    let first = lease(one, at).await.expect("a job");
    assert_eq!(lease(two, at).await, None, "it is taken");
    let batch = async |lease, at| store.do_batch(lease, at).await.expect("asked");
    let done = batch(first, at).await.expect("a batch");
    let mut rejected = done.effects.len();
    assert!((1..=500).contains(&rejected) && !done.is_last);

    let later = at.plus(Duration::from_secs(7));
    let second = lease(two, later).await.expect("the lease has expired");
    assert!(batch(first, later).await.is_none());
    let (theirs, ours) = tokio::join!(batch(first, later), batch(second, later));
    assert!(theirs.is_none());
    let mut ours = ours.expect("a batch");
    while !ours.is_last {
        assert!((1..=500).contains(&ours.effects.len()));
        rejected += ours.effects.len();
        ours = batch(second, later).await.expect("a batch");
    }
    assert_eq!(rejected + ours.effects.len(), MANY);

    // It is looked again when no write that was under way is left.
    assert_eq!(lease(one, later).await, None);
    let at_last = at.plus(Duration::from_secs(31));
    let again = lease(one, at_last).await.expect("it is due");
    let last = batch(again, at_last).await.expect("a batch");
    assert_eq!((last.effects.len(), last.is_last), (0, true));
    assert!(batch(again, at_last).await.is_none(), "the job is done");
    let expected = i64::try_from(2 * MANY).expect("a number");
    assert_eq!(changes(&store).await, expected);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_post_is_gone_at_once_and_its_streams_end() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    write_many(here.observer().store(), "hello", "ada", MANY).await;
    let ada = here.reader("ada");
    let id = ada.comment("a comment").await;
    let reply = json!({"body": "a reply", "parentId": id, "idempotencyKey": "k"});
    here.reader("bob").create_comment(reply).await;
    let boss = moderator(&here);
    report(&here.reader("eve"), &id).await;

    let (clients, reader) = (["one", "two", "three"], token("r", "R", Role::Reader));
    let mut open = Vec::new();
    for server in [&here, &there] {
        open.extend(readers_of(server, &reader, clients, CHANGED, &json!({})).await);
        server.wait_for_members(1, 3).await;
    }
    let deleted = boss.send(DELETE_POST, json!({"id": "hello"})).await;
    assert_eq!(deleted["deletePost"]["id"], json!("hello"));
    assert_gone(&here, &boss, &id).await;
    assert_gone(&there, &boss, &id).await;
    for mut reader in open {
        assert_eq!(reader.refusal().await, "NOT_FOUND");
        reader.vanish();
    }
    wait_until("the id is free", async || {
        let reply = author(&here)
            .try_send(CREATE_POST, json!({"id": "hello"}))
            .await;
        reply.body.get("errors").is_none()
    })
    .await;
    assert_eq!(count(&boss).await, 0);
    let connection = another_program(&here.database()).await;
    for table in ["comment", "report", "idempotency_key", "job"] {
        assert_eq!(rows(&connection, table).await, 0, "{table}");
    }
    there.stop().await;
    here.stop().await;
}

async fn report(by: &Client, comment: &str) {
    let report = "mutation($id: ID!) {
        reportComment(input: { commentId: $id, reason: SPAM }) { commentId }
    }";
    by.send(report, json!({"id": comment})).await;
}

/// Asserts that neither the post nor any of its comments is in anything that is read or written.
async fn assert_gone(server: &TestServer, boss: &Client, comment: &str) {
    let read = "query($id: ID!) {
        post(id: \"hello\") { id } comment(id: $id) { id } posts { nodes { id } }
        moderation { queue { pendingCount reportedCount } comments { nodes { id } } }
        viewer { unpublishedComments { nodes { id } } }
    }";
    let client = server
        .client()
        .with_token(&token("mod", "Mod", Role::Moderator));
    assert_eq!(
        client.send(read, json!({"id": comment})).await,
        json!({
            "post": null, "comment": null, "posts": {"nodes": []},
            "moderation": {
                "queue": {"pendingCount": 0, "reportedCount": 0}, "comments": {"nodes": []}
            },
            "viewer": {"unpublishedComments": {"nodes": []}}
        })
    );
    for mutation in [
        "mutation($id: ID!) { createComment(input: { postId: \"hello\", parentId: $id, body: \"b\" }) { status } }",
        "mutation($id: ID!) { editComment(input: { id: $id, body: \"b\" }) { status } }",
        "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }",
        "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }",
        "mutation($id: ID!) { pinComment(input: { id: $id }) { post { id } } }",
        "mutation($id: ID!) { reportComment(input: { commentId: $id, reason: SPAM }) { commentId } }",
    ] {
        let error = boss.refused(mutation, json!({"id": comment})).await;
        assert_eq!(
            error["extensions"]["code"],
            json!("NOT_FOUND"),
            "{mutation}"
        );
    }
    let again = boss.refused(DELETE_POST, json!({"id": "hello"})).await;
    assert_eq!(again["extensions"]["code"], json!("NOT_FOUND"));
}

async fn rows(connection: &sea_orm::DatabaseConnection, table: &str) -> i64 {
    use sea_orm::ConnectionTrait;
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let backend = ConnectionTrait::get_database_backend(connection);
    let row = connection.query_one_raw(sea_orm::Statement::from_string(backend, sql));
    let row = row.await.expect("read").expect("a row");
    row.try_get_by_index(0).expect("a number")
}

#[tokio::test]
async fn old_ids_of_deleted_post_are_free_at_once() {
    let server = TestServer::start().await;
    let relocate =
        "mutation { movePost(input: { id: \"hello\", newId: \"new\" }) { post { id } } }";
    author(&server).send(relocate, json!({})).await;
    let boss = moderator(&server);
    let deleted = boss.send(DELETE_POST, json!({"id": "hello"})).await;
    assert_eq!(deleted["deletePost"]["id"], json!("new"));
    let created = author(&server)
        .send(CREATE_POST, json!({"id": "hello"}))
        .await;
    assert_eq!(created["createPost"]["post"]["id"], json!("hello"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_opened_under_a_deleted_id_goes_on_where_it_ended() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    let (boss, ada) = (moderator(&here), here.reader("ada"));
    let page = "{ post(id: \"hello\") { cursor commentCount
        comments { nodes { body } } } }";
    // Once under the id itself, and once under an old id of the post.
    for move_first in [false, true] {
        for number in 0..3 {
            ada.comment(&format!("old {number}")).await;
        }
        let mut cursor = json!(null);
        for server in [&here, &there] {
            cursor = server.client().send(page, json!({})).await["post"]["cursor"].take();
        }
        if move_first {
            let relocate =
                "mutation { movePost(input: { id: \"hello\", newId: \"moved\" }) { post { id } } }";
            author(&here).send(relocate, json!({})).await;
        }
        boss.send(DELETE_POST, json!({"id": "hello"})).await;
        wait_until("the id is free", async || {
            let reply = author(&there)
                .try_send(CREATE_POST, json!({"id": "hello"}))
                .await;
            reply.body.get("errors").is_none()
        })
        .await;
        for number in 0..3 {
            ada.comment(&format!("new {number}")).await;
        }
        for server in [&here, &there] {
            let post = server.client().send(page, json!({})).await["post"].take();
            let new = [0, 1, 2].map(|number| json!({"body": format!("new {number}")}));
            assert_eq!(post["comments"]["nodes"], json!(new), "a cached answer");
            let mut socket = server.socket().await;
            let added = "subscription($after: Cursor) {
                commentAdded(postId: \"hello\", after: $after) { body }
            }";
            socket.subscribe("s", added, json!({"after": cursor})).await;
            for body in new {
                assert_eq!(socket.data("s").await["commentAdded"], body);
            }
            socket.close().await;
        }
    }
    there.stop().await;
    here.stop().await;
}
