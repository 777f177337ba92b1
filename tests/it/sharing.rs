//! A single execution for each event: equal subscriptions receive the same bytes, and others their own.

use std::collections::HashMap;

use causerie::graphql::Counts;
use futures_util::{SinkExt, StreamExt};
use proptest::{collection::vec, prelude::*, sample::subsequence};
use serde_json::{Value, json, value::RawValue};
use tokio_tungstenite::tungstenite::Message;

use crate::support::TestServer;

#[tokio::test]
async fn event_is_executed_once_for_all_equal_subscriptions() {
    const SUBSCRIBERS: u64 = 40;
    const COMMENTS: u64 = 10;
    let server = TestServer::start().await;
    let start = server
        .client()
        .send("{ post(id: \"hello\") { cursor } }", json!({}))
        .await;
    let mut sockets = Vec::new();
    for number in 0..SUBSCRIBERS {
        let mut socket = server.socket().await;
        // An event does not depend on where a subscriber resumes, nor on whether it receives its own changes.
        let after = (number % 2 == 0).then(|| start["post"]["cursor"].clone());
        let query = "subscription($after: Cursor, $own: Boolean!) {
            commentAdded(postId: \"hello\", after: $after, includeOwn: $own) { body }
        }";
        let variables = json!({"after": after, "own": number % 3 == 0});
        socket
            .subscribe(&format!("id{number}"), query, variables)
            .await;
        sockets.push(socket);
    }
    server.wait_for_members(1, sockets.len()).await;
    let writer = server.reader("writer");
    for number in 0..COMMENTS {
        writer.comment(&number.to_string()).await;
    }
    for (id, socket) in sockets.iter_mut().enumerate() {
        for number in 0..COMMENTS {
            let data = socket.data(&format!("id{id}")).await;
            assert_eq!(data["commentAdded"]["body"], json!(number.to_string()));
        }
    }
    let Counts {
        executions,
        deliveries,
    } = server.observer().events();
    assert_eq!((executions, deliveries), (COMMENTS, COMMENTS * SUBSCRIBERS));
    for socket in sockets {
        socket.close().await;
    }
    server.stop().await;
}

/// An operation that the room already has is joined without executing it, and its arguments are validated all
/// the same.
#[tokio::test]
async fn joining_a_shared_operation_validates_its_own_arguments() {
    const ADDED: &str = "subscription($post: ID!, $after: Cursor, $own: Boolean! = false) {
        commentAdded(postId: $post, after: $after, includeOwn: $own) { body }
    }";
    let server = TestServer::start().await;
    let mut first = server.socket().await;
    let wrong = [
        json!({"post": "nowhere"}),
        json!({"post": "not an id"}),
        json!({"post": 7}),
        json!({"post": ["hello"]}),
        json!({"post": null}),
        json!({"post": "hello", "after": "made up"}),
        json!({"post": "hello", "after": 7}),
        json!({"post": "hello", "own": "yes"}),
        json!({"post": "hello", "own": null}),
    ];
    let mut told_first = Vec::new();
    for variables in &wrong {
        first.subscribe("w", ADDED, variables.clone()).await;
        told_first.push(first.message().await);
    }
    assert!(
        told_first.iter().all(|told| told["type"] == "error"),
        "{told_first:?}"
    );

    let mut other = server.socket().await;
    other.subscribe("o", ADDED, json!({"post": "hello"})).await;
    assert!(other.settle().await.is_empty());
    for (variables, told) in wrong.iter().zip(told_first) {
        first.subscribe("w", ADDED, variables.clone()).await;
        assert_eq!(first.message().await, told, "{variables}");
    }
    server.wait_for_members(1, 1).await;
    first.close().await;
    other.close().await;
    server.stop().await;
}

/// A subscriber's selection on a comment.
#[derive(Clone, Debug)]
struct Selection {
    fields: Vec<&'static str>,
    with_author: bool,
    replies: usize,
    is_named: bool,
}

const FIELDS: [&str; 9] = [
    "id",
    "text: body",
    "body",
    "createdAt",
    "isDeleted",
    "replyCount",
    "__typename",
    "author { name id }",
    "cursor @skip(if: $without)",
];

impl Selection {
    /// Returns the selection and its fragment: few documents, of which the variables make many.
    fn document(&self, head: &str, root: &str) -> String {
        let fields = self.fields.join(" ");
        let name = if self.is_named { "named: id" } else { "id" };
        format!(
            "{head}($author: Boolean!, $without: Boolean = false, $first: Int) {{
                result: {root} {{
                    {name} ...Who @include(if: $author) replies(first: $first) {{ nodes {{ id }} }} {fields}
                }}
            }}
            fragment Who on Comment {{ author {{ avatar name }} without: isDeleted @include(if: $without) }}"
        )
    }

    fn variables(&self) -> Value {
        let without = self.replies % 2 == 1;
        json!({"author": self.with_author, "without": without, "first": self.replies})
    }
}

fn selection() -> impl Strategy<Value = Selection> {
    (
        subsequence(FIELDS.to_vec(), 0..4),
        any::<bool>(),
        0..3_usize,
        any::<bool>(),
    )
        .prop_map(|(fields, with_author, replies, is_named)| Selection {
            fields,
            with_author,
            replies,
            is_named,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// A shared rendering equals, byte for byte, the answer to a private query of the same selection.
    #[test]
    fn shared_rendering_equals_a_private_query(asked in vec(selection(), 2..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(compare(asked));
    }
}

async fn compare(all: Vec<Selection>) {
    let server = TestServer::start().await;
    let mut sockets = Vec::new();
    for asked in &all {
        let mut socket = server.socket().await.into_inner();
        let query = asked.document("subscription", "commentAdded(postId: \"hello\")");
        let payload = json!({"query": query, "variables": asked.variables()});
        let message = json!({"id": "s", "type": "subscribe", "payload": payload});
        socket
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
        sockets.push(socket);
    }
    server.wait_for_members(1, all.len()).await;
    let id = server.reader("writer").comment("what is shared").await;
    for (asked, mut socket) in all.iter().zip(sockets) {
        let Some(Ok(Message::Text(text))) = socket.next().await else {
            panic!("not a message");
        };
        let shared = data_of(raw(&text)["payload"].get());
        let query = asked.document("query", &format!("comment(id: \"{id}\")"));
        let reply = server.client().raw(&query, asked.variables()).await;
        assert_eq!(shared, data_of(&reply), "{asked:?}");
    }
    server.stop().await;
}

/// Parses an object of JSON and keeps its values as they were sent.
fn raw(text: &str) -> HashMap<String, Box<RawValue>> {
    serde_json::from_str(text).expect("an object")
}

/// Returns the bytes of a response's data.
fn data_of(response: &str) -> String {
    raw(response)["data"].get().to_owned()
}
