//! The way back from a backup: `causerie restore`.

use std::path::Path;

use causerie::model::Role;
use serde_json::{Value, json};

use crate::support::{
    Client, Node, Program, another_program, causerie, run, sqlite_url, start_node_on, user,
};

const CURSOR: &str = "{ post(id: \"hello\") { cursor } }";
const CHANGED: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { comment { body } }
}";

async fn cursor(client: &Client) -> Value {
    client.send(CURSOR, json!({})).await["post"]["cursor"].take()
}

/// Runs `causerie restore` on a database. Returns its success and its standard error.
async fn restore(database: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = causerie(&["restore"]);
    command
        .args(arguments)
        .env("DATABASE_URL", sqlite_url(database));
    let ended = Program::run(&mut command).await;
    (ended.status.success(), ended.stderr)
}

/// Returns the first message that a subscription after `cursor` is sent.
async fn resume(node: &Node, cursor: &Value) -> Value {
    let mut socket = node.socket().await;
    socket
        .subscribe("s", CHANGED, json!({"after": cursor}))
        .await;
    socket.message().await
}

#[tokio::test]
async fn restored_backup_expires_cursors_and_keeps_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = folder.path().join("backup.db");
    let backup = backup.to_str().expect("a path");
    let database = sqlite_url(folder.path());
    let node = start_node_on(&database, &[]).await;
    let author = user(&node, Role::Author);
    let create = "mutation { createPost(input: { id: \"hello\", title: \"t\" }) { post { id } } }";
    author.send(create, json!({})).await;
    author.comment("kept").await;
    let early = cursor(&author).await;
    let connection = another_program(&database).await;
    run(&connection, &format!("VACUUM INTO '{backup}'")).await;
    connection.close().await.expect("closed");
    author.comment("lost").await;
    let late = cursor(&author).await;

    let (restored, error) = restore(folder.path(), &[backup]).await;
    assert!(
        !restored && error.contains("stop the server first"),
        "{error}"
    );
    assert_eq!(
        author.bodies().await,
        ["kept", "lost"],
        "nothing was changed"
    );
    node.stop();

    for damaged in ["missing.db", "damaged.db"] {
        let damaged = folder.path().join(damaged);
        if damaged.ends_with("damaged.db") {
            std::fs::write(&damaged, "no database").expect("written");
        }
        let (restored, error) = restore(folder.path(), &[damaged.to_str().expect("a path")]).await;
        assert!(
            !restored && error.contains("is not an intact backup"),
            "{error}"
        );
    }

    // A killed restoration left these.
    for left in ["test.db.restoring", "test.db.restoring-wal"] {
        std::fs::write(folder.path().join(left), "of another backup").expect("written");
    }
    let (restored, error) = restore(folder.path(), &[backup]).await;
    assert!(restored, "{error}");
    let mode = std::fs::metadata(folder.path().join("test.db"))
        .expect("a file")
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    let node = start_node_on(&database, &[]).await;
    assert_eq!(node.client().bodies().await, ["kept"]);
    for old in [&early, &late] {
        let message = resume(&node, old).await;
        let extensions = &message["payload"][0]["extensions"];
        assert_eq!(*extensions, json!({"code": "CURSOR_EXPIRED"}), "{message}");
    }
    let now = cursor(&node.client()).await;
    user(&node, Role::Author).comment("new").await;
    let message = resume(&node, &now).await;
    let data = &message["payload"]["data"]["commentChanged"];
    assert_eq!(*data, json!({"comment": {"body": "new"}}), "{message}");
    node.stop();

    let (restored, error) = restore(folder.path(), &[backup]).await;
    assert!(
        !restored && error.contains(".before-restore: exists"),
        "{error}"
    );
}

#[tokio::test]
async fn restore_without_a_file_expires_cursors() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = sqlite_url(folder.path());
    let node = start_node_on(&database, &[]).await;
    let author = user(&node, Role::Author);
    let create = "mutation { createPost(input: { id: \"hello\", title: \"t\" }) { post { id } } }";
    author.send(create, json!({})).await;
    let old = cursor(&author).await;
    let (restored, error) = restore(folder.path(), &[]).await;
    assert!(
        !restored && error.contains("stop the server first"),
        "{error}"
    );
    node.stop();
    let (restored, error) = restore(folder.path(), &[]).await;
    assert!(restored, "{error}");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (restored, error) = restore(elsewhere.path(), &[]).await;
    assert!(!restored && error.contains("does not exist"), "{error}");
    let node = start_node_on(&database, &[]).await;
    let message = resume(&node, &old).await;
    let extensions = &message["payload"][0]["extensions"];
    assert_eq!(*extensions, json!({"code": "CURSOR_EXPIRED"}), "{message}");
}
