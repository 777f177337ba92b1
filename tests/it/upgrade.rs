//! The upgrade of a database of 200,000 comments from the version before moderation, by the start of a server.

#![allow(
    clippy::print_stderr,
    reason = "docs/operating.md states the time that the test prints"
)]

use std::{path::Path, time::Instant};

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{Client, Socket, TestServer, another_program, database_url, on_postgres, run};

/// Number of migrations of the version before moderation.
const BEFORE: u32 = 7;
const POSTS: i64 = 200;
/// Number of comments on each post.
const EACH: i64 = 1000;
const USERS: i64 = 500;
/// Time of the first post, in milliseconds since 1970.
const START: i64 = 1_700_000_000_000;

/// Columns that the upgrade must not change, as sums over all comments.
const KEPT: &str = "SELECT COUNT(*), SUM(added_seq), SUM(changed_seq), SUM(entered_seq),
    COUNT(entered_seq), SUM(change_kind), SUM(reply_count), SUM(depth), SUM(created_at),
    SUM(edited_at), SUM(deleted_at), SUM(LENGTH(body)), COUNT(parent_id) FROM comment";

/// Conditions that no row meets after the upgrade.
const WRONG: [(&str, &str); 4] = [
    (
        "comment",
        "published_at IS NULL OR published_at <> created_at",
    ),
    (
        "comment",
        "status <> 0 OR hold_reason IS NOT NULL OR decided_by IS NOT NULL OR decided_at IS NOT NULL",
    ),
    (
        "post",
        "NOT is_open OR version <> seq OR detail_version <> 0 OR opened_at <> created_at
            OR moderation IS NOT NULL OR pinned_comment IS NOT NULL OR unlisted_since IS NOT NULL",
    ),
    (
        "post",
        "last_comment_at IS NULL OR last_comment_at <> (SELECT MAX(created_at) FROM comment
            WHERE comment.post_id = post.id AND deleted_at IS NULL)",
    ),
];

/// Returns the SQL that fills the tables of the earlier version.
///
/// Of ten comments in a row, 0 has the replies 1 and 2, 2 has the reply 4, 3 is edited, and 7 is deleted. In
/// even tens 9 replies to 7. On odd posts the last comment is deleted too.
fn fill() -> [String; 3] {
    let [users, posts, comments] = [series("u", USERS), series("p", POSTS), series("n", EACH)];
    let last = EACH - 1;
    let is_deleted = format!("(n % 10 = 7 OR p % 2 = 1 AND n = {last})");
    let has_reply = "(n % 10 = 7 AND n / 10 % 2 = 0)";
    let changed_seq = format!(
        "CASE WHEN n = {last} AND {is_deleted} THEN {EACH} + {EACH} / 10 * 2 + 1
            WHEN n % 10 = 3 THEN {EACH} + n / 10 * 2 + 1
            WHEN n % 10 = 7 THEN {EACH} + n / 10 * 2 + 2 ELSE n + 1 END"
    );
    let created_at = format!("{START} + p * 1000 + n * 60000");
    [
        format!("INSERT INTO \"user\" (id, name) SELECT 'u' || u, 'User ' || u FROM {users}"),
        format!(
            "INSERT INTO post (id, title, created_at, comment_count, seq)
             SELECT 'p' || p, 'Post', {START} + p * 1000, {EACH} - {EACH} / 10 - p % 2,
                {EACH} + {EACH} / 10 * 2 + p % 2 FROM {posts}"
        ),
        format!(
            "INSERT INTO comment (id, post_id, parent_id, author_id, body, created_at, edited_at,
                deleted_at, added_seq, changed_seq, entered_seq, change_kind, reply_count, depth)
             SELECT {id}, 'p' || p,
                CASE WHEN n % 10 IN (1, 2) THEN {first} WHEN n % 10 = 4 THEN {second}
                    WHEN n % 10 = 9 AND n / 10 % 2 = 0 THEN {second} END,
                'u' || (n % {USERS}),
                CASE WHEN {is_deleted} THEN '' ELSE 'Über comment ' || n END,
                {created_at},
                CASE WHEN n % 10 = 3 THEN {created_at} + 1 END,
                CASE WHEN {is_deleted} THEN {created_at} + 2 END,
                n + 1, {changed_seq},
                CASE WHEN {is_deleted} AND NOT {has_reply} THEN NULL ELSE n + 1 END,
                CASE WHEN {is_deleted} THEN 2 WHEN n % 10 = 3 THEN 1 ELSE 0 END,
                CASE WHEN n % 10 = 0 THEN 2 WHEN n % 10 = 2 OR {has_reply} THEN 1 ELSE 0 END,
                CASE WHEN n % 10 IN (1, 2) OR n % 10 = 9 AND n / 10 % 2 = 0 THEN 1
                    WHEN n % 10 = 4 THEN 2 ELSE 0 END
             FROM {posts}, {comments} ORDER BY p, n",
            id = sql_id("n"),
            first = sql_id("(n - n % 10)"),
            second = sql_id("(n - 2)"),
        ),
    ]
}

/// Returns a table of the numbers from 0 to below `count`, with the column `name`.
fn series(name: &str, count: i64) -> String {
    if on_postgres() {
        return format!("generate_series(0, {count} - 1) AS {name}({name})");
    }
    format!(
        "(WITH RECURSIVE series({name}) AS (
            SELECT 0 UNION ALL SELECT {name} + 1 FROM series WHERE {name} + 1 < {count}
        ) SELECT {name} FROM series) AS {name}_series"
    )
}

/// Returns the SQL of the id of a comment of the post `p`.
fn sql_id(comment: &str) -> String {
    if on_postgres() {
        let hex = |number: &str| format!("lpad(to_hex({number}), 8, '0')");
        format!(
            "({} || '0000700080000000' || {})::uuid",
            hex("p"),
            hex(comment)
        )
    } else {
        format!("unhex(printf('%08x0000700080000000%08x', p, {comment}))")
    }
}

/// Makes a database as the version before moderation left it.
async fn database_before(folder: &Path) -> DatabaseConnection {
    let database = another_program(&database_url(folder)).await;
    let migrated = Migrator::up(&database, Some(BEFORE)).await;
    migrated.expect("the first migrations");
    run(&database, "BEGIN").await;
    for sql in fill() {
        run(&database, &sql).await;
    }
    run(&database, "COMMIT").await;
    database
}

/// Returns the numbers of a query's only row.
async fn row(database: &DatabaseConnection, sql: &str, columns: usize) -> Vec<Option<i64>> {
    let cast = if on_postgres() { "::bigint" } else { "" };
    let names: Vec<String> = (0..columns).map(|place| format!("c{place}")).collect();
    let numbers: Vec<String> = names.iter().map(|name| format!("{name}{cast}")).collect();
    let sql = format!(
        "WITH sums({}) AS ({sql}) SELECT {} FROM sums",
        names.join(", "),
        numbers.join(", ")
    );
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.expect("a query");
    let row = row.expect("a row");
    let numbers = (0..columns).map(|place| row.try_get_by_index(place));
    numbers.collect::<Result<_, _>>().expect("numbers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_database_of_the_version_before_is_upgraded() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_before(folder.path()).await;
    let kept = row(&database, KEPT, 13).await;
    assert_eq!(kept[0], Some(EACH * POSTS));
    database.close().await.expect("the end");

    let begun = Instant::now();
    let server = TestServer::start_bare(folder, &[]).await;
    let time = begun.elapsed();
    eprintln!("{} comments were upgraded in {time:.1?}", EACH * POSTS);

    let database = another_program(&server.database()).await;
    assert_eq!(row(&database, KEPT, 13).await, kept);
    for (table, condition) in WRONG {
        let wrong = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
        assert_eq!(row(&database, &wrong, 1).await, [Some(0)], "{condition}");
    }
    for post in [0, 1, POSTS - 1] {
        assert_post(&server.client(), post).await;
    }
    assert_feed_resumes(&server).await;
    server.stop().await;
}

/// Returns the public form of the time of a comment.
fn time_of(post: i64, comment: i64) -> String {
    let millis = START + post * 1000 + comment * 60_000;
    let seconds = time::OffsetDateTime::from_unix_timestamp(millis / 1000).expect("a time");
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000Z");
    seconds.format(&format).expect("a text")
}

fn id(post: i64, comment: i64) -> String {
    format!("{post:08x}-0000-7000-8000-0000{comment:08x}")
}

/// Asserts that readers see the post as before, and its new fields as they are to be.
async fn assert_post(client: &Client, post: i64) {
    const QUERY: &str = "query($id: ID!) { post(id: $id) {
        commentCount isOpen moderation pinnedComment { id } lastCommentAt
        comments(first: 7) { nodes { id isDeleted editedAt replyCount replies { nodes { id } } } }
        newest: allComments(first: 2, order: NEWEST_FIRST) { nodes { id } }
    } }";
    let variables = json!({"id": format!("p{post}")});
    let data = client.send(QUERY, variables).await;
    let shown = &data["post"];
    let deleted_last = post % 2;
    assert_eq!(shown["commentCount"], EACH - EACH / 10 - deleted_last);
    assert_eq!(
        (
            &shown["isOpen"],
            &shown["moderation"],
            &shown["pinnedComment"]
        ),
        (&json!(true), &Value::Null, &Value::Null)
    );
    // The comment before the last is the newest on odd posts.
    let newest = EACH - 1 - deleted_last;
    assert_eq!(shown["lastCommentAt"], time_of(post, newest));
    assert_eq!(shown["newest"]["nodes"][0]["id"], id(post, newest));
    let comments = shown["comments"]["nodes"].as_array().expect("a list");
    let told = comments.iter().map(|comment| {
        let replies = comment["replies"]["nodes"].as_array().expect("a list");
        let is_edited = !comment["editedAt"].is_null();
        let is_deleted = comment["isDeleted"] == true;
        (
            comment["id"].as_str().expect("an id"),
            replies.len(),
            is_edited,
            is_deleted,
        )
    });
    let expected = [
        (0, 2, false, false),
        (3, 0, true, false),
        (5, 0, false, false),
        (6, 0, false, false),
        (7, 1, false, true),
        (8, 0, false, false),
        (10, 2, false, false),
    ];
    let expected = expected.map(|(comment, replies, is_edited, is_deleted)| {
        (id(post, comment), replies, is_edited, is_deleted)
    });
    let expected = expected.iter().map(|(id, replies, is_edited, is_deleted)| {
        (id.as_str(), *replies, *is_edited, *is_deleted)
    });
    assert!(told.eq(expected), "{shown}");
}

/// Asserts that a page with the cursor of a comment misses nothing, and that the feed goes on.
async fn assert_feed_resumes(server: &TestServer) {
    const CURSOR: &str = "query($id: ID!) { comment(id: $id) { cursor } }";
    const CHANGED: &str = "subscription($after: Cursor) {
        commentChanged(postId: \"p0\", after: $after) { kind comment { id } }
    }";
    const CREATE: &str = "mutation { createComment(input: { postId: \"p0\", body: \"new\" }) {
        status comment { id }
    } }";
    // The deleted one of the last ten is added after the cursor, and in no list: it does not come.
    let after = json!({"id": id(0, EACH - 5)});
    let after = server.client().send(CURSOR, after).await;
    let mut socket = server.socket().await;
    let after = json!({"after": after["comment"]["cursor"]});
    socket.subscribe("s", CHANGED, after).await;
    for comment in [EACH - 4, EACH - 2, EACH - 1] {
        let expected = ("ADDED".to_owned(), id(0, comment));
        assert_eq!(change(&mut socket).await, expected);
    }
    for ten in 0..EACH / 10 {
        let edited = ("EDITED".to_owned(), id(0, ten * 10 + 3));
        assert_eq!(change(&mut socket).await, edited);
        if ten < EACH / 10 - 1 {
            let deleted = ("DELETED".to_owned(), id(0, ten * 10 + 7));
            assert_eq!(change(&mut socket).await, deleted);
        }
    }
    let written = server.reader("ada").send(CREATE, json!({})).await;
    let written = &written["createComment"];
    assert_eq!(written["status"], "PUBLISHED");
    let added = written["comment"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(change(&mut socket).await, ("ADDED".to_owned(), added));
    socket.close().await;
}

/// Returns the kind and the comment of the next change.
async fn change(socket: &mut Socket) -> (String, String) {
    let data = socket.data("s").await;
    let change = &data["commentChanged"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&change["kind"]), text(&change["comment"]["id"]))
}
