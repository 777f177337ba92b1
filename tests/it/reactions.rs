//! Reactions to comments: exact numbers, the order by score, and `reactionsChanged`.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use causerie::{cluster::backplane::memory::Network, model::Role};
use futures_util::future::join_all;
use proptest::{collection::vec, prelude::*};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::{
    limits::{code, is_limited, outcome},
    support::{Client, TestServer, another_program, run, token, wait_until},
    transports::{Reader, readers},
};

const CONTENTS: [&str; 8] = [
    "THUMBS_UP",
    "THUMBS_DOWN",
    "LAUGH",
    "HOORAY",
    "CONFUSED",
    "HEART",
    "ROCKET",
    "EYES",
];
const ADD: &str = "mutation($id: ID!, $content: ReactionContent!) {
    addReaction(input: { commentId: $id, content: $content }) {
        comment { score reactions { content count } }
        viewer { reactions(postId: \"hello\") { commentId content } }
    }
}";
const REMOVE: &str = "mutation($id: ID!, $content: ReactionContent!) {
    removeReaction(input: { commentId: $id, content: $content }) {
        comment { score reactions { content count } }
        viewer { reactions(postId: \"hello\") { commentId content } }
    }
}";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
const APPROVE: &str = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
const REJECT: &str = "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }";
/// It depends on the room, so it is never answered from a cache.
const SHOWN: &str = "query($id: ID!) {
    comment(id: $id) { score reactions { content count } post { cursor viewerCount } }
}";
const OWN: &str = "query($post: ID!) { viewer { reactions(postId: $post) { commentId content } } }";
const CHANGED: &str = "subscription { reactionsChanged(postId: \"hello\") {
    id body score reactions { content count }
} }";

fn moderator(server: &TestServer) -> Client {
    server
        .client()
        .with_token(&token("mod", "Mod", Role::Moderator))
}

async fn react(client: &Client, mutation: &str, id: &str, content: &str) -> Value {
    let data = client.send(mutation, json!({"id": id, "content": content}));
    let data = data.await;
    let payload = data.as_object().expect("a payload").values().next();
    payload.expect("a payload").clone()
}

async fn refused(client: &Client, mutation: &str, id: &str, content: &str) -> String {
    let variables = json!({"id": id, "content": content});
    code(&client.refused(mutation, variables).await).to_owned()
}

async fn shown(server: &TestServer, id: &str) -> Value {
    let data = server.client().send(SHOWN, json!({"id": id})).await;
    data["comment"].clone()
}

fn group(content: &str, count: usize) -> Value {
    json!({"content": content, "count": count})
}

/// Returns the rows of a query with one number each.
async fn numbers(server: &TestServer, sql: &str) -> Vec<i64> {
    let database = another_program(&server.database()).await;
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.expect("rows");
    let numbers = rows.iter().map(|row| row.try_get_by_index(0));
    numbers.collect::<Result<_, _>>().expect("numbers")
}

#[tokio::test]
async fn user_counts_once_for_each_content() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let id = ada.comment("text").await;
    let before = shown(&server, &id).await;
    assert_eq!(before["reactions"], json!([]));
    assert_eq!(before["score"], 0);
    for content in ["EYES", "THUMBS_DOWN", "EYES"] {
        react(&bob, ADD, &id, content).await;
    }
    let version = "SELECT version FROM post WHERE id = 'hello'";
    let stored = numbers(&server, version).await;
    let payload = react(&ada, ADD, &id, "EYES").await;
    let expected = json!({
        "comment": {"score": 1, "reactions": [group("THUMBS_DOWN", 1), group("EYES", 2)]},
        "viewer": {"reactions": [{"commentId": id, "content": "EYES"}]},
    });
    assert_eq!(payload, expected);
    let after = shown(&server, &id).await;
    assert_eq!(after["reactions"], payload["comment"]["reactions"]);
    // No place of the feed is taken, and caches hear of the change.
    assert_eq!(after["post"]["cursor"], before["post"]["cursor"]);
    let raised = numbers(&server, version).await;
    assert_eq!(raised, [stored[0] + 1]);

    // What changes nothing raises no version.
    assert_eq!(react(&ada, ADD, &id, "EYES").await, payload);
    react(&ada, REMOVE, &id, "HEART").await;
    assert_eq!(numbers(&server, version).await, raised);

    let payload = react(&ada, REMOVE, &id, "EYES").await;
    let expected = json!({
        "comment": {"score": 0, "reactions": [group("THUMBS_DOWN", 1), group("EYES", 1)]},
        "viewer": {"reactions": []},
    });
    assert_eq!(payload, expected);
    let own = bob.send(OWN, json!({"post": "hello"})).await;
    let newest_first = json!([
        {"commentId": id, "content": "THUMBS_DOWN"},
        {"commentId": id, "content": "EYES"},
    ]);
    assert_eq!(own["viewer"]["reactions"], newest_first);
    server.stop().await;
}

#[tokio::test]
async fn hidden_comment_shows_and_takes_no_reactions() {
    let server = TestServer::start().await;
    let (ada, boss) = (server.reader("ada"), moderator(&server));
    let id = ada.comment("text").await;
    let close = "mutation { updatePost(input: { id: \"hello\", isOpen: false }) { post { id } } }";
    boss.send(close, json!({})).await;
    react(&ada, ADD, &id, "HEART").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    assert_eq!(refused(&ada, ADD, &unknown, "HEART").await, "NOT_FOUND");

    boss.send(REJECT, json!({"id": id})).await;
    for mutation in [ADD, REMOVE] {
        for user in [&ada, &boss] {
            assert_eq!(refused(user, mutation, &id, "HEART").await, "NOT_FOUND");
        }
    }
    let hidden = shown(&server, &id).await;
    assert_eq!(
        (&hidden["reactions"], &hidden["score"]),
        (&json!([]), &json!(0))
    );
    let own = ada.send(OWN, json!({"post": "hello"})).await;
    assert_eq!(own["viewer"]["reactions"], json!([]));
    let scores = "SELECT score FROM comment";
    assert_eq!(numbers(&server, scores).await, [0]);

    // A moderator was mistaken: the reactions of readers are there again.
    boss.send(APPROVE, json!({"id": id})).await;
    let restored = shown(&server, &id).await;
    assert_eq!(restored["reactions"], json!([group("HEART", 1)]));
    assert_eq!(numbers(&server, scores).await, [1]);

    ada.send(DELETE, json!({"id": id})).await;
    let tombstone = shown(&server, &id).await;
    assert_eq!(tombstone["reactions"], json!([]));
    assert_eq!(tombstone["score"], 0);
    assert_eq!(refused(&ada, REMOVE, &id, "HEART").await, "NOT_FOUND");
    for table in ["reaction", "reaction_count"] {
        let rows = numbers(&server, &format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, [0], "{table}");
    }
    server.stop().await;
}

#[tokio::test]
async fn reactions_on_two_nodes_at_once_are_counted_exactly() {
    const USERS: usize = 12;
    let network = Network::new(Duration::ZERO);
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    let id = here.reader("ada").comment("text").await;
    let id = id.as_str();
    let nodes = [&here, &there];
    // Each user adds each content on both nodes at once, and removes one of them again.
    let users = (0..USERS).map(|number| async move {
        let name = format!("user{number}");
        for content in CONTENTS {
            let twice = nodes.map(|node| node.reader(&name));
            join_all(twice.iter().map(|user| react(user, ADD, id, content))).await;
        }
        let twice = nodes.map(|node| node.reader(&name));
        let content = CONTENTS[number % CONTENTS.len()];
        join_all(twice.iter().map(|user| react(user, REMOVE, id, content))).await;
    });
    join_all(users).await;
    let expected = CONTENTS.iter().enumerate().map(|(index, content)| {
        let removed = (0..USERS).filter(|number| number % CONTENTS.len() == index);
        group(content, USERS - removed.count())
    });
    let expected: Value = expected.collect();
    for node in nodes {
        assert_eq!(shown(node, id).await["reactions"], expected);
    }
    let rows = numbers(&here, "SELECT COUNT(*) FROM reaction").await;
    let expected = i64::try_from(USERS * (CONTENTS.len() - 1));
    assert_eq!(rows, [expected.expect("few")]);
    there.stop().await;
    here.stop().await;
}

/// An action of the property test. Numbers choose a user, a comment and a content.
#[derive(Clone, Debug)]
enum Action {
    Add(usize, usize, usize),
    Remove(usize, usize, usize),
    Reject(usize),
    Approve(usize),
    Delete(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let place = || (0..3_usize, 0..3_usize, 0..8_usize);
    prop_oneof![
        8 => place().prop_map(|(user, comment, content)| Action::Add(user, comment, content)),
        4 => place().prop_map(|(user, comment, content)| Action::Remove(user, comment, content)),
        2 => (0..3_usize).prop_map(Action::Reject),
        2 => (0..3_usize).prop_map(Action::Approve),
        1 => (0..3_usize).prop_map(Action::Delete),
    ]
}

/// The state that a comment must have.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Published,
    Rejected,
    Deleted,
}

/// Runs actions against a server and a set, and compares the two.
async fn compare(actions: Vec<Action>) {
    let server = TestServer::start().await;
    let boss = moderator(&server);
    let users = ["ada", "bob", "cleo"];
    let clients = users.map(|name| server.reader(name));
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(clients[0].comment(body).await);
    }
    let mut states = [State::Published; 3];
    let mut set: BTreeSet<(usize, usize, usize)> = BTreeSet::new();
    for action in actions {
        let reaction = match &action {
            Action::Add(user, comment, content) => Some((ADD, *user, *comment, *content)),
            Action::Remove(user, comment, content) => Some((REMOVE, *user, *comment, *content)),
            _ => None,
        };
        if let Some((mutation, user, comment, content)) = reaction {
            let (id, name) = (&ids[comment], CONTENTS[content]);
            if states[comment] != State::Published {
                assert_eq!(
                    refused(&clients[user], mutation, id, name).await,
                    "NOT_FOUND"
                );
                continue;
            }
            react(&clients[user], mutation, id, name).await;
            match mutation {
                ADD => set.insert((comment, content, user)),
                _ => set.remove(&(comment, content, user)),
            };
            continue;
        }
        let (mutation, comment, state) = match action {
            Action::Reject(comment) => (REJECT, comment, State::Rejected),
            Action::Approve(comment) => (APPROVE, comment, State::Published),
            Action::Delete(comment) => (DELETE, comment, State::Deleted),
            Action::Add(..) | Action::Remove(..) => unreachable!("a reaction"),
        };
        if states[comment] == State::Deleted {
            continue;
        }
        boss.send(mutation, json!({"id": ids[comment]})).await;
        states[comment] = state;
        if state == State::Deleted {
            set.retain(|(of, _, _)| *of != comment);
        }
    }
    for (comment, id) in ids.iter().enumerate() {
        let is_shown = states[comment] == State::Published;
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, content, _) in set.iter().filter(|(of, _, _)| *of == comment && is_shown) {
            *counts.entry(*content).or_default() += 1;
        }
        let score: i64 = counts
            .iter()
            .map(|(content, count)| {
                let count = i64::try_from(*count).expect("few");
                if matches!(CONTENTS[*content], "THUMBS_DOWN" | "CONFUSED") {
                    -count
                } else {
                    count
                }
            })
            .sum();
        let expected: Value = counts
            .iter()
            .map(|(content, count)| group(CONTENTS[*content], *count))
            .collect();
        let found = shown(&server, id).await;
        assert_eq!(
            (&found["reactions"], &found["score"]),
            (&expected, &json!(score))
        );
        let stored = format!(
            "SELECT score FROM comment WHERE body = '{}'",
            ["a", "b", "c"][comment]
        );
        if states[comment] != State::Deleted {
            assert_eq!(numbers(&server, &stored).await, [score]);
        }
    }
    for (user, client) in clients.iter().enumerate() {
        let own = client.send(OWN, json!({"post": "hello"})).await;
        let own = own["viewer"]["reactions"]
            .as_array()
            .expect("a list")
            .clone();
        let own: HashSet<String> = own.iter().map(Value::to_string).collect();
        let expected = set
            .iter()
            .filter(|(comment, _, by)| *by == user && states[*comment] == State::Published);
        let expected: HashSet<String> = expected
            .map(|(comment, content, _)| {
                json!({"commentId": ids[*comment], "content": CONTENTS[*content]}).to_string()
            })
            .collect();
        assert_eq!(own, expected);
    }
    server.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reactions_are_a_set_whatever_happens_to_comments(actions in vec(action(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(compare(actions));
    }
}

#[tokio::test]
async fn pages_by_score_have_each_comment_once_and_in_order() {
    const TOP: &str = "query($after: String) { post(id: \"hello\") {
        comments(first: 3, order: TOP, after: $after) {
            nodes { body score } pageInfo { hasNextPage endCursor }
        }
    } }";
    const ALL: &str = "{ post(id: \"hello\") {
        allComments(order: TOP) { nodes { body } }
        comments(first: 1) { pageInfo { endCursor } }
    } }";
    const OLDEST: &str = "query($after: String) { post(id: \"hello\") {
        comments(order: OLDEST_FIRST, after: $after) { nodes { body } }
    } }";
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(ada.comment(&number.to_string()).await);
    }
    let reply = ada
        .create_comment(json!({"body": "reply", "parentId": ids[0]}))
        .await;
    let reply = reply["id"].as_str().expect("an id");
    // Comments 2 and 5 have two points, 3 has one, and 1 has one less than none.
    for (id, content) in [
        (ids[2].as_str(), "HEART"),
        (&ids[2], "ROCKET"),
        (&ids[5], "EYES"),
        (&ids[5], "LAUGH"),
        (&ids[3], "HOORAY"),
        (&ids[1], "CONFUSED"),
        (reply, "HEART"),
    ] {
        react(&ada, ADD, id, content).await;
    }
    let (mut bodies, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = server.client().send(TOP, json!({"after": after})).await;
        let page = &data["post"]["comments"];
        let nodes = page["nodes"].as_array().expect("nodes").clone();
        bodies.extend(
            nodes
                .iter()
                .map(|node| node["body"].as_str().expect("a body").to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(bodies, ["5", "2", "3", "7", "6", "4", "0", "1"]);
    let all = server.client().send(ALL, json!({})).await;
    let nodes = all["post"]["allComments"]["nodes"]
        .as_array()
        .expect("nodes")
        .clone();
    let all_bodies: Vec<_> = nodes
        .iter()
        .map(|node| node["body"].as_str().expect("a body"))
        .collect();
    assert_eq!(
        all_bodies,
        ["5", "2", "reply", "3", "7", "6", "4", "0", "1"]
    );

    // A cursor is a place in its own order only.
    let of_feed = &all["post"]["comments"]["pageInfo"]["endCursor"];
    for (query, after) in [(TOP, of_feed), (OLDEST, &after), (TOP, &json!("x"))] {
        let error = server
            .client()
            .refused(query, json!({"after": after}))
            .await;
        assert_eq!(code(&error), "BAD_USER_INPUT");
    }

    // Comment 3 has risen above the place meanwhile, and the rest is there.
    let first = server.client().send(TOP, json!({})).await;
    let end = &first["post"]["comments"]["pageInfo"]["endCursor"];
    for content in ["HEART", "ROCKET"] {
        react(&ada, ADD, &ids[4], content).await;
    }
    let rest = server.client().send(TOP, json!({"after": end})).await;
    let rest: Vec<_> = rest["post"]["comments"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| node["body"].clone())
        .collect();
    assert_eq!(rest, ["7", "6", "0"]);
    server.stop().await;
}

/// Reads values until this many users have reacted with a heart. Returns how many came.
async fn read_until(reader: &mut Reader, hearts: usize) -> usize {
    let mut known = 0;
    for values in 1.. {
        let data = reader.data().await;
        let count = &data["reactionsChanged"]["reactions"][0]["count"];
        let count = usize::try_from(count.as_u64().expect("a number")).expect("few");
        assert!(count > known, "no value comes twice: {data}");
        known = count;
        if count == hearts {
            return values;
        }
    }
    unreachable!("each value is awaited")
}

#[tokio::test]
async fn changes_reach_every_transport_and_node_with_the_last_value() {
    const USERS: usize = 30;
    let network = Network::new(Duration::ZERO);
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    let id = here.reader("ada").comment("text").await;
    // What happened before is not replayed.
    react(&here.reader("ada"), ADD, &id, "EYES").await;
    let mut all = Vec::new();
    for server in [&here, &there] {
        let reader = token("reader", "reader", Role::Reader);
        all.extend(readers(server, &reader, "tab", CHANGED, &json!({})).await);
        let subscribed = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
        server.wait_for_sample(subscribed, 3.0).await;
    }
    react(&there.reader("ada"), REMOVE, &id, "EYES").await;
    let expected = json!({"reactionsChanged": {
        "id": id, "body": "text", "score": 0, "reactions": [],
    }});
    for reader in &mut all {
        assert_eq!(reader.data().await, expected);
    }
    // One execution for all of a node.
    for server in [&here, &there] {
        server
            .wait_for_sample("causerie_event_executions_total", 1.0)
            .await;
        server
            .wait_for_sample("causerie_event_deliveries_total", 3.0)
            .await;
    }
    let users = (0..USERS).map(|number| {
        let node = [&here, &there][number % 2];
        let id = &id;
        async move { react(&node.reader(&format!("user{number}")), ADD, id, "HEART").await }
    });
    join_all(users).await;
    for reader in &mut all {
        assert!(read_until(reader, USERS).await <= USERS);
    }
    drop(all);
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn change_whose_announcement_is_lost_comes_from_the_store() {
    let server = TestServer::start_with(&["--reconcile-interval=1s"]).await;
    // It shares the database and tells nothing.
    let silent = server.beside(&[]).await;
    let id = server.reader("ada").comment("text").await;
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({})).await;
    let subscribed = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(subscribed, 1.0).await;
    for (content, score) in [("HEART", 1), ("EYES", 2)] {
        react(&silent.reader("bob"), ADD, &id, content).await;
        assert_eq!(socket.data("s").await["reactionsChanged"]["score"], score);
    }
    socket.close().await;
    silent.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn many_comments_at_once_each_come_with_their_last_value() {
    const COMMENTS: usize = 150;
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let ids = join_all((0..COMMENTS).map(|number| {
        let ada = &ada;
        async move { ada.comment(&number.to_string()).await }
    }))
    .await;
    let mut socket = server.socket().await;
    socket.subscribe("s", CHANGED, json!({})).await;
    let subscribed = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(subscribed, 1.0).await;
    join_all(ids.iter().map(|id| {
        let (ada, bob) = (&ada, server.reader("bob"));
        async move {
            react(ada, ADD, id, "HEART").await;
            react(&bob, ADD, id, "HEART").await;
        }
    }))
    .await;
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    while last.len() < COMMENTS || last.values().any(|score| *score < 2) {
        let comment = socket.data("s").await["reactionsChanged"].take();
        let id = comment["id"].as_str().expect("an id").to_owned();
        let score = comment["score"].as_i64().expect("a score");
        // The socket falls behind, and may be sent a value again.
        assert!(last.insert(id, score).is_none_or(|before| before <= score));
    }
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn cached_answer_does_not_outlive_a_reaction() {
    const PAGE: &str =
        "{ post(id: \"hello\") { comments { nodes { score reactions { count } } } } }";
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let id = ada.comment("text").await;
    for score in 0..4 {
        for _ in 0..3 {
            let page = server.client().send(PAGE, json!({})).await;
            assert_eq!(page["post"]["comments"]["nodes"][0]["score"], score);
        }
        let next = ["HEART", "EYES", "ROCKET", "LAUGH"][usize::try_from(score).expect("few")];
        react(&ada, ADD, &id, next).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn reactions_have_a_rate_that_refused_ones_do_not_use() {
    let server = TestServer::start_with(&["--rate-limits=on", "--reactions=HEART,EYES"]).await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let id = ada.comment("text").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    let react = async |by: &Client, mutation, id: &str, content| {
        outcome(by, mutation, json!({"id": id, "content": content})).await
    };
    for _ in 0..10 {
        let error = react(&bob, ADD, &unknown, "HEART").await.expect_err("none");
        assert_eq!(code(&error), "NOT_FOUND");
        let error = react(&bob, ADD, &id, "LAUGH")
            .await
            .expect_err("not offered");
        assert_eq!(code(&error), "FORBIDDEN");
    }
    // Moderators have no other rate.
    for by in [&bob, &moderator(&server)] {
        let mut taken = 0;
        let refusal = loop {
            let reacted = react(by, ADD, &id, "HEART").await;
            if reacted.is_err() {
                break reacted;
            }
            taken += 1;
        };
        assert!(taken >= 60 && is_limited(&refusal), "{taken}");
    }
    react(&ada, ADD, &id, "HEART").await.expect("another user");
    server.stop().await;
}

#[tokio::test]
async fn content_that_is_not_offered_any_more_can_be_removed() {
    const OFFERED: &str = "{ settings { reactions } }";
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let id = ada.comment("text").await;
    react(&ada, ADD, &id, "LAUGH").await;
    let offered = server.client().send(OFFERED, json!({})).await;
    assert_eq!(offered["settings"]["reactions"], json!(CONTENTS));
    let folder = server.shut_down().await;

    let server = TestServer::start_in(folder, &["--reactions=EYES,HEART"]).await;
    let ada = server.reader("ada");
    let offered = server.client().send(OFFERED, json!({})).await;
    assert_eq!(offered["settings"]["reactions"], json!(["HEART", "EYES"]));
    assert_eq!(refused(&ada, ADD, &id, "LAUGH").await, "FORBIDDEN");
    assert_eq!(
        shown(&server, &id).await["reactions"],
        json!([group("LAUGH", 1)])
    );
    react(&ada, REMOVE, &id, "LAUGH").await;
    assert_eq!(shown(&server, &id).await["reactions"], json!([]));
    let folder = server.shut_down().await;

    let server = TestServer::start_in(folder, &["--reactions="]).await;
    let offered = server.client().send(OFFERED, json!({})).await;
    assert_eq!(offered["settings"]["reactions"], json!([]));
    assert_eq!(
        refused(&server.reader("ada"), ADD, &id, "HEART").await,
        "FORBIDDEN"
    );
    server.stop().await;
}

#[tokio::test]
async fn reactions_move_and_go_with_their_post() {
    let server = TestServer::start().await;
    let (ada, boss) = (server.reader("ada"), moderator(&server));
    let id = ada.comment("text").await;
    react(&ada, ADD, &id, "HEART").await;
    let relocate =
        "mutation { movePost(input: { id: \"hello\", newId: \"moved\" }) { post { id } } }";
    boss.send(relocate, json!({})).await;
    let expected = json!([{"commentId": id, "content": "HEART"}]);
    for (post, expected) in [
        ("moved", &expected),
        ("hello", &expected),
        ("other", &json!([])),
    ] {
        let own = ada.send(OWN, json!({"post": post})).await;
        assert_eq!(&own["viewer"]["reactions"], expected, "{post}");
    }
    // More than are deleted at once.
    let database = another_program(&server.database()).await;
    let users = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 5000)
        INSERT INTO \"user\" (id, name, role, as_of) SELECT 'many' || i, 'M', 'reader', 0 FROM n";
    let reactions = "INSERT INTO reaction (comment_id, user_id, content, post_id, created_at)
        SELECT comment.id, \"user\".id, 0, 'moved', 0 FROM comment, \"user\"
        WHERE \"user\".id LIKE 'many%'";
    for sql in [users, reactions] {
        run(&database, sql).await;
    }
    let delete = "mutation { deletePost(input: { id: \"moved\" }) { id } }";
    boss.send(delete, json!({})).await;
    let own = ada.send(OWN, json!({"post": "moved"})).await;
    assert_eq!(own["viewer"]["reactions"], json!([]));
    wait_until("no row is left", async || {
        let tables =
            "SELECT (SELECT COUNT(*) FROM reaction) + (SELECT COUNT(*) FROM reaction_count)
            + (SELECT COUNT(*) FROM comment)";
        numbers(&server, tables).await == [0]
    })
    .await;
    server.stop().await;
}
