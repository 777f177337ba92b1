//! The permissions as one table: every mutation by every kind of user.

use std::collections::BTreeSet;

use causerie::model::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, token};

/// The users that try each mutation.
pub(crate) const ACTORS: [&str; 6] = [
    "anonymous",
    "guest",
    "reader",
    "author",
    "moderator",
    "banned",
];

/// The target of a mutation.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    /// An object that does not exist yet.
    New,
    /// The actor's own comment.
    Own,
    /// Another user's comment.
    Others,
    /// A post.
    Post,
    /// A banned user.
    Banned,
}

pub(crate) const SIGN_IN: &str = "mutation { signInAsGuest(input: { name: \"G\" }) { token } }";
const CREATE_POST: &str =
    "mutation($fresh: ID!) { createPost(input: { id: $fresh, title: \"T\" }) { post { id } } }";
const ENSURE_POST: &str =
    "mutation($fresh: ID!) { ensurePost(input: { id: $fresh, title: \"T\" }) { post { id } } }";
const UPDATE_POST: &str =
    "mutation { updatePost(input: { id: \"hello\", title: \"Hi\" }) { post { id } } }";
const MOVE_POST: &str = "mutation($fresh: ID!) {
    movePost(input: { id: \"hello\", newId: $fresh }) { post { id } }
}";
const DELETE_POST: &str = "mutation($fresh: ID!) { deletePost(input: { id: $fresh }) { id } }";
const CREATE_COMMENT: &str =
    "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } } }";
const EDIT: &str =
    "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) { comment { id } } }";
const DELETE: &str = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
const SET_TYPING: &str =
    "mutation { setTyping(input: { postId: \"hello\", isTyping: false }) { isTyping } }";
const BAN: &str = "mutation($fresh: ID!) { banUser(input: { userId: $fresh }) { ban { userId } } }";
const UNBAN: &str = "mutation($fresh: ID!) { unbanUser(input: { userId: $fresh }) { wasBanned } }";

const ADD_REACTION: &str = "mutation($id: ID!) {
    addReaction(input: { commentId: $id, content: HEART }) { comment { id } viewer { id } }
}";
const REMOVE_REACTION: &str = "mutation($id: ID!) {
    removeReaction(input: { commentId: $id, content: HEART }) { comment { id } viewer { id } }
}";
const REPORT: &str = "mutation($id: ID!) {
    reportComment(input: { commentId: $id, reason: SPAM }) { commentId }
}";
const APPROVE: &str = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
const REJECT: &str = "mutation($id: ID!) { rejectComment(input: { id: $id }) { item { id } } }";
const PIN: &str = "mutation($id: ID!) { pinComment(input: { id: $id }) { post { id } } }";
const UNPIN: &str = "mutation($id: ID!) { unpinComment(input: { id: $id }) { post { id } } }";

struct Row {
    mutation: &'static str,
    target: Target,
    document: &'static str,
    expected: [&'static str; ACTORS.len()],
}

fn table() -> Vec<Row> {
    use Target::{Banned, New, Others, Own, Post};
    let (ok, no, who) = ("ok", "FORBIDDEN", "UNAUTHENTICATED");
    #[rustfmt::skip]
    let rows = [
        //                                            anonymous, guest, reader, author, moderator, banned
        ("signInAsGuest", New,    SIGN_IN,        [ok,  ok, ok, ok, ok, no]),
        ("createPost",    New,    CREATE_POST,    [who, no, no, ok, ok, no]),
        ("ensurePost",    New,    ENSURE_POST,    [no,  no, no, ok, ok, no]),
        ("updatePost",    New,    UPDATE_POST,    [who, no, no, ok, ok, no]),
        ("movePost",      New,    MOVE_POST,      [who, no, no, ok, ok, no]),
        ("deletePost",    Post,   DELETE_POST,    [who, no, no, no, ok, no]),
        ("createComment", New,    CREATE_COMMENT, [who, ok, ok, ok, ok, no]),
        ("editComment",   Own,    EDIT,           [who, ok, ok, ok, ok, no]),
        ("editComment",   Others, EDIT,           [who, no, no, no, ok, no]),
        ("deleteComment", Own,    DELETE,         [who, ok, ok, ok, ok, no]),
        ("deleteComment", Others, DELETE,         [who, no, no, no, ok, no]),
        ("setTyping",     New,    SET_TYPING,     [who, ok, ok, ok, ok, no]),
        ("banUser",       New,    BAN,            [who, no, no, no, ok, no]),
        ("unbanUser",     Banned, UNBAN,          [who, no, no, no, ok, no]),
        ("addReaction",   Others, ADD_REACTION,   [who, ok, ok, ok, ok, no]),
        ("removeReaction", Others, REMOVE_REACTION, [who, ok, ok, ok, ok, no]),
        ("reportComment", Others, REPORT,         [who, ok, ok, ok, ok, no]),
        ("approveComment", Others, APPROVE,       [who, no, no, no, ok, no]),
        ("rejectComment", Others, REJECT,         [who, no, no, no, ok, no]),
        ("rejectComment", Own,    REJECT,         [who, no, no, no, ok, no]),
        ("pinComment",    Others, PIN,            [who, no, no, no, ok, no]),
        ("unpinComment",  Others, UNPIN,          [who, no, no, no, ok, no]),
    ];
    let row = |(mutation, target, document, expected)| Row {
        mutation,
        target,
        document,
        expected,
    };
    rows.map(row).into()
}

async fn guest(server: &TestServer) -> Client {
    let data = server.client().send(SIGN_IN, json!({})).await;
    let token = data["signInAsGuest"]["token"].as_str().expect("a token");
    server.client().with_token(token)
}

/// Returns all that a mutation could have changed, except for bans.
async fn state(server: &TestServer) -> Value {
    let query = "{ post(id: \"hello\") { title cursor commentCount } posts { nodes { id } } }";
    server.client().send(query, json!({})).await
}

#[tokio::test]
async fn each_role_may_do_exactly_what_the_contract_says() {
    let server = TestServer::start().await;
    let signed_in = |name: &str, role| server.client().with_token(&token(name, name, role));
    let boss = signed_in("boss", Role::Moderator);
    let owner = server.reader("owner");
    let actors: [Client; ACTORS.len()] = [
        server.client(),
        guest(&server).await,
        server.reader("reader"),
        signed_in("author", Role::Author),
        signed_in("moderator", Role::Moderator),
        server.reader("banned"),
    ];
    for row in table() {
        let tried = ACTORS.iter().zip(&actors).zip(row.expected);
        for ((name, actor), expected) in tried {
            let what = format!("{name}: {}", row.document);
            // An anonymous client has no comment of its own.
            let is_own = row.target == Target::Own && *name != "anonymous";
            let writer = if is_own { actor } else { &owner };
            let id = writer.comment("a comment").await;
            let fresh = uuid::Uuid::new_v4().to_string();
            if row.target == Target::Banned {
                boss.send(BAN, json!({"fresh": fresh})).await;
            }
            if row.target == Target::Post {
                boss.send(CREATE_POST, json!({"fresh": fresh})).await;
            }
            if *name == "banned" {
                boss.send(BAN, json!({"fresh": "banned"})).await;
            }
            let before = state(&server).await;
            let variables = json!({"id": id, "fresh": fresh});
            let reply = actor.try_send(row.document, variables).await;
            let told = match reply.body.get("errors") {
                None => json!("ok"),
                Some(_) => reply.error()["extensions"]["code"].clone(),
            };
            assert_eq!(told, json!(expected), "{what} {:?}", reply.body);
            if expected != "ok" {
                assert_eq!(state(&server).await, before, "{what}");
            }
            if *name == "banned" {
                boss.send(UNBAN, json!({"fresh": "banned"})).await;
            }
            let data = boss.send(UNBAN, json!({"fresh": fresh})).await;
            let is_done = expected == "ok";
            let is_banned = match row.mutation {
                "banUser" => is_done,
                "unbanUser" => !is_done,
                _ => false,
            };
            assert_eq!(data["unbanUser"]["wasBanned"], json!(is_banned), "{what}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn table_has_every_mutation_of_the_schema() {
    let server = TestServer::start().await;
    let query = "{ __schema { mutationType { fields { name } } } }";
    let data = server.client().send(query, json!({})).await;
    let fields = data["__schema"]["mutationType"]["fields"].as_array();
    let there: BTreeSet<&str> = fields
        .expect("fields")
        .iter()
        .map(|field| field["name"].as_str().expect("a name"))
        .collect();
    let rows = table();
    let tried: BTreeSet<&str> = rows.iter().map(|row| row.mutation).collect();
    assert_eq!(tried, there);
    for row in &rows {
        let call = format!("{}(input:", row.mutation);
        assert!(row.document.contains(&call), "{}", row.document);
    }
    server.stop().await;
}
