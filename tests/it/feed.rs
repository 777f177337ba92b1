//! The feed: nothing lost, nothing twice, in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use causerie::{
    config::StoreConfig,
    error::Error,
    model::{PostId, Profile, Role, Seq, Timestamp, User, UserId},
    store::{Allowance, FeedEntry, NewComment, Page, Screened, Store},
    telemetry::Registry,
};
use serde_json::{Value, json};

use crate::support::{Client, Socket, TestServer, settings, token, wait_until};

const ADDED: &str = "subscription($after: Cursor, $own: Boolean! = false) {
    commentAdded(postId: \"hello\", after: $after, includeOwn: $own) { body cursor }
}";
const CHANGED: &str = "subscription($after: Cursor, $own: Boolean! = false) {
    commentChanged(postId: \"hello\", after: $after, includeOwn: $own) {
        kind cursor isListed comment { body isDeleted }
    }
}";
const EDIT: &str = "mutation($id: ID!, $body: String!) {
    editComment(input: { id: $id, body: $body }) { comment { id } }
}";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";

/// Returns the cursor of the last change of `hello`.
async fn cursor(client: &Client) -> Value {
    client
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await["post"]["cursor"]
        .take()
}

/// Takes `count` events of this field and returns them.
async fn take(socket: &mut Socket, field: &str, count: usize) -> Vec<Value> {
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        events.push(socket.data("s").await[field].take());
    }
    events
}

fn bodies(added: &[Value]) -> Vec<&str> {
    added
        .iter()
        .map(|event| event["body"].as_str().expect("a body"))
        .collect()
}

/// Formats each change as `KIND body`.
fn changes(changed: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    changed
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                text(&event["kind"]),
                text(&event["comment"]["body"])
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_under_four_writers_loses_and_doubles_nothing() {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let server = TestServer::start_with(&["--room-buffer=8"]).await;
    let start = cursor(&server.client()).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = server.reader(&format!("writer{writer}"));
            tokio::spawn(async move {
                for number in 0..EACH {
                    client.comment(&format!("{writer}/{number}")).await;
                }
            })
        })
        .collect();
    // Readers join all along, from the start of the feed.
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut socket = server.socket().await;
        socket.subscribe("s", ADDED, json!({"after": start})).await;
        readers.push(socket);
        server
            .reader("pace")
            .comment("a comment that paces the readers")
            .await;
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let expected = server.client().bodies().await;
    assert_eq!(expected.len(), WRITERS * EACH + readers.len());
    for mut socket in readers {
        let added = take(&mut socket, "commentAdded", expected.len()).await;
        assert_eq!(bodies(&added), expected);
        assert!(socket.settle().await.is_empty(), "nothing more");
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_subscriber_is_caught_up_from_store_and_goes_live_again() {
    // The room keeps two changes and the queue one message, so a reader that does not read at once falls
    // behind. It answers no ping either, so the timeouts are long enough for all the writing.
    let server = TestServer::start_with(&[
        "--room-buffer=2",
        "--ws-queue=1",
        "--ws-write-timeout=5m",
        "--ws-ping-interval=5m",
    ])
    .await;
    let mut slow = server.socket().await;
    slow.subscribe("s", CHANGED, json!({})).await;
    server.wait_for_members(1, 1).await;
    assert!(slow.settle().await.is_empty());
    let writer = server.reader("writer");
    let body = "x".repeat(9_000);
    // More than the sockets' system buffers hold, so the server has to wait.
    let count = 1_200;
    for number in 0..count {
        writer.comment(&format!("{number} {body}")).await;
    }
    for number in 0..count {
        let event = slow.data("s").await;
        let text = event["commentChanged"]["comment"]["body"]
            .as_str()
            .expect("a body");
        assert_eq!(
            text.split_once(' ').expect("a number").0,
            number.to_string()
        );
    }
    writer.comment("live again").await;
    let live = take(&mut slow, "commentChanged", 1).await;
    assert_eq!(changes(&live), ["ADDED live again"]);
    slow.close().await;
    server.stop().await;
}

#[tokio::test]
async fn unpublished_change_is_delivered_by_reconciliation() {
    let server = TestServer::start_with(&["--reconcile-interval=100ms"]).await;
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({})).await;
    server.wait_for_members(1, 1).await;
    assert!(socket.settle().await.is_empty());

    // Another program commits, as if this server had died between commit and delivery.
    let elsewhere = open_elsewhere(&server).await;
    add_elsewhere(&elsewhere, "lost").await;
    let found = take(&mut socket, "commentChanged", 1).await;
    assert_eq!(changes(&found), ["ADDED lost"]);

    // A change that follows in the usual way is neither delayed nor doubled.
    add_elsewhere(&elsewhere, "lost too").await;
    server.reader("writer").comment("told").await;
    let both = take(&mut socket, "commentChanged", 2).await;
    assert_eq!(changes(&both), ["ADDED lost too", "ADDED told"]);
    assert!(socket.settle().await.is_empty());

    elsewhere.close().await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn reconciliation_of_all_rooms_takes_one_query() {
    const INTERVAL: Duration = Duration::from_millis(50);
    let server = TestServer::start_with(&["--reconcile-interval=50ms"]).await;
    let author = server
        .client()
        .with_token(&token("author", "Author", Role::Author));
    let mut socket = server.socket().await;
    for number in 0..20 {
        let create =
            "mutation($id: ID!) { createPost(input: { id: $id, title: \"t\" }) { post { id } } }";
        author
            .send(create, json!({"id": format!("p{number}")}))
            .await;
        let id = format!("s{number}");
        let follow = "subscription($id: ID!) { viewerCount(postId: $id) }";
        socket
            .subscribe(&id, follow, json!({"id": format!("p{number}")}))
            .await;
        // The first value comes once the store has answered with the feed's seq.
        socket.data(&id).await;
    }
    server.wait_for_members(20, 20).await;
    // Nothing else runs statements now but the refreshes of bans, one in two seconds.
    let (before, start) = (server.observer().statements(), Instant::now());
    let statements = || server.observer().statements() - before;
    wait_until("five rounds", async || statements() >= 5).await;
    // The time is read last, so it is at least the time of the statements.
    let (statements, elapsed) = (statements(), start.elapsed());
    let rounds = elapsed.as_millis() / INTERVAL.as_millis() + 1;
    let most = rounds + u128::from(elapsed.as_secs() / 2 + 1);
    assert!(
        u128::from(statements) <= most,
        "{statements} in {rounds} rounds"
    );
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn catch_up_omits_the_clients_own_changes_unless_asked_for() {
    let server = TestServer::start().await;
    let start = cursor(&server.client()).await;
    let mine = server.reader("ada").named("ada");
    let other = server.reader("bob").named("bob");
    let my_comment = mine.comment("mine").await;
    let other_comment = other.comment("other").await;
    mine.send(EDIT, json!({"id": my_comment, "body": "mine, edited"}))
        .await;
    other
        .send(EDIT, json!({"id": other_comment, "body": "other, edited"}))
        .await;

    let mut ada = server.reader_socket("ada").await;
    let expect: [(&str, bool, &[&str]); 4] = [
        (ADDED, false, &["other, edited"]),
        (ADDED, true, &["mine, edited", "other, edited"]),
        (
            CHANGED,
            false,
            &["ADDED other, edited", "EDITED other, edited"],
        ),
        (
            CHANGED,
            true,
            &[
                "ADDED mine, edited",
                "ADDED other, edited",
                "EDITED mine, edited",
                "EDITED other, edited",
            ],
        ),
    ];
    for (query, include_own, expected) in expect {
        ada.subscribe("s", query, json!({"after": start, "own": include_own}))
            .await;
        let mut got = Vec::new();
        for _ in expected {
            let event = ada.data("s").await;
            got.push(match event.get("commentAdded") {
                Some(added) => added["body"].as_str().expect("a body").to_owned(),
                None => changes(&[event["commentChanged"].clone()])[0].clone(),
            });
        }
        assert_eq!(got, expected);
        assert!(ada.settle().await.is_empty());
        ada.complete("s").await;
    }
    ada.close().await;
    server.stop().await;
}

#[tokio::test]
async fn catch_up_sends_entries_and_latest_changes_in_order() {
    let server = TestServer::start().await;
    let writer = server.reader("ada");
    let old = writer.comment("old").await;
    let gone = writer.comment("gone").await;
    let start = cursor(&server.client()).await;
    let parent = writer.comment("parent").await;
    let reply = json!({"body": "reply", "parentId": parent});
    writer.create_comment(reply.clone()).await;
    let never_seen = writer.create_comment(reply).await["id"].take();
    let tombstone = writer.comment("tombstone").await;
    let kept = json!({"body": "kept", "parentId": tombstone});
    writer.create_comment(kept).await;
    for (id, body) in [(&old, "old, edited"), (&parent, "parent, edited")] {
        writer.send(EDIT, json!({"id": id, "body": body})).await;
    }
    for id in [&json!(gone), &never_seen, &json!(tombstone)] {
        writer.send(DELETE, json!({"id": id})).await;
    }

    let mut socket = server.socket().await;
    socket
        .subscribe("s", CHANGED, json!({"after": start}))
        .await;
    let caught_up = take(&mut socket, "commentChanged", 8).await;
    let expected = [
        "ADDED parent, edited",
        "ADDED reply",
        "ADDED ",
        "ADDED kept",
        "EDITED old, edited",
        "EDITED parent, edited",
        "DELETED ",
        "DELETED ",
    ];
    assert_eq!(changes(&caught_up), expected);
    let listed = |event: &Value| event["isListed"].as_bool().expect("a flag");
    let is_listed: Vec<bool> = caught_up.iter().map(listed).collect();
    assert_eq!(is_listed, [true, true, true, true, true, true, false, true]);
    assert!(socket.settle().await.is_empty());

    // Each cursor on the way can be resumed from. It does not tell which removals the client knows.
    for (place, event) in caught_up.iter().enumerate() {
        socket.complete("s").await;
        let after = json!({"after": event["cursor"]});
        socket.subscribe("s", CHANGED, after).await;
        for expected in caught_up[place + 1..].iter().filter(|event| listed(event)) {
            let mut next = take(&mut socket, "commentChanged", 1).await;
            while !listed(&next[0]) {
                next = take(&mut socket, "commentChanged", 1).await;
            }
            assert_eq!(next[0], *expected);
        }
    }
    socket.complete("s").await;
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

/// An allowance of a number of rows.
#[derive(Debug)]
struct Rows(AtomicUsize);

impl Allowance for Rows {
    fn take(&self, _: usize) -> Result<bool, Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let one_less = |left: usize| left.checked_sub(1);
        Ok(self.0.fetch_update(success, failure, one_less).is_ok())
    }

    fn give_back(&self, _: usize) {}
}

/// Returns a page of the changes of `hello` that may read `rows` rows, and the number of rows it left.
async fn page_of(store: &Store, after: i64, first: u64, rows: usize) -> (Page<FeedEntry>, usize) {
    let post = PostId::parse("hello").expect("a post id");
    let allowance = Arc::new(Rows(AtomicUsize::new(rows)));
    let page = store.changed_after(&post, Seq(after), first, Arc::clone(&allowance) as _);
    let page = page.await.expect("a page");
    (page, allowance.0.load(Ordering::Relaxed))
}

/// Writes three comments, at 1 to 3, and edits the first two, at 4 and 5.
async fn write_and_edit(server: &TestServer) {
    let ada = server.reader("ada");
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(ada.comment(body).await);
    }
    for id in &ids[..2] {
        ada.send(EDIT, json!({"id": id, "body": "edited"})).await;
    }
}

fn seqs(page: &Page<FeedEntry>) -> Vec<i64> {
    page.items.iter().map(|entry| entry.seq.0).collect()
}

#[tokio::test]
async fn page_of_changes_that_ends_by_bytes_skips_no_place() {
    let server = TestServer::start().await;
    write_and_edit(&server).await;
    let store = open_elsewhere(&server).await;
    for rows in 1..=3 {
        let (mut after, mut all) = (0, Vec::new());
        loop {
            let (page, _) = page_of(&store, after, 50, rows).await;
            let seqs = seqs(&page);
            after = *seqs.last().expect("one entry at least");
            all.extend(seqs);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(all, [1, 2, 3, 4, 5], "{rows} rows");
    }
    store.close().await;
    server.stop().await;
}

#[tokio::test]
async fn page_of_changes_reads_no_more_rows_than_entries() {
    let server = TestServer::start().await;
    write_and_edit(&server).await;
    let store = open_elsewhere(&server).await;
    for (after, first, expected) in [
        (0, 1, vec![1]),
        (0, 2, vec![1, 2]),
        (1, 2, vec![2, 3]),
        (2, 2, vec![3, 4]),
        (3, 2, vec![4, 5]),
        (4, 2, vec![5]),
    ] {
        let (page, left) = page_of(&store, after, first, 100).await;
        assert_eq!(seqs(&page), expected, "{first} after {after}");
        assert_eq!(page.has_more, expected.last() != Some(&5), "after {after}");
        assert!(100 - left <= expected.len(), "{left} rows left");
    }
    store.close().await;
    server.stop().await;
}

#[tokio::test]
async fn catch_up_removes_the_clients_own_deleted_comment() {
    let server = TestServer::start().await;
    let start = cursor(&server.client()).await;
    let ada = server.reader("ada").named("ada");
    let own = ada.comment("own").await;
    let bob = server.reader("bob").named("bob");
    let never_seen = bob.comment("never seen").await;
    let moderator = token("m", "M", Role::Moderator);
    let moderator = server.client().with_token(&moderator);
    for id in [own, never_seen] {
        moderator.send(DELETE, json!({"id": id})).await;
    }
    // The client has its own comment from the mutation's answer, and the other one from nowhere.
    let mut socket = server.reader_socket("ada").await;
    socket
        .subscribe("s", CHANGED, json!({"after": start}))
        .await;
    let removed = take(&mut socket, "commentChanged", 1).await;
    assert_eq!(changes(&removed), ["DELETED "]);
    assert_eq!(removed[0]["isListed"], json!(false));
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

/// Others hold the same subscriptions, so what was rendered for them could be sent again.
#[tokio::test]
async fn withdrawn_text_is_not_sent_to_a_new_subscriber() {
    let server = TestServer::start().await;
    let start = cursor(&server.client()).await;
    let (mut additions, mut all) = (server.socket().await, server.socket().await);
    additions.subscribe("s", ADDED, json!({})).await;
    all.subscribe("s", CHANGED, json!({})).await;
    server.wait_for_members(1, 2).await;
    let ada = server.reader("ada");
    let (edited, deleted) = (ada.comment("withdrawn").await, ada.comment("secret").await);
    ada.send(EDIT, json!({"id": edited, "body": "kept"})).await;
    ada.send(DELETE, json!({"id": deleted})).await;
    take(&mut additions, "commentAdded", 2).await;
    take(&mut all, "commentChanged", 4).await;
    let mut late = server.socket().await;
    late.subscribe("s", ADDED, json!({"after": start})).await;
    assert_eq!(bodies(&take(&mut late, "commentAdded", 1).await), ["kept"]);
    assert!(late.settle().await.is_empty());
    late.complete("s").await;
    late.subscribe("s", CHANGED, json!({"after": start})).await;
    let caught_up = take(&mut late, "commentChanged", 2).await;
    assert_eq!(changes(&caught_up), ["ADDED kept", "EDITED kept"]);
    assert!(late.settle().await.is_empty());
    for socket in [late, additions, all] {
        socket.close().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn cursor_is_validated_and_survives_a_restart() {
    let server = TestServer::start().await;
    server.reader("ada").comment("before").await;
    let place = cursor(&server.client()).await;
    server.reader("ada").comment("after").await;
    let ahead = cursor(&server.client()).await;
    let folder = server.shut_down().await;

    let server = TestServer::start_in(folder, &[]).await;
    let mut socket = server.socket().await;
    socket.subscribe("s", ADDED, json!({"after": place})).await;
    assert_eq!(
        bodies(&take(&mut socket, "commentAdded", 1).await),
        ["after"]
    );
    socket.complete("s").await;
    for (id, bad) in [("a", "nonsense"), ("b", "AQAAAAAAAAAAAAAA"), ("c", "")] {
        socket.subscribe(id, ADDED, json!({"after": bad})).await;
        let extensions = json!({"code": "BAD_USER_INPUT", "field": "after"});
        assert_refused(socket.message().await, id, extensions);
    }
    socket.close().await;
    server.stop().await;

    // A cursor of another database, beyond this one's feed.
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    socket.subscribe("s", ADDED, json!({"after": ahead})).await;
    let extensions = json!({"code": "CURSOR_EXPIRED"});
    assert_refused(socket.message().await, "s", extensions);
    socket.close().await;
    server.stop().await;
}

fn assert_refused(message: Value, id: &str, extensions: Value) {
    assert_eq!(
        (&message["type"], &message["id"]),
        (&json!("error"), &json!(id))
    );
    assert_eq!(message["payload"][0]["extensions"], extensions, "{message}");
}

/// Opens the same database without publishing to any room.
async fn open_elsewhere(server: &TestServer) -> Store {
    let url = format!("--database-url={}", server.database());
    let config: StoreConfig = settings(&[&url]).store;
    Store::open(&config, &Registry::new())
        .await
        .expect("the database")
}

async fn add_elsewhere(store: &Store, body: &str) {
    let new = NewComment {
        screened: Screened::PASSED,
        post_id: PostId::parse("hello").expect("a post id"),
        parent_id: None,
        max_depth: 32,
        author: Profile::new(
            User {
                id: UserId::parse("elsewhere").expect("a user id"),
                name: "Elsewhere".into(),
                avatar: None,
                role: Role::Reader,
            },
            Timestamp::now(),
        ),
        body: body.to_owned(),
        at: Timestamp::now(),
        origin: None,
        key: None,
    };
    store.create_comment(new).await.expect("stored");
}

/// The first member of a room waits for the store to answer with the feed's seq. What is written meanwhile is
/// written after it joined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_member_is_sent_everything_written_after_it_joined() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let writer = server.reader("writer");
    for round in 0..300 {
        socket.subscribe("s", ADDED, json!({})).await;
        server.wait_for_members(1, 1).await;
        let body = format!("round {round}");
        writer.comment(&body).await;
        assert_eq!(bodies(&take(&mut socket, "commentAdded", 1).await), [body]);
        socket.complete("s").await;
        server.wait_for_members(0, 0).await;
    }
    socket.close().await;
    server.stop().await;
}
