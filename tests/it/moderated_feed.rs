//! Readers whose connections break while moderators decide.

use std::collections::{BTreeSet, HashSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use causerie::model::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::{Client, TestServer, token, within};

const READERS: usize = 50;
const COMMENTS: usize = 2_000;
const DECISIONS: usize = 500;
/// Maximum number of changes between two cuts of a reader's connection.
const CHANGES_PER_CONNECTION: usize = 40;
const WRITERS: usize = 8;

const CREATE: &str = "mutation($body: String!) {
    createComment(input: { postId: \"hello\", body: $body }) { comment { id } }
}";
const APPROVE: &str = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
const REJECT: &str = "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }";
const FOLLOW: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { kind cursor isListed comment { id } }
}";

/// Returns the position that a cursor names, as `schema/cursor.rs` encodes it.
fn position(cursor: &Value) -> u64 {
    let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str().expect("a cursor"));
    let seq = bytes.expect("a cursor")[6..14].try_into().expect("a seq");
    u64::from_be_bytes(seq)
}

/// Follows the post over many connections until the comment `last` is listed. Returns the listed comments.
async fn follow(
    server: &TestServer,
    mut after: Value,
    last: &Value,
    seed: u64,
) -> BTreeSet<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut listed, mut known) = (BTreeSet::new(), position(&after));
    loop {
        let mut socket = server.socket().await;
        socket.subscribe("s", FOLLOW, json!({"after": after})).await;
        for _ in 0..random.usize(1..=CHANGES_PER_CONNECTION) {
            let change = socket.data("s").await["commentChanged"].take();
            let at = position(&change["cursor"]);
            assert!(at > known, "each change comes once and in order: {change}");
            known = at;
            after = change["cursor"].clone();
            let id = &change["comment"]["id"];
            let name = id.as_str().expect("an id").to_owned();
            if change["isListed"] == true {
                listed.insert(name);
            } else {
                listed.remove(&name);
            }
            if id == last {
                socket.close().await;
                return listed;
            }
        }
        socket.vanish();
    }
}

/// Makes random decisions on these comments, each with the moderator's own random numbers.
async fn decide(moderator: &Client, ids: &[Value], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for id in ids {
        // Some are approved, rejected and restored.
        for decision in &[APPROVE, REJECT, APPROVE][..random.usize(1..=3)] {
            moderator.send(decision, json!({"id": id})).await;
        }
    }
}

async fn published(client: &Client) -> BTreeSet<String> {
    const PAGE: &str =
        "query($after: String) { post(id: \"hello\") { comments(first: 100, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor }
    } } }";
    let (mut ids, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let data = client.send(PAGE, json!({"after": after})).await;
        let page = &data["post"]["comments"];
        let nodes = page["nodes"].as_array().expect("a list").iter();
        ids.extend(nodes.map(|node| node["id"].as_str().expect("an id").to_owned()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            return ids;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_readers_end_with_exactly_what_is_published() {
    let server = TestServer::start_with(&["--moderation=all", "--room-buffer=64"]).await;
    let moderator = token("mod", "Mod", Role::Moderator);
    let moderator = server.client().with_token(&moderator);
    let writers = (0..WRITERS).map(|writer| {
        let client = server.reader(&format!("writer{writer}"));
        async move {
            let mut ids = Vec::new();
            for number in 0..COMMENTS / WRITERS {
                let body = format!("{writer}/{number}");
                let data = client.send(CREATE, json!({"body": body})).await;
                ids.push(data["createComment"]["comment"]["id"].clone());
            }
            ids
        }
    });
    let ids = join_all(writers).await.concat();
    let start = "{ post(id: \"hello\") { cursor } }";
    let start = moderator.send(start, json!({})).await["post"]["cursor"].clone();
    let (last, chosen) = ids[..=DECISIONS].split_last().expect("comments");

    let joined = Barrier::new(READERS + 1);
    let readers = (0..READERS).map(|reader| {
        let (server, start, joined) = (&server, start.clone(), &joined);
        async move {
            joined.wait().await;
            let reading = follow(server, start, last, reader as u64);
            within("the last change", reading).await
        }
    });
    let deciding = async {
        joined.wait().await;
        let parts = chosen.chunks(chosen.len() / WRITERS).enumerate();
        let parts = parts.map(|(part, ids)| decide(&moderator, ids, part as u64));
        join_all(parts).await;
        moderator.send(APPROVE, json!({"id": last})).await;
    };
    let (lists, ()) = tokio::join!(join_all(readers), deciding);
    let expected = published(&moderator).await;
    assert!(expected.len() > DECISIONS / 3 && expected.len() < COMMENTS / 2);
    let distinct: HashSet<_> = lists.into_iter().collect();
    assert_eq!(distinct, HashSet::from([expected]));
    server.stop().await;
}
