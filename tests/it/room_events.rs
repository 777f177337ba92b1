//! All topics of a post in one stream.

use std::time::Duration;

use causerie::{cluster::backplane::memory::Network, graphql::Counts, model::Role};
use serde_json::{Value, json};

use crate::{
    posts::author,
    support::{Client, Request, Streaming, TestServer, token},
    transports::{Reader, readers_of},
};

const EVENTS: &str = "subscription($after: Cursor, $own: Boolean! = false, $topics: [RoomTopic!]!
    = [COMMENTS, VIEWERS, TYPING, REACTIONS, POST]) {
    roomEvents(postId: \"hello\", after: $after, includeOwn: $own, topics: $topics) {
        topic cursor
        commentChange { kind cursor comment { body } }
        viewers { count anonymousCount users { name } }
        typing { user { name } isTyping }
        reacted { id reactions { content count } }
        post { isOpen }
    }
}";
const TYPE: &str = "mutation($on: Boolean!) {
    setTyping(input: { postId: \"hello\", isTyping: $on }) { isTyping }
}";
const SET_OPEN: &str = "mutation($open: Boolean!) {
    updatePost(input: { id: \"hello\", isOpen: $open }) { post { isOpen } }
}";

/// Returns the next event, of which the field of its topic alone is set.
async fn event(reader: &mut Reader) -> (String, Value) {
    let mut event = reader.data().await["roomEvents"].take();
    let topic = event["topic"].as_str().expect("a topic").to_owned();
    let field = match topic.as_str() {
        "COMMENTS" => "commentChange",
        "VIEWERS" => "viewers",
        "TYPING" => "typing",
        "REACTIONS" => "reacted",
        "POST" => "post",
        other => panic!("an unknown topic: {other}"),
    };
    let shown = event[field].take();
    let cursor = event["cursor"].take();
    assert_eq!(cursor, shown.get("cursor").cloned().unwrap_or_default());
    event["topic"].take();
    let rest = event.as_object().expect("an object").values();
    assert!(rest.clone().all(Value::is_null), "{event}");
    (topic, shown)
}

/// Returns the next event of a topic. Others may come before it.
async fn next_of(reader: &mut Reader, topic: &str) -> Value {
    loop {
        let (found, shown) = event(reader).await;
        if found == topic {
            return shown;
        }
    }
}

async fn cursor(client: &Client) -> Value {
    let data = client
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await;
    data["post"]["cursor"].clone()
}

fn viewers(count: usize) -> Value {
    json!({"count": count, "anonymousCount": count, "users": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_topic_comes_in_one_stream_on_every_transport() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[]).await;
    let there = here.node_beside(&network, &[]).await;
    let ada = here.reader("ada");
    let start = cursor(&ada).await;
    ada.comment("before").await;
    let reader = token("r", "R", Role::Reader);
    let mut readers = Vec::new();
    for (server, clients) in [(&here, ["a", "b", "c"]), (&there, ["d", "e", "f"])] {
        let variables = json!({"after": start});
        readers.extend(readers_of(server, &reader, clients, EVENTS, &variables).await);
        server.wait_for_members(1, 3).await;
    }
    for reader in &mut readers {
        assert_eq!(event(reader).await, ("VIEWERS".to_owned(), viewers(1)));
        let change = next_of(reader, "COMMENTS").await;
        assert_eq!(change["comment"]["body"], json!("before"));
    }
    ada.send(TYPE, json!({"on": true})).await;
    for reader in &mut readers {
        let typing = json!({"user": {"name": "ada"}, "isTyping": true});
        assert_eq!(next_of(reader, "TYPING").await, typing);
    }
    let id = ada.comment("live").await;
    for reader in &mut readers {
        let change = next_of(reader, "COMMENTS").await;
        assert_eq!(change["kind"], json!("ADDED"));
        assert_eq!(change["comment"]["body"], json!("live"));
    }
    let react = "mutation($id: ID!) {
        addReaction(input: { commentId: $id, content: HEART }) { comment { id } }
    }";
    ada.send(react, json!({"id": id})).await;
    for reader in &mut readers {
        let reactions = json!([{"content": "HEART", "count": 1}]);
        let reacted = json!({"id": id, "reactions": reactions});
        assert_eq!(next_of(reader, "REACTIONS").await, reacted);
    }
    author(&here).send(SET_OPEN, json!({"open": false})).await;
    for reader in &mut readers {
        assert_eq!(next_of(reader, "POST").await, json!({"isOpen": false}));
    }
    let mut guest = there.reader_socket("guest").await;
    guest
        .subscribe(
            "v",
            "subscription { viewerCount(postId: \"hello\") }",
            json!({}),
        )
        .await;
    for reader in &mut readers {
        assert_eq!(next_of(reader, "VIEWERS").await, viewers(2));
    }
    guest.close().await;
    for reader in readers {
        reader.vanish();
    }
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn stream_has_the_topics_that_it_asked_for() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let mut socket = server.reader_socket("r").await;
    let topics = json!({"topics": ["POST", "POST"]});
    socket.subscribe("s", EVENTS, topics).await;
    let live = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(live, 1.0).await;
    ada.send(TYPE, json!({"on": true})).await;
    ada.comment("unseen").await;
    author(&server).send(SET_OPEN, json!({"open": false})).await;
    let event = socket.data("s").await["roomEvents"].take();
    assert_eq!(event["topic"], json!("POST"));
    author(&server).send(SET_OPEN, json!({"open": true})).await;
    let event = socket.data("s").await["roomEvents"].take();
    assert_eq!(event["post"], json!({"isOpen": true}), "it came once");

    for (topics, code) in [
        (json!([]), "BAD_USER_INPUT"),
        (json!(null), "GRAPHQL_VALIDATION_FAILED"),
        (json!(["POST", null]), "GRAPHQL_VALIDATION_FAILED"),
        (json!(["WEATHER"]), "GRAPHQL_VALIDATION_FAILED"),
    ] {
        socket
            .subscribe("t", EVENTS, json!({"topics": topics}))
            .await;
        let refused = socket.message().await;
        assert_eq!(refused["id"], json!("t"), "{refused}");
        let found = &refused["payload"][0]["extensions"]["code"];
        assert_eq!(found, code, "{topics}: {refused}");
    }
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn stream_resumes_at_its_cursor_and_last_event_id() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let start = cursor(&ada).await;
    for body in ["1", "2", "3"] {
        ada.comment(body).await;
    }
    let variables = json!({"after": start}).to_string();
    let open = async |last: Option<String>| {
        let request = Request::get(&[("query", EVENTS), ("variables", &variables)]);
        let request = request.accepting("text/event-stream");
        let request = match &last {
            Some(last) => request.with("Last-Event-ID", last),
            None => request,
        };
        Streaming::open(server.address(), &request).await
    };
    let mut stream = open(None).await;
    let first = stream.event().await;
    assert_eq!(first.data["data"]["roomEvents"]["topic"], json!("VIEWERS"));
    assert_eq!(first.id, None, "readers have no place in the feed");
    let mut last = None;
    for body in ["1", "2"] {
        let event = stream.event().await;
        let shown = &event.data["data"]["roomEvents"];
        assert_eq!(shown["commentChange"]["comment"]["body"], json!(body));
        assert_eq!(json!(event.id), shown["cursor"]);
        last = event.id;
    }
    stream.vanish();
    let mut stream = open(last).await;
    assert_eq!(
        stream.event_data().await["roomEvents"]["topic"],
        json!("VIEWERS")
    );
    let event = stream.event_data().await["roomEvents"].take();
    assert_eq!(event["commentChange"]["comment"]["body"], json!("3"));
    ada.comment("4").await;
    let event = stream.event_data().await["roomEvents"].take();
    assert_eq!(event["commentChange"]["comment"]["body"], json!("4"));
    stream.vanish();
    server.stop().await;
}

#[tokio::test]
async fn stream_ends_once_if_its_post_ends() {
    for (mutation, code) in [
        (
            "mutation { movePost(input: { id: \"hello\", newId: \"new\" }) { post { id } } }",
            "CURSOR_EXPIRED",
        ),
        (
            "mutation { deletePost(input: { id: \"hello\" }) { id } }",
            "NOT_FOUND",
        ),
    ] {
        let server = TestServer::start().await;
        let boss = server
            .client()
            .with_token(&token("boss", "Boss", Role::Moderator));
        let reader = token("r", "R", Role::Reader);
        let clients = ["a", "b", "c"];
        let readers = readers_of(&server, &reader, clients, EVENTS, &json!({})).await;
        server.wait_for_members(1, 3).await;
        boss.send(mutation, json!({})).await;
        for mut reader in readers {
            assert_eq!(reader.refusal().await, code);
            if let Reader::WebSocket(socket) = &mut reader {
                assert_eq!(
                    socket.settle().await,
                    Vec::<Value>::new(),
                    "nothing follows"
                );
            }
            reader.vanish();
        }
        server.wait_for_members(0, 0).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn stream_is_one_membership_and_leaves_out_its_own_changes() {
    let server = TestServer::start().await;
    let reader = token("r", "R", Role::Reader);
    let clients = ["a", "b", "c"];
    let mut readers = readers_of(&server, &reader, clients, EVENTS, &json!({})).await;
    server.wait_for_members(1, 3).await;
    let own = server.client().with_token(&reader).named("a");
    own.comment("by a").await;
    server.reader("ada").comment("by ada").await;
    for (reader, bodies) in
        readers
            .iter_mut()
            .zip([&["by ada"][..], &["by a", "by ada"], &["by a", "by ada"]])
    {
        for body in bodies {
            let change = next_of(reader, "COMMENTS").await;
            assert_eq!(change["comment"]["body"], json!(body));
        }
    }
    for (reader, left) in readers.into_iter().zip([2, 1, 0]) {
        reader.vanish();
        server.wait_for_members(usize::from(left > 0), left).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn event_is_executed_once_for_all_streams() {
    const READERS: usize = 12;
    const COMMENTS: u64 = 10;
    let server = TestServer::start().await;
    let mut sockets = Vec::new();
    for number in 0..READERS {
        // Neither the topics nor the other arguments show in an event.
        let topics = match number % 3 {
            0 => json!(["COMMENTS"]),
            1 => json!(["COMMENTS", "POST"]),
            _ => json!(["TYPING", "COMMENTS"]),
        };
        let mut socket = server.socket().await;
        let variables = json!({"topics": topics, "own": number % 2 == 0});
        socket.subscribe("s", EVENTS, variables).await;
        sockets.push(socket);
    }
    server.wait_for_members(1, READERS).await;
    let live = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(live, READERS as f64).await;
    let ada = server.reader("ada");
    for number in 0..COMMENTS {
        ada.comment(&number.to_string()).await;
    }
    for socket in &mut sockets {
        for number in 0..COMMENTS {
            let event = socket.data("s").await["roomEvents"].take();
            let body = &event["commentChange"]["comment"]["body"];
            assert_eq!(body, &json!(number.to_string()));
        }
    }
    let Counts {
        executions,
        deliveries,
    } = server.observer().events();
    assert_eq!(
        (executions, deliveries),
        (COMMENTS, COMMENTS * READERS as u64)
    );
    for socket in sockets {
        socket.close().await;
    }
    server.stop().await;
}
