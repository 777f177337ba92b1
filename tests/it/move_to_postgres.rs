//! The script of docs/operating.md that moves comments from SQLite to PostgreSQL, as it stands.

use std::path::Path;

use causerie::model::Role;
use serde_json::{Value, json};
use testkit::process::command;

use crate::support::{Program, TestServer, causerie, postgres_url, sqlite_url, token};

const DOCUMENT: &str = include_str!("../../docs/operating.md");
const SIGN_IN: &str = "mutation { signInAsGuest(input: { name: \"G\" }) { token user { id } } }";
const COMMENTS: &str = "{ post(id: \"hello\") { title cursor comments(first: 100) { nodes {
    id body createdAt author { id name } score reactions { content count } replies { nodes { id body } } } } } }";

/// Returns the script with these databases.
fn script(old: &Path, new: &str) -> String {
    let (_, script) = DOCUMENT.split_once("set -euo pipefail").expect("a script");
    let (script, _) = script.split_once("```").expect("its end");
    let (_, rest) = script.trim_start().split_once('\n').expect("databases");
    let old = old.display();
    format!("set -euo pipefail\nold={old} new={new}\n{rest}")
}

async fn comments(server: &TestServer) -> Value {
    server.client().send(COMMENTS, json!({})).await
}

#[ignore = "needs PostgreSQL"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn move_to_postgres_keeps_whatever_texts_contain() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (sqlite_url(folder.path()), postgres_url(folder.path()));
    let server = TestServer::start_on(folder, &old, &[]).await;
    let ada = server.reader("ada \\ \"N\"");
    let parent = ada.comment("before").await;
    for body in [
        "a line that is only\n\\.\na backslash and a dot",
        "\\.",
        "\\N",
        "\\",
        "\\\\n \\t \\x41 \\101",
        "tab\tand\r\nboth\rkinds\nof lines",
        "\"quotes\" and 'quotes', comma; \u{2028} \u{85} é 漢 🎉",
        "a\u{1}b\u{7f}c\u{1b}[0m",
        "NULL",
    ] {
        ada.create_comment(json!({"body": body, "parentId": parent}))
            .await;
        ada.comment(body).await;
    }
    for content in ["HEART", "CONFUSED", "EYES"] {
        let react = "mutation($id: ID!, $content: ReactionContent!) {
            addReaction(input: { commentId: $id, content: $content }) { comment { id } }
        }";
        let variables = json!({"id": parent, "content": content});
        ada.send(react, variables).await;
    }
    ban_this_address(&server).await;
    let kept = comments(&server).await;
    let folder = server.shut_down().await;

    let migrated = Program::run(&mut causerie(&["migrate", "--database-url", &new])).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let script = script(&folder.path().join("test.db"), &new);
    let moved = Program::run(command("bash").args(["-c", &script])).await;
    assert!(moved.status.success(), "{}", moved.stderr);

    let server = TestServer::start_on(folder, &new, &[]).await;
    assert_eq!(comments(&server).await, kept);
    ada_writes_again(&server).await;
    let refused = server.client().refused(SIGN_IN, json!({})).await;
    assert_eq!(refused["extensions"]["code"], "FORBIDDEN");
    server.stop().await;
}

/// Bans a guest, and the address of this machine with them.
async fn ban_this_address(server: &TestServer) {
    const BAN: &str = "mutation($user: ID!) {
        banUser(input: { userId: $user, banAddressFor: 86400 }) { ban { userId } }
    }";
    let data = server.client().send(SIGN_IN, json!({})).await;
    let signed_in = &data["signInAsGuest"];
    let guest = signed_in["token"].as_str().expect("a token");
    server.client().with_token(guest).comment("spam").await;
    let boss = token("boss", "Boss", Role::Moderator);
    let boss = server.client().with_token(&boss);
    boss.send(BAN, json!({"user": signed_in["user"]["id"]}))
        .await;
}

/// Asserts that the feed goes on where it stood.
async fn ada_writes_again(server: &TestServer) {
    let count = server.client().bodies().await.len();
    server.reader("ada").comment("after").await;
    assert_eq!(server.client().bodies().await.len(), count + 1);
}
