//! Users as their tokens describe them: the newest description that a user wrote with counts.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::Secret,
    model::{Role, Timestamp, User, UserId},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Client, SECRET, Signal, TestServer, another_program, raise_error, run, start_node, trigger,
};

const FOLLOW: &str =
    "subscription { commentAdded(postId: \"hello\") { author { name role isGuest } } }";

/// Returns a client of this user, whose token was issued `age` seconds ago.
fn client(server: &TestServer, name: &str, role: Role, age: Option<u64>) -> Client {
    let now = Timestamp::now();
    let issued_at = age.map(|age| Timestamp::from_unix_seconds(now.unix_seconds() - age as i64));
    let principal = Principal {
        user: User {
            id: UserId::parse("u1").expect("an id"),
            name: name.into(),
            avatar: None,
            role,
        },
        issued_at,
        expires_at: now.plus(Duration::from_secs(3600)),
    };
    let token = Authenticator::with_secret(&Secret::new(SECRET)).sign(&principal);
    server.client().with_token(&token.expect("a token"))
}

/// Returns the author of a comment as readers see them.
async fn author(server: &TestServer, comment: &str) -> Value {
    let query = "query($id: ID!) { comment(id: $id) { author { name role isGuest } } }";
    let mut data = server.client().send(query, json!({"id": comment})).await;
    data["comment"]["author"].take()
}

fn described(name: &str, role: &str) -> Value {
    json!({"name": name, "role": role, "isGuest": false})
}

#[tokio::test]
async fn every_write_takes_the_profile_of_a_newer_token() {
    let server = TestServer::start().await;
    let first = client(&server, "0", Role::Reader, Some(100));
    let id = first.comment("first").await;
    assert_eq!(author(&server, &id).await, described("0", "READER"));
    let writes = [
        "createComment(input: { postId: \"hello\", body: \"b\" }) { comment { author { name } } }",
        "editComment(input: { id: $id, body: \"c\" }) { comment { author { name } } }",
        "createPost(input: { id: \"p\", title: \"T\" }) { post { id } }",
        "banUser(input: { userId: \"eve\" }) { ban { userId } }",
        "unbanUser(input: { userId: \"eve\" }) { wasBanned }",
        "deleteComment(input: { id: $id }) { comment { author { name } } }",
    ];
    for (number, write) in (1..).zip(writes) {
        let name = number.to_string();
        let newer = client(&server, &name, Role::Moderator, Some(100 - number));
        // Reading and typing store nothing.
        let reading =
            "mutation { setTyping(input: { postId: \"hello\", isTyping: false }) { isTyping } }";
        newer.send(reading, json!({})).await;
        let before = described(
            &(number - 1).to_string(),
            if number == 1 { "READER" } else { "MODERATOR" },
        );
        if !write.starts_with("delete") {
            assert_eq!(author(&server, &id).await, before, "{write}");
        }
        let variables = if write.contains("$id") {
            "($id: ID!)"
        } else {
            ""
        };
        let sent = json!({"id": id});
        let sent = if variables.is_empty() {
            json!({})
        } else {
            sent
        };
        let answer = newer
            .send(&format!("mutation{variables} {{ {write} }}"), sent)
            .await;
        let me = newer.send("{ me { name role } }", json!({})).await;
        assert_eq!(
            me,
            json!({"me": {"name": name, "role": "MODERATOR"}}),
            "{answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn older_token_does_not_take_the_name_back() {
    let server = TestServer::start().await;
    let old = client(&server, "Old", Role::Reader, Some(900));
    let new = client(&server, "New", Role::Author, Some(0));
    let id = old.comment("first").await;
    let edit = "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) { comment { author { name role } } } }";
    let edited = new.send(edit, json!({"id": id})).await;
    let author_of = |data: &Value| data["editComment"]["comment"]["author"].clone();
    assert_eq!(author_of(&edited), json!({"name": "New", "role": "AUTHOR"}));
    let mut socket = server.socket().await;
    socket.subscribe("f", FOLLOW, json!({})).await;
    server.wait_for_members(1, 1).await;
    let again = old.create_comment(json!({"body": "again"})).await;
    assert_eq!(again["author"]["name"], json!("New"));
    let event = socket.data("f").await;
    assert_eq!(event["commentAdded"]["author"], described("New", "AUTHOR"));
    let edited = old.send(edit, json!({"id": id})).await;
    assert_eq!(author_of(&edited), json!({"name": "New", "role": "AUTHOR"}));
    assert_eq!(author(&server, &id).await, described("New", "AUTHOR"));
    // A token without `iat` ranks by its use, and so above one that was issued before.
    client(&server, "Newest", Role::Reader, None)
        .comment("third")
        .await;
    new.comment("fourth").await;
    assert_eq!(author(&server, &id).await, described("Newest", "READER"));
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn refused_write_leaves_the_profile() {
    let server = TestServer::start().await;
    let id = client(&server, "Old", Role::Reader, Some(900))
        .comment("first")
        .await;
    let new = client(&server, "New", Role::Reader, Some(0));
    for write in [
        "createComment(input: { postId: \"nowhere\", body: \"b\" }) { comment { id } }",
        "editComment(input: { id: \"0198c0de-0000-7000-8000-000000000000\", body: \"b\" }) { comment { id } }",
        "createPost(input: { id: \"p\", title: \"T\" }) { post { id } }",
    ] {
        new.refused(&format!("mutation {{ {write} }}"), json!({}))
            .await;
    }
    assert_eq!(author(&server, &id).await, described("Old", "READER"));
    server.stop().await;
}

#[tokio::test]
async fn known_profile_is_not_written_again() {
    let server = TestServer::start().await;
    let ada = client(&server, "Ada", Role::Reader, Some(100));
    let id = ada.comment("first").await;
    let other = another_program(&server.database()).await;
    let on_update = trigger("user", "BEFORE UPDATE", "1 = 1", raise_error());
    run(&other, &on_update).await;
    let edit =
        "mutation($id: ID!) { editComment(input: { id: $id, body: \"b\" }) { comment { id } } }";
    for same_or_older in [&ada, &client(&server, "Old", Role::Author, Some(900))] {
        let comment = same_or_older.create_comment(json!({"body": "more"})).await;
        assert_eq!(comment["author"]["name"], json!("Ada"));
        same_or_older.send(edit, json!({"id": id})).await;
    }
    // Of two tokens of one time the later used counts. A newer one is written, if only for its rank.
    let create =
        "mutation { createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } } }";
    for newer in [
        client(&server, "Renamed", Role::Reader, Some(100)),
        client(&server, "Ada", Role::Moderator, Some(100)),
        client(&server, "Ada", Role::Reader, Some(50)),
        client(&server, "Ada", Role::Reader, None),
    ] {
        let error = newer.refused(create, json!({})).await;
        assert_eq!(error["extensions"]["code"], json!("INTERNAL_SERVER_ERROR"));
    }
    server.stop().await;
}

#[tokio::test]
async fn write_that_changes_nothing_stores_no_profile() {
    let server = TestServer::start().await;
    let old = client(&server, "Old", Role::Moderator, Some(900));
    let kept = old.comment("kept").await;
    let gone = old.comment("gone").await;
    let variables = json!({"gone": gone});
    let writes = [
        "mutation($gone: ID!) { deleteComment(input: { id: $gone }) { comment { id } } }",
        "mutation { banUser(input: { userId: \"eve\" }) { ban { userId } } }",
        "mutation { unbanUser(input: { userId: \"nobody\" }) { wasBanned } }",
        "mutation {
            createComment(input: { postId: \"hello\", body: \"b\", idempotencyKey: \"k\" }) { comment { id } }
        }",
    ];
    for name in ["Old", "New"] {
        let age = if name == "Old" { 900 } else { 0 };
        let client = client(&server, name, Role::Moderator, Some(age));
        for write in writes {
            let has_variable = write.contains("$gone");
            let variables = if has_variable {
                variables.clone()
            } else {
                json!({})
            };
            client.send(write, variables).await;
        }
    }
    assert_eq!(author(&server, &kept).await, described("Old", "MODERATOR"));
    server.stop().await;
}

#[tokio::test]
async fn me_is_as_the_token_says_until_the_user_writes() {
    let server = TestServer::start().await;
    let me = "{ me { name role isGuest } }";
    let old = client(&server, "Old", Role::Author, Some(900));
    let new = client(&server, "New", Role::Moderator, Some(0));
    assert_eq!(
        old.send(me, json!({})).await["me"],
        described("Old", "AUTHOR")
    );
    assert_eq!(
        new.send(me, json!({})).await["me"],
        described("New", "MODERATOR")
    );
    new.comment("first").await;
    for client in [&old, &new] {
        assert_eq!(
            client.send(me, json!({})).await["me"],
            described("New", "MODERATOR")
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn guest_is_a_reader_and_marked() {
    let server = TestServer::start().await;
    let sign_in = "mutation { signInAsGuest(input: { name: \"A\\u0007B\" }) {
        token user { name role isGuest }
    } }";
    let guest = server.client().send(sign_in, json!({})).await["signInAsGuest"].take();
    let marked = json!({"name": "A B", "role": "READER", "isGuest": true});
    assert_eq!(guest["user"], marked);
    let client = server
        .client()
        .with_token(guest["token"].as_str().expect("a token"));
    let me = client.send("{ me { name role isGuest } }", json!({})).await;
    assert_eq!(me["me"], marked);
    let id = client.comment("hello").await;
    assert_eq!(author(&server, &id).await, marked);
    server.stop().await;
}

#[tokio::test]
async fn claim_that_refuses_tokens_is_in_each_error_and_logged_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start_node(folder.path(), &[]).await;
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims =
        json!({"sub": "u1", "name": "a-secret-name", "role": "king", "exp": i64::from(u32::MAX)});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
    let refused = server.client().with_token(&token.expect("a token"));
    for _ in 0..3 {
        let reply = refused.try_send("{ me { id } }", json!({})).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        let message = reply.error()["message"].to_string();
        assert!(
            message.contains("`role` must be reader, author or moderator"),
            "{message}"
        );
    }
    server.signal(Signal::SIGTERM);
    let log = server.ended().await.stderr;
    assert_eq!(log.matches("`role` must be").count(), 1, "{log}");
    assert!(
        !log.contains("a-secret-name") && !log.contains("king"),
        "{log}"
    );
}

/// Pages keep users by their ids, so an old tab must not bring an old name back.
#[tokio::test]
async fn typing_shows_the_stored_profile_whatever_the_token_says() {
    let server = TestServer::start().await;
    let old = client(&server, "Old", Role::Reader, Some(100));
    let new = client(&server, "New", Role::Reader, Some(10));
    new.comment("renamed").await;
    let mut socket = server.socket().await;
    let typing = "subscription { typing(postId: \"hello\") { user { name } } }";
    socket.subscribe("t", typing, json!({})).await;
    server.wait_for_members(1, 1).await;
    let type_ = "mutation { setTyping(input: { postId: \"hello\", isTyping: true }) { isTyping } }";
    old.send(type_, json!({})).await;
    let message = socket.message().await;
    let user = &message["payload"]["data"]["typing"]["user"];
    assert_eq!(*user, json!({"name": "New"}));
    socket.close().await;
    server.stop().await;
}

/// A database of an earlier version, whose users have neither a role nor a time.
#[tokio::test]
async fn migration_keeps_users_as_they_were_until_they_write() {
    let server = TestServer::start().await;
    let before = client(&server, "Before", Role::Author, Some(50));
    let id = before.comment("before").await;
    let database = server.database();
    let folder = server.shut_down().await;
    let other = another_program(&database).await;
    for statement in [
        "ALTER TABLE \"user\" DROP COLUMN role",
        "ALTER TABLE \"user\" DROP COLUMN as_of",
        "DELETE FROM seaql_migrations WHERE version LIKE '%user_profiles'",
    ] {
        run(&other, statement).await;
    }
    let server = TestServer::start_in(folder, &[]).await;
    assert_eq!(author(&server, &id).await, described("Before", "READER"));
    let after = client(&server, "After", Role::Author, Some(900));
    after.comment("after").await;
    assert_eq!(author(&server, &id).await, described("After", "AUTHOR"));
    server.stop().await;
}
