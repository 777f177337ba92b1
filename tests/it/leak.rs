//! Comments that readers may not see, searched for in everything that readers can ask.
//!
//! The documents are made from the schema, so a new field is searched too.

use std::collections::HashMap;

use causerie::model::Role;
use serde_json::{Value, json};

use crate::support::{Client, Socket, TestServer, token};

/// The text of all comments that readers may not see.
const SECRET: &str = "a text that only its author and moderators may see";
const TYPES: &str = "{ __schema { types { name fields {
    name
    args { name defaultValue type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
} } } }";
const CREATE: &str = "mutation($body: String!, $parent: ID) {
    createComment(input: { postId: \"hello\", body: $body, parentId: $parent }) { comment { id } }
}";
const EDIT: &str = "mutation($id: ID!, $body: String!) {
    editComment(input: { id: $id, body: $body }) { status }
}";
const APPROVE: &str = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
const REJECT: &str = "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }";
const REPORT: &str = "mutation($id: ID!) {
    reportComment(input: { commentId: $id, reason: SPAM }) { commentId }
}";

/// The fields of each type, as introspection describes them.
struct Schema(HashMap<String, Vec<Value>>);

impl Schema {
    async fn of(server: &TestServer) -> Self {
        let data = server.client().send(TYPES, json!({})).await;
        let types = data["__schema"]["types"].as_array().expect("types").iter();
        let fields = types.map(|described| {
            let fields = described["fields"].as_array().cloned().unwrap_or_default();
            (
                described["name"].as_str().expect("a name").to_owned(),
                fields,
            )
        });
        Self(fields.collect())
    }

    /// Returns the names of a root's fields, but those that need the role of a moderator.
    fn fields_of(&self, root: &str) -> Vec<&Value> {
        let fields = self.0[root].iter();
        fields
            .filter(|field| {
                let name = field["name"].as_str().expect("a name");
                !matches!(name, "moderation" | "moderationQueueChanged")
            })
            .collect()
    }

    /// Returns a field with its arguments, and all that can be selected below it. `path` has the types above
    /// it. A type comes once in it, and a comment once more, as another one's reply or parent.
    fn selected(&self, field: &Value, path: &[&str]) -> Option<String> {
        let name = field["name"].as_str().expect("a name");
        let arguments: Vec<String> = field["args"]
            .as_array()
            .expect("arguments")
            .iter()
            .filter_map(|described| argument(name, described))
            .collect();
        let arguments = match arguments.as_slice() {
            [] => String::new(),
            arguments => format!("({})", arguments.join(", ")),
        };
        let of_type = base(&field["type"]);
        let fields = &self.0[of_type];
        if fields.is_empty() {
            return Some(format!("{name}{arguments}"));
        }
        let times = path.iter().filter(|above| **above == of_type).count();
        let is_recursive = matches!(of_type, "Comment" | "CommentConnection");
        // Edges have the same items as nodes.
        if times > usize::from(is_recursive) || name == "edges" {
            return None;
        }
        let path = [path, &[of_type]].concat();
        let below: Vec<String> = fields
            .iter()
            .filter_map(|field| self.selected(field, &path))
            .collect();
        (!below.is_empty()).then(|| format!("{name}{arguments} {{ {} }}", below.join(" ")))
    }
}

/// Returns the name of the type that lists and non-null types wrap.
fn base(described: &Value) -> &str {
    match described["ofType"].is_null() {
        true => described["name"].as_str().expect("a name"),
        false => base(&described["ofType"]),
    }
}

fn argument(field: &str, described: &Value) -> Option<String> {
    let is_required =
        described["type"]["kind"] == "NON_NULL" && described["defaultValue"].is_null();
    match described["name"].as_str().expect("a name") {
        "id" if field == "post" => Some("id: \"hello\"".to_owned()),
        "first" => Some("first: 4".to_owned()),
        "id" => Some("id: $id".to_owned()),
        "postId" if is_required => Some("postId: \"hello\"".to_owned()),
        "ids" => Some("ids: [\"hello\"]".to_owned()),
        "includeOwn" => Some("includeOwn: true".to_owned()),
        name => {
            assert!(!is_required, "the walk has no value for {name}");
            None
        }
    }
}

/// Returns all that these readers are answered about the post and the comments with these ids.
async fn walk(schema: &Schema, readers: &[Client], ids: &[Value]) -> Vec<Value> {
    let mut answers = Vec::new();
    for field in schema.fields_of("Query") {
        let selected = schema.selected(field, &[]).expect("a selection");
        let document = match selected.contains("$id") {
            true => format!("query($id: ID!) {{ {selected} }}"),
            false => format!("{{ {selected} }}"),
        };
        for reader in readers {
            for id in ids {
                let reply = reader.try_send(&document, json!({"id": id})).await;
                let text = reply.body.to_string();
                assert!(!text.contains(SECRET), "{document}\n{text}");
                assert!(!text.contains("EXPENSIVE"), "{document}\n{text}");
                answers.push(reply.body);
            }
        }
    }
    answers
}

fn assert_same(now: &[Value], before: &[Value]) {
    assert_eq!(now.len(), before.len());
    for (now, before) in now.iter().zip(before) {
        assert_eq!(now, before);
    }
}

async fn create(client: &Client, body: &str, parent: &Value) -> Value {
    let data = client
        .send(CREATE, json!({"body": body, "parent": parent}))
        .await;
    data["createComment"]["comment"]["id"].clone()
}

/// Opens every subscription of a reader with all that can be selected. Returns their number.
async fn subscribe_to_all(schema: &Schema, socket: &mut Socket) -> usize {
    let fields = schema.fields_of("Subscription");
    for (number, field) in fields.iter().enumerate() {
        // A subscription may select less than a query: a comment with its post, and no other comments.
        let above = ["Comment", "CommentConnection", "CommentConnection"];
        let selected = schema.selected(field, &above).expect("a selection");
        let document = format!("subscription {{ {selected} }}");
        socket
            .subscribe(&number.to_string(), &document, json!({}))
            .await;
    }
    fields.len()
}

#[tokio::test]
async fn unpublished_text_is_in_no_answer_and_no_count() {
    let server = TestServer::start_with(&["--moderation=all", "--reply-depth=4"]).await;
    let schema = Schema::of(&server).await;
    let signed_in = |name: &str, role| server.client().with_token(&token(name, name, role));
    let (ghost, moderator) = (server.reader("ghost"), signed_in("mod", Role::Moderator));
    let readers = [
        server.client(),
        server.reader("bob"),
        signed_in("cleo", Role::Author),
        signed_in("mod", Role::Moderator),
    ];
    // A thread that the hidden comments belong to, and a comment that is withdrawn later.
    let top = create(&readers[2], "top", &Value::Null).await;
    create(&readers[2], "reply", &top).await;
    let withdrawn = create(&ghost, "harmless", &Value::Null).await;
    moderator.send(APPROVE, json!({"id": withdrawn})).await;
    ghost
        .send(EDIT, json!({"id": withdrawn, "body": SECRET}))
        .await;
    let visible = [top.clone(), withdrawn.clone()];
    let mut sockets = Vec::new();
    for name in ["bob", "ghost"] {
        let mut socket = server.reader_socket(name).await;
        let count = subscribe_to_all(&schema, &mut socket).await;
        // The values that come at once.
        let first = socket.settle().await;
        assert!(
            count >= 4 && first.iter().all(|message| message["type"] == "next"),
            "{first:?}"
        );
        sockets.push(socket);
    }
    let count = "{ post(id: \"hello\") { commentCount } }";
    let count = moderator.send(count, json!({})).await;
    let before = walk(&schema, &readers, &visible).await;
    let pending = create(&ghost, SECRET, &Value::Null).await;
    let reply = create(&ghost, SECRET, &top).await;
    let rejected = create(&ghost, SECRET, &top).await;
    moderator.send(REJECT, json!({"id": rejected})).await;
    ghost
        .send(EDIT, json!({"id": pending, "body": format!("{SECRET}!")}))
        .await;

    assert_same(&walk(&schema, &readers, &visible).await, &before);
    let hidden = [pending, reply, rejected];
    let unknown = json!("00000000-0000-7000-8000-000000000000");
    let unknown = [unknown.clone(), unknown.clone(), unknown];
    let as_unknown = walk(&schema, &readers, &unknown).await;
    assert_same(&walk(&schema, &readers, &hidden).await, &as_unknown);
    for id in &hidden {
        let refused = readers[1].refused(REPORT, json!({"id": id})).await;
        assert_eq!(refused["extensions"]["code"], "NOT_FOUND");
    }
    for mut socket in sockets {
        let mut heard = socket.settle().await;
        // The other socket has joined meanwhile.
        heard.retain(|message| {
            let data = &message["payload"]["data"];
            let comments = &data["postsChanged"]["commentCount"];
            data["viewerCount"].is_null()
                && data["roomEvents"]["viewers"].is_null()
                && *comments != count["post"]["commentCount"]
        });
        assert!(heard.is_empty(), "{heard:?}");
        socket.close().await;
    }
    server.stop().await;
}
