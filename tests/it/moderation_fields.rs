//! The permissions of what is read, as one table: the fields of moderators and of the caller, by every kind of
//! user.

use std::collections::BTreeSet;

use causerie::model::Role;
use serde_json::{Value, json};

use crate::{
    roles::{ACTORS, SIGN_IN},
    support::{TestServer, token},
};

struct Row {
    /// The type and the field of it.
    field: (&'static str, &'static str),
    document: &'static str,
    expected: [&'static str; ACTORS.len()],
}

fn table() -> Vec<Row> {
    let (ok, null) = ("ok", "null");
    let (no, who) = ("FORBIDDEN", "UNAUTHENTICATED");
    #[rustfmt::skip]
    let rows = [
        //                                                       anonymous, guest, reader, author, moderator, banned
        ("Query", "moderation", "{ field: moderation { id } }",   [who,  no, no, no, ok, no]),
        ("Query", "viewer", "{ field: viewer { id } }",           [null, ok, ok, ok, ok, no]),
        ("Moderation", "id", "{ field: moderation { id } }",      [who,  no, no, no, ok, no]),
        ("Moderation", "comments", "{ field: moderation { comments { nodes {
            body status reason moderator { id } reports { reporter { id } } comment { id }
        } } } }",                                                 [who,  no, no, no, ok, no]),
        ("Moderation", "queue", "{ field: moderation { queue { pendingCount reportedCount } } }",
                                                                  [who,  no, no, no, ok, no]),
        ("Moderation", "bans", "{ field: moderation { bans { nodes { userId } } } }",
                                                                  [who,  no, no, no, ok, no]),
        ("Viewer", "id", "{ field: viewer { id } }",              [null, ok, ok, ok, ok, no]),
        ("Viewer", "user", "{ field: viewer { user { id name } } }",
                                                                  [null, ok, ok, ok, ok, no]),
        ("Viewer", "role", "{ field: viewer { role } }",          [null, ok, ok, ok, ok, no]),
        ("Viewer", "unpublishedComments", "{ field: viewer { unpublishedComments { nodes { body } } } }",
                                                                  [null, ok, ok, ok, ok, no]),
        ("Viewer", "reactions", "{ field: viewer { reactions(postId: \"hello\") { commentId content } } }",
                                                                  [null, ok, ok, ok, ok, no]),
        ("Subscription", "moderationQueueChanged", "subscription {
            field: moderationQueueChanged { pendingCount reportedCount }
        }",                                                       [who,  no, no, no, ok, no]),
    ];
    let row = |(kind, field, document, expected)| Row {
        field: (kind, field),
        document,
        expected,
    };
    rows.map(row).into()
}

/// Returns the tokens of the actors, the last of whom is banned.
async fn tokens(server: &TestServer) -> [Option<String>; ACTORS.len()] {
    let data = server.client().send(SIGN_IN, json!({})).await;
    let guest = data["signInAsGuest"]["token"].as_str().expect("a token");
    let of = |name: &str, role| Some(token(name, name, role));
    let boss = token("boss", "Boss", Role::Moderator);
    let ban = "mutation { banUser(input: { userId: \"banned\" }) { ban { userId } } }";
    server.client().with_token(&boss).send(ban, json!({})).await;
    [
        None,
        Some(guest.to_owned()),
        of("reader", Role::Reader),
        of("author", Role::Author),
        of("moderator", Role::Moderator),
        of("banned", Role::Reader),
    ]
}

/// Returns the outcome of a response, as the table has it.
fn outcome(response: &Value) -> String {
    let code = response.pointer("/errors/0/extensions/code");
    let outcome = code.or(response.pointer("/0/extensions/code"));
    let outcome = outcome.map(|code| code.as_str().expect("a code"));
    let is_null = response["data"]["field"].is_null();
    outcome
        .unwrap_or(if is_null { "null" } else { "ok" })
        .to_owned()
}

async fn query(server: &TestServer, token: Option<&str>, document: &str) -> String {
    let client = match token {
        Some(token) => server.client().with_token(token),
        None => server.client(),
    };
    outcome(&client.try_send(document, json!({})).await.body)
}

async fn subscribe(server: &TestServer, token: Option<&str>, document: &str) -> String {
    let mut socket = server.connect().await;
    let payload = token.map_or(json!({}), |token| json!({"authorization": token}));
    socket.init(payload).await;
    socket.subscribe("s", document, json!({})).await;
    let outcome = outcome(&socket.message().await["payload"]);
    socket.close().await;
    outcome
}

#[tokio::test]
async fn each_role_reads_exactly_what_the_contract_says() {
    let server = TestServer::start().await;
    let tokens = tokens(&server).await;
    for row in table() {
        let tried = ACTORS.iter().zip(&tokens).zip(row.expected);
        for ((name, token), expected) in tried {
            let token = token.as_deref();
            let (kind, field) = row.field;
            let what = format!("{name}: {kind}.{field}");
            let told = match (kind, *name) {
                // The socket of a banned user is refused as a whole.
                ("Subscription", "banned") => refused_socket(&server, token).await,
                ("Subscription", _) => subscribe(&server, token, row.document).await,
                _ => query(&server, token, row.document).await,
            };
            assert_eq!(told, expected, "{what}");
        }
    }
    server.stop().await;
}

/// Opens a socket that is closed because its user is banned.
async fn refused_socket(server: &TestServer, token: Option<&str>) -> String {
    let mut socket = server.connect().await;
    let payload = json!({"authorization": token});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4403, "{reason}");
    "FORBIDDEN".to_owned()
}

#[tokio::test]
async fn table_has_every_field_of_moderators_and_viewers() {
    let server = TestServer::start().await;
    let rows = table();
    for kind in ["Moderation", "Viewer"] {
        let query = "query($kind: String!) { __type(name: $kind) { fields { name } } }";
        let data = server.client().send(query, json!({"kind": kind})).await;
        let fields = data["__type"]["fields"].as_array().expect("fields").iter();
        let there: BTreeSet<&str> = fields
            .map(|field| field["name"].as_str().expect("a name"))
            .collect();
        let of_kind = rows.iter().filter(|row| row.field.0 == kind);
        let tried: BTreeSet<&str> = of_kind.map(|row| row.field.1).collect();
        assert_eq!(tried, there, "{kind}");
    }
    for row in &rows {
        assert!(row.document.contains(row.field.1), "{}", row.document);
    }
    server.stop().await;
}
