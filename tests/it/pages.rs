//! Pages that open their own posts, by the setting `AUTO_OPEN_POSTS`.

use std::time::Duration;

use causerie::{cluster::backplane::memory::Network, model::Role};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    limits::{code, is_limited, outcome},
    posts::author,
    support::{Client, TestServer, another_program, run, token},
    transports::readers_of,
};

const OPEN: &str = "mutation($id: ID!, $url: String, $title: String! = \"A page\") {
    ensurePost(input: { id: $id, title: $title, url: $url }) {
        wasCreated post { id title url commentCount isOpen }
    }
}";
const SIGN_IN: &str = "mutation { signInAsGuest(input: { name: \"G\" }) { token } }";
const LISTED: &str = "{ posts { nodes { id } } }";
const FOUND: &str = "query($id: ID!) { post(id: $id) { id } }";
const WRITE: &str = "mutation($id: ID!) {
    createComment(input: { postId: $id, body: \"b\" }) { status comment { id } }
}";
const CHANGED: &str = "subscription { commentChanged(postId: \"/old\") { kind } }";
const SITE: &str = "--auto-open-posts=https://blog.example,http://localhost:4000";
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

fn page(path: &str) -> Value {
    json!({"id": path, "url": format!("https://blog.example{path}")})
}

async fn open(by: &Client, path: &str) -> Value {
    by.send(OPEN, page(path)).await["ensurePost"].take()
}

/// Returns the ids of the posts that are listed, newest first.
async fn listed(client: &Client) -> Value {
    let nodes = client.send(LISTED, json!({})).await["posts"]["nodes"].take();
    let nodes = nodes.as_array().expect("posts");
    nodes.iter().map(|node| node["id"].clone()).collect()
}

async fn is_found(client: &Client, id: &str) -> bool {
    let found = client.send(FOUND, json!({"id": id})).await;
    !found["post"].is_null()
}

#[tokio::test]
async fn page_of_the_site_opens_its_post_for_every_caller() {
    let server = TestServer::start_with(&[SITE]).await;
    let anonymous = server.client();
    let guest = anonymous.send(SIGN_IN, json!({})).await;
    let guest = guest["signInAsGuest"]["token"].as_str().expect("a token");
    let guest = server.client().with_token(guest);
    for (by, id, url) in [
        (&anonymous, "/a", "https://blog.example/a/?from=mail#top"),
        (&guest, "/caf\u{e9}", "http://localhost:4000/caf%C3%A9"),
        (&server.reader("r"), "/", "https://blog.example/index.html"),
    ] {
        let opened = by.send(OPEN, json!({"id": id, "url": url})).await;
        let stored = url.split(['?', '#']).next();
        let post = json!({
            "id": id, "title": "A page", "url": stored, "commentCount": 0, "isOpen": true
        });
        let expected = json!({"wasCreated": true, "post": post});
        assert_eq!(opened["ensurePost"], expected, "{id}");
        // Its first visitor decided on the title, and only an author changes it.
        let again = json!({"id": id, "url": url, "title": "Another"});
        let again = by.send(OPEN, again).await;
        let expected = json!({"wasCreated": false, "post": post});
        assert_eq!(again["ensurePost"], expected, "{id}");
    }
    server.stop().await;
}

#[tokio::test]
async fn other_pages_are_refused_with_the_reason() {
    let server = TestServer::start_with(&[SITE]).await;
    let reader = server.reader("r");
    for (id, url, expected) in [
        ("/a", json!(null), "FORBIDDEN"),
        ("/a", json!("https://evil.example/a"), "FORBIDDEN"),
        ("/a", json!("http://blog.example/a"), "FORBIDDEN"),
        ("/a", json!("https://blog.example:4000/a"), "FORBIDDEN"),
        ("/a", json!("no URL"), "FORBIDDEN"),
        ("/b", json!("https://blog.example/a"), "BAD_USER_INPUT"),
        ("a", json!("https://blog.example/a"), "BAD_USER_INPUT"),
        ("/a/", json!("https://blog.example/a/"), "BAD_USER_INPUT"),
        (
            "/a b",
            json!("https://blog.example/a%20b"),
            "BAD_USER_INPUT",
        ),
        (
            "hello",
            json!("https://blog.example/hello"),
            "BAD_USER_INPUT",
        ),
    ] {
        for by in [&server.client(), &reader] {
            let error = outcome(by, OPEN, json!({"id": id, "url": url})).await;
            assert_eq!(code(&error.expect_err("refused")), expected, "{id} {url}");
        }
    }
    let untitled = json!({"id": "/a", "url": "https://blog.example/a", "title": " "});
    let error = outcome(&reader, OPEN, untitled).await.expect_err("refused");
    assert_eq!(code(&error), "BAD_USER_INPUT");
    let boss = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let ban = "mutation { banUser(input: { userId: \"r\" }) { ban { userId } } }";
    boss.send(ban, json!({})).await;
    let error = outcome(&reader, OPEN, page("/a")).await;
    assert_eq!(code(&error.expect_err("banned")), "FORBIDDEN");
    assert!(!is_found(&server.client(), "/a").await);
    server.stop().await;
}

#[tokio::test]
async fn page_is_listed_from_its_first_published_comment_on() {
    let server = TestServer::start_with(&[SITE]).await;
    let (ada, author) = (server.reader("ada"), author(&server));
    for path in ["/commented", "/held", "/ensured"] {
        open(&server.client(), path).await;
        assert!(is_found(&ada, path).await);
    }
    let all = json!({"input": {"id": "/held", "moderation": "ALL"}});
    let update = "mutation($input: UpdatePostInput!) { updatePost(input: $input) { post { id } } }";
    author.send(update, all).await;
    let held = ada.send(WRITE, json!({"id": "/held"})).await;
    assert_eq!(held["createComment"]["status"], json!("PENDING"));
    assert_eq!(listed(&ada).await, json!(["hello"]));

    ada.send(WRITE, json!({"id": "/commented"})).await;
    assert_eq!(listed(&ada).await, json!(["/commented", "hello"]));
    let approve = "mutation($id: ID!) { approveComment(input: { id: $id }) { item { id } } }";
    let boss = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let id = &held["createComment"]["comment"]["id"];
    boss.send(approve, json!({"id": id})).await;
    assert_eq!(listed(&ada).await, json!(["/held", "/commented", "hello"]));
    // An author's post needs no comment.
    open(&author, "/ensured").await;
    let all = json!(["/ensured", "/held", "/commented", "hello"]);
    assert_eq!(listed(&ada).await, all);
    server.stop().await;
}

#[tokio::test]
async fn moved_page_is_found_by_its_old_path() {
    let server = TestServer::start_with(&[SITE]).await;
    let author = author(&server);
    open(&server.client(), "/old").await;
    let relocate =
        "mutation { movePost(input: { id: \"/old\", newId: \"/new\" }) { post { id } } }";
    author.send(relocate, json!({})).await;
    let found = open(&server.client(), "/old").await;
    assert_eq!(found["wasCreated"], json!(false));
    assert_eq!(found["post"]["id"], json!("/new"));
    server.stop().await;
}

#[tokio::test]
async fn pages_from_one_address_are_limited() {
    let settings = [SITE, "--rate-limits=on", "--trusted-proxies=127.0.0.1"];
    let server = TestServer::start_with(&settings).await;
    let address = "203.0.113.7";
    let client = server.client().behind(address);
    for _ in 0..30 {
        let elsewhere = json!({"id": "/a", "url": "https://evil.example/a"});
        let error = outcome(&client, OPEN, elsewhere).await;
        assert_eq!(code(&error.expect_err("refused")), "FORBIDDEN");
    }
    for number in 0..20 {
        open(&client, &format!("/{number}")).await;
    }
    assert!(is_limited(&outcome(&client, OPEN, page("/20")).await));
    assert!(!is_found(&client, "/20").await);
    let reader = server
        .client()
        .behind(address)
        .with_token(&token("r", "R", Role::Reader));
    assert!(is_limited(&outcome(&reader, OPEN, page("/20")).await));
    // Authors have the rate of their other mutations, and other addresses one of their own.
    let author = server
        .client()
        .behind(address)
        .with_token(&token("a", "A", Role::Author));
    open(&author, "/20").await;
    open(&server.client().behind("203.0.113.8"), "/21").await;
    server.stop().await;
}

#[tokio::test]
async fn pages_without_a_comment_are_bounded() {
    let server = TestServer::start_with(&[SITE]).await;
    open(&server.client(), "/first").await;
    let connection = another_program(&server.database()).await;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)";
    let columns = "title, created_at, comment_count, seq, opened_at, unlisted_since";
    let sql = format!(
        "INSERT INTO post (id, {columns}) {numbers}
            SELECT '/filler/' || i, {columns} FROM n, post WHERE id = '/first'"
    );
    run(&connection, &sql).await;
    let ada = server.reader("ada");
    assert!(is_limited(&outcome(&ada, OPEN, page("/next")).await));
    // Those that are there are answered, and authors open more.
    open(&ada, "/filler/5").await;
    open(&author(&server), "/authors").await;
    // A published comment makes room.
    ada.send(WRITE, json!({"id": "/filler/5"})).await;
    assert_eq!(open(&ada, "/next").await["wasCreated"], json!(true));
    assert!(is_limited(&outcome(&ada, OPEN, page("/another")).await));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_without_a_comment_is_removed_after_30_days() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[SITE, "--moderation=all"]).await;
    let (anonymous, ada) = (here.client(), here.reader("ada"));
    let boss = here.client().with_token(&token("m", "M", Role::Moderator));
    for path in [
        "/old",
        "/held",
        "/young",
        "/commented",
        "/deleted",
        "/closed",
        "/moderated",
    ] {
        open(&anonymous, path).await;
    }
    boss.send(WRITE, json!({"id": "/commented"})).await;
    let written = boss.send(WRITE, json!({"id": "/deleted"})).await;
    let id = &written["createComment"]["comment"]["id"];
    let delete = "mutation($id: ID!) { deleteComment(input: { id: $id }) { comment { id } } }";
    boss.send(delete, json!({"id": id})).await;
    let update = "mutation($input: UpdatePostInput!) { updatePost(input: $input) { post { id } } }";
    for input in [
        json!({"id": "/closed", "isOpen": false}),
        json!({"id": "/moderated", "moderation": "ALL"}),
    ] {
        author(&here).send(update, json!({"input": input})).await;
    }
    ada.send(WRITE, json!({"id": "/held"})).await;
    let (clients, reader) = (["one", "two", "three"], token("r", "R", Role::Reader));
    let open_streams = readers_of(&here, &reader, clients, CHANGED, &json!({})).await;
    here.wait_for_members(1, 3).await;

    let connection = another_program(&here.database()).await;
    let sql = format!(
        "UPDATE post SET unlisted_since = unlisted_since - {}",
        30 * DAY
    );
    run(&connection, &sql).await;
    let sql =
        format!("UPDATE post SET unlisted_since = unlisted_since + {DAY} WHERE id = '/young'");
    run(&connection, &sql).await;
    // A node sweeps when it starts.
    let there = here.node_beside(&network, &[SITE]).await;
    for mut reader in open_streams {
        assert_eq!(reader.refusal().await, "NOT_FOUND");
        reader.vanish();
    }
    for (id, remains) in [
        ("/old", false),
        ("/held", false),
        ("/young", true),
        ("/commented", true),
        ("/deleted", true),
        ("/closed", true),
        ("/moderated", true),
        ("hello", true),
    ] {
        for server in [&here, &there] {
            assert_eq!(is_found(&server.client(), id).await, remains, "{id}");
        }
    }
    let queue = "{ moderation { queue { pendingCount } } }";
    let queue = boss.send(queue, json!({})).await;
    assert_eq!(queue["moderation"]["queue"]["pendingCount"], json!(0));
    there.stop().await;
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_is_opened_once_by_visitors_of_two_nodes() {
    let network = Network::new(Duration::from_millis(1));
    let here = TestServer::start_node(&network, &[SITE]).await;
    let there = here.node_beside(&network, &[SITE]).await;
    for path in ["/a", "/b", "/c"] {
        let visits = (0..16).map(|number| {
            let server = if number % 2 == 0 { &here } else { &there };
            async move { open(&server.client(), path).await["wasCreated"] == json!(true) }
        });
        let created = join_all(visits).await;
        let created = created.into_iter().filter(|created| *created);
        assert_eq!(created.count(), 1, "{path}");
    }
    there.stop().await;
    here.stop().await;
}
