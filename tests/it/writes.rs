//! Concurrent writers share commits. Each receives the result of its own write, and no other's failure unless
//! the database itself fails.

use std::collections::HashSet;

use causerie::{
    model::{PostId, Profile, Role, Seq, Timestamp, User, UserId},
    store::{NewComment, Screened, Store},
    telemetry::Registry,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    failure::seqs,
    support::{
        Client, Reply, TestServer, another_program, everything, lock, on_postgres, raise_error,
        run, settings, token, trigger, wait_until,
    },
};

const WRITE: &str = "mutation($body: String!, $post: ID! = \"hello\", $parent: ID) {
    createComment(input: { postId: $post, body: $body, parentId: $parent }) { comment { id } }
}";
const EDIT: &str = "mutation($id: ID!) {
    editComment(input: { id: $id, body: \"theirs\" }) { comment { id } }
}";
const OPEN: &str =
    "mutation { createPost(input: { id: \"hello\", title: \"Again\" }) { post { id } } }";

fn code(reply: &Reply) -> Value {
    reply.body["errors"][0]["extensions"]["code"].clone()
}

/// Sends all of these at once while another program holds the database's lock, so they wait together. A later
/// wave waits after an earlier one.
async fn together(server: &TestServer, waves: Vec<Vec<(Client, &str, Value)>>) -> Vec<Reply> {
    let other = another_program(&server.database()).await;
    lock(&other).await;
    let (mut sent, mut expected) = (Vec::new(), 0);
    for wave in waves {
        expected += wave.len();
        for (client, query, variables) in wave {
            let query = query.to_owned();
            sent.push(tokio::spawn(async move {
                client.try_send(&query, variables).await
            }));
        }
        wait_until("all of these wait", async || {
            server.observer().tasks() == expected
        })
        .await;
    }
    run(&other, "ROLLBACK").await;
    let replies = join_all(sent).await.into_iter();
    replies.map(|reply| reply.expect("a reply")).collect()
}

#[tokio::test]
async fn waiting_writes_share_commits_and_refused_ones_harm_no_other() {
    let server = TestServer::start().await;
    let (ada, author) = (
        server.reader("ada"),
        server.client().with_token(&token("a", "A", Role::Author)),
    );
    let theirs = author.comment("not ada's").await;
    let before = server.observer().commits();
    let mut wave = Vec::new();
    for number in 0..40 {
        let body = format!("kept {number}");
        wave.push((ada.clone(), WRITE, json!({"body": body})));
        wave.push(match number % 4 {
            0 => (ada.clone(), WRITE, json!({"body": "lost", "post": "none"})),
            1 => {
                let parent = json!({"body": "lost", "parent": uuid(number), "post": "hello"});
                (ada.clone(), WRITE, parent)
            }
            2 => (ada.clone(), EDIT, json!({"id": theirs})),
            _ => (author.clone(), OPEN, json!({})),
        });
    }
    let replies = together(&server, vec![wave]).await;
    for (number, pair) in replies.chunks(2).enumerate() {
        let [kept, refused] = pair else { panic!("two") };
        assert_eq!(kept.body.get("errors"), None, "{kept:?}");
        let expected = ["NOT_FOUND", "BAD_USER_INPUT", "FORBIDDEN", "CONFLICT"];
        assert_eq!(code(refused), json!(expected[number % 4]), "{refused:?}");
    }
    // The first batch is what waited when the first job came, and the others found the lock taken. On
    // PostgreSQL each of the four writers has such a first batch, and what is no addition is a commit of its
    // own.
    let commits = server.observer().commits() - before;
    let most = if on_postgres() { 8 + 20 } else { 3 };
    assert!(
        (1..=most).contains(&commits),
        "{commits} commits for 40 comments"
    );

    let bodies: HashSet<String> = server.client().bodies().await.into_iter().collect();
    let mut expected: HashSet<String> = (0..40).map(|number| format!("kept {number}")).collect();
    expected.insert("not ada's".to_owned());
    assert_eq!(bodies, expected);
    let database = server.database();
    let folder = stopped(server).await;
    let (seqs, stands) = seqs(&database).await;
    assert_eq!(stands, 41);
    assert_eq!(seqs, (1..=41).collect::<Vec<_>>());
    drop(folder);
}

/// Returns the id of no comment.
fn uuid(number: usize) -> String {
    format!("0190f2a0-0000-7000-8000-{number:012}")
}

/// Stops the server, whose clients are gone. The files stay while the returned folder lives.
async fn stopped(server: TestServer) -> tempfile::TempDir {
    server.wait_for_members(0, 0).await;
    server.shut_down().await
}

#[tokio::test]
async fn replies_in_one_commit_are_counted_at_their_parents() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let parents = [ada.comment("one").await, ada.comment("two").await];
    let reply = |number: usize| {
        let variables = json!({"body": "reply", "parent": parents[number % 2]});
        (ada.clone(), WRITE, variables)
    };
    let mut wave: Vec<_> = (0..9).map(reply).collect();
    wave.push((
        ada.clone(),
        WRITE,
        json!({"body": "x", "parent": parents[0], "post": "none"}),
    ));
    let replies = together(&server, vec![wave]).await;
    assert_eq!(code(&replies[9]), json!("NOT_FOUND"));
    for (parent, count) in parents.iter().zip([5, 4]) {
        let query = "query($id: ID!) { comment(id: $id) { replyCount replies { nodes { id } } } }";
        let comment = server.client().send(query, json!({"id": parent})).await["comment"].take();
        assert_eq!(comment["replyCount"], json!(count));
        assert_eq!(
            comment["replies"]["nodes"].as_array().map(Vec::len),
            Some(count)
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn later_token_wins_for_a_user_writing_twice_in_one_commit() {
    let server = TestServer::start().await;
    let named = |name: &str| {
        server
            .client()
            .with_token(&token("ada", name, Role::Reader))
    };
    let write = |client: Client| (client, WRITE, json!({"body": "b"}));
    let waves = vec![vec![write(named("Ada"))], vec![write(named("Ada L."))]];
    for reply in together(&server, waves).await {
        assert_eq!(reply.body.get("errors"), None, "{reply:?}");
    }
    let query = "{ post(id: \"hello\") { comments { nodes { author { name } } } } }";
    let data = server.client().send(query, json!({})).await;
    let ada = json!({"author": {"name": "Ada L."}});
    assert_eq!(data["post"]["comments"]["nodes"], json!([ada, ada]));
    server.stop().await;
}

#[tokio::test]
async fn lone_write_is_committed_at_once() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    for _ in 0..10 {
        let before = server.observer().commits();
        ada.comment("alone").await;
        assert_eq!(server.observer().commits(), before + 1);
    }
    server.stop().await;
}

#[tokio::test]
async fn edit_failing_half_way_rolls_back_alone_in_a_shared_commit() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let mine = ada.comment("mine").await;
    let other = another_program(&server.database()).await;
    // The trigger aborts the edit after it has taken its seq.
    let condition = "new.body = 'theirs'";
    let trigger = trigger("comment", "BEFORE UPDATE OF body", condition, raise_error());
    run(&other, &trigger).await;
    let write = |number: usize| (ada.clone(), WRITE, json!({"body": format!("{number}")}));
    let mut wave: Vec<_> = (0..10).map(write).collect();
    wave.insert(5, (ada.clone(), EDIT, json!({"id": mine})));
    let mut replies = together(&server, vec![wave]).await;
    assert_eq!(code(&replies.remove(5)), json!("INTERNAL_SERVER_ERROR"));
    for reply in replies {
        assert_eq!(reply.body.get("errors"), None, "{reply:?}");
    }
    let database = server.database();
    let folder = stopped(server).await;
    assert_eq!(seqs(&database).await, ((1..=11).collect(), 11));
    drop(folder);
}

#[tokio::test]
async fn failed_commit_is_reported_to_all_in_it_and_the_next_is_kept() {
    // A row may break its transaction in these ways: the commit fails and leaves it open; a statement fails;
    // a statement fails and rolls back the transaction, as a full disk may.
    let mut deeds = vec!["INSERT INTO debt VALUES (1)", raise_error()];
    if !on_postgres() {
        deeds.push("SELECT RAISE(ROLLBACK, 'gone')");
    }
    for deed in deeds {
        let server = TestServer::start().await;
        let other = another_program(&server.database()).await;
        run(&other, "CREATE TABLE nobody (id INTEGER PRIMARY KEY)").await;
        run(
            &other,
            "CREATE TABLE debt (id INTEGER REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
        let condition = "new.body = 'fails'";
        run(&other, &trigger("comment", "AFTER INSERT", condition, deed)).await;

        let ada = server.reader("ada");
        let write = |body: String| (ada.clone(), WRITE, json!({"body": body}));
        let innocent = |numbers: std::ops::Range<usize>| {
            numbers
                .map(|number| write(format!("innocent {number}")))
                .collect::<Vec<_>>()
        };
        // More than one commit takes precede the failing write and some follow, so it always shares its
        // commit.
        let waves = vec![
            innocent(0..70),
            vec![write("fails".to_owned())],
            innocent(70..100),
        ];
        let replies = together(&server, waves).await;
        let (mut kept, mut failed) = (HashSet::new(), 0);
        for (place, reply) in replies.iter().enumerate() {
            match &reply.body["data"]["createComment"]["comment"]["id"] {
                Value::String(id) => assert!(kept.insert(id.clone())),
                _ => {
                    assert_eq!(code(reply), json!("INTERNAL_SERVER_ERROR"), "{deed}");
                    failed += 1;
                }
            }
            assert!(
                place != 70 || failed > 0,
                "{deed}: the failing one was acknowledged"
            );
        }
        // The four writers of PostgreSQL may have taken all that waited before the failing write came.
        let least = if on_postgres() { 1 } else { 2 };
        assert!((least..=64).contains(&failed), "{deed}: {failed} failed");

        kept.insert(ada.comment("the next").await);
        let database = server.database();
        let folder = stopped(server).await;
        // Another process reads only what was committed.
        assert_eq!(stored(&database).await, kept, "{deed}");
        let (seqs, stands) = seqs(&database).await;
        assert_eq!(seqs, (1..=stands).collect::<Vec<_>>(), "{deed}");
        drop(folder);
    }
}

async fn open(database: &str, arguments: &[&str]) -> Store {
    let url = format!("--database-url={database}");
    let arguments: Vec<&str> = [&*url]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    Store::open(&settings(&arguments).store, &Registry::new())
        .await
        .expect("a store")
}

/// Returns the ids of all comments of `hello`.
pub(crate) async fn stored(database: &str) -> HashSet<String> {
    let store = open(database, &[]).await;
    let post = PostId::parse("hello").expect("an id");
    let all = store
        .added_after(&post, Seq(0), 10_000, everything())
        .await
        .expect("comments");
    store.close().await;
    all.items
        .iter()
        .map(|recorded| recorded.comment.id.to_string())
        .collect()
}

fn new_comment(body: &str) -> NewComment {
    NewComment {
        screened: Screened::PASSED,
        post_id: PostId::parse("hello").expect("an id"),
        parent_id: None,
        max_depth: 32,
        author: Profile::new(
            User {
                id: UserId::parse("ada").expect("an id"),
                name: "Ada".into(),
                avatar: None,
                role: Role::Reader,
            },
            Timestamp::now(),
        ),
        body: body.to_owned(),
        at: Timestamp::now(),
        origin: None,
        key: None,
    }
}

#[tokio::test]
async fn abandoned_write_is_atomic_and_close_finishes_accepted_ones() {
    let server = TestServer::start().await;
    let database = server.database();
    let folder = stopped(server).await;
    let store = open(&database, &[]).await;
    let mut callers = Vec::new();
    for number in 0..100 {
        let store = store.clone();
        let body = format!("caller {number}");
        callers.push(tokio::spawn(async move {
            store.create_comment(new_comment(&body)).await
        }));
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        if number % 2 == 0 {
            callers[number / 2].abort();
        }
    }
    let mut acknowledged = HashSet::new();
    for caller in callers {
        if let Ok(done) = caller.await {
            acknowledged.insert(done.expect("a comment").comment.id.to_string());
        }
    }
    // Closing the store finishes what was accepted: what is under way and what waits after it.
    let other = another_program(&database).await;
    lock(&other).await;
    let mut accepted = Vec::new();
    for _ in 0..10 {
        let store = store.clone();
        accepted.push(tokio::spawn(async move {
            store.create_comment(new_comment("accepted")).await
        }));
        tokio::task::yield_now().await;
    }
    let closing = {
        let store = store.clone();
        tokio::spawn(async move { store.close().await })
    };
    tokio::task::yield_now().await;
    run(&other, "ROLLBACK").await;
    for accepted in accepted {
        let change = accepted.await.expect("no panic").expect("a comment");
        acknowledged.insert(change.comment.id.to_string());
    }
    closing.await.expect("closed");
    assert!(store.create_comment(new_comment("too late")).await.is_err());

    let stored = stored(&database).await;
    assert!(stored.is_superset(&acknowledged));
    let (seqs, stands) = seqs(&database).await;
    assert_eq!(seqs, (1..=stands).collect::<Vec<_>>());
    assert_eq!(stored.len(), seqs.len());
    drop(folder);
}

#[tokio::test]
async fn timed_out_write_is_reported_and_never_committed() {
    let server = TestServer::start().await;
    let database = server.database();
    let folder = stopped(server).await;
    let store = open(&database, &["--database-timeout=2s"]).await;
    let other = another_program(&database).await;
    lock(&other).await;
    // More than the queue holds: these wait for a place in it, and for their turn.
    let waiting = (0..600).map(|_| store.create_comment(new_comment("in vain")));
    for done in join_all(waiting).await {
        assert!(done.is_err());
    }
    run(&other, "ROLLBACK").await;
    let kept = store
        .create_comment(new_comment("kept"))
        .await
        .expect("a comment");
    store.close().await;
    let stored = stored(&database).await;
    assert_eq!(stored, HashSet::from([kept.comment.id.to_string()]));
    drop(folder);
}
