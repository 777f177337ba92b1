//! Moderation: comments that wait, decisions of moderators, reports and pins.

use std::time::Duration;

use causerie::{cluster::backplane::memory::Network, model::Role};
use serde_json::{Value, json};

use crate::{
    support::{Client, TestServer, database_url, token},
    transports::{Reader, readers},
};

const CREATE: &str = "mutation($body: String!, $parent: ID) {
    createComment(input: { postId: \"hello\", body: $body, parentId: $parent }) {
        status comment { id body cursor }
    }
}";
const EDIT: &str = "mutation($id: ID!, $body: String!) {
    editComment(input: { id: $id, body: $body }) { status comment { body isDeleted } }
}";
const DELETE: &str = "mutation($id: ID!) {
    deleteComment(input: { id: $id }) { comment { isDeleted body } }
}";
const APPROVE: &str = "mutation($id: ID!) {
    approveComment(input: { id: $id }) {
        item { status reason moderator { id } decidedAt comment { body isDeleted } }
    }
}";
const REJECT: &str = "mutation($id: ID!) {
    rejectComment(input: { id: $id }) {
        item { status reason moderator { id } comment { body isDeleted } }
    }
}";
const REPORT: &str = "mutation($id: ID!) {
    reportComment(input: { commentId: $id, reason: ABUSE, note: \" rude \" }) { commentId }
}";
const PIN: &str = "mutation($id: ID!) {
    pinComment(input: { id: $id }) { post { pinnedComment { id } } }
}";
const UNPIN: &str = "mutation($id: ID!) {
    unpinComment(input: { id: $id }) { post { pinnedComment { id } } }
}";
const PAGE: &str = "{ post(id: \"hello\") {
    commentCount lastCommentAt pinnedComment { id }
    comments { nodes { id body isDeleted replyCount replies { nodes { id body } } } }
} }";
const QUEUE: &str = "{ moderation {
    queue { pendingCount reportedCount }
    comments(status: PENDING) { nodes { body reason author { id } post { id } } }
} }";
const CHANGED: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { kind isListed cursor comment { id body isDeleted } }
}";

fn moderator(server: &TestServer) -> Client {
    server
        .client()
        .with_token(&token("mod", "Mod", Role::Moderator))
}

/// Creates a comment that is held, and returns its id.
async fn submit(client: &Client, body: &str) -> Value {
    let data = client.send(CREATE, json!({"body": body})).await;
    assert_eq!(data["createComment"]["status"], "PENDING", "{data}");
    data["createComment"]["comment"]["id"].clone()
}

/// Creates a comment and has it approved. Returns its id.
async fn publish(server: &TestServer, client: &Client, body: &str) -> Value {
    let id = submit(client, body).await;
    moderator(server).send(APPROVE, json!({"id": id})).await;
    id
}

async fn page(client: &Client) -> Value {
    client.send(PAGE, json!({})).await["post"].take()
}

fn code(error: &Value) -> &str {
    error["extensions"]["code"].as_str().expect("a code")
}

#[tokio::test]
async fn held_comment_is_shown_to_its_author_and_moderators() {
    const OWN: &str = "{ viewer { id role unpublishedComments(postId: \"hello\") {
        nodes { id body status reason post { id } }
    } } }";
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let written = ada.send(CREATE, json!({"body": "wait"})).await;
    let written = &written["createComment"];
    assert_eq!(
        (&written["status"], &written["comment"]["body"]),
        (&json!("PENDING"), &json!("wait"))
    );
    let id = &written["comment"]["id"];

    for reader in [&ada, &bob, &server.client(), &moderator(&server)] {
        let page = page(reader).await;
        assert_eq!(page["commentCount"], 0);
        assert_eq!(page["lastCommentAt"], Value::Null);
        assert_eq!(page["comments"]["nodes"], json!([]));
        let found = reader
            .send(
                "query($id: ID!) { comment(id: $id) { id } }",
                json!({"id": id}),
            )
            .await;
        assert_eq!(found["comment"], Value::Null);
    }
    let own = ada.send(OWN, json!({})).await;
    assert_eq!(own["viewer"]["id"], "ada");
    let expected = json!([{
        "id": id, "body": "wait", "status": "PENDING", "reason": "MODERATION_MODE", "post": {"id": "hello"},
    }]);
    assert_eq!(own["viewer"]["unpublishedComments"]["nodes"], expected);
    let others = bob.send(OWN, json!({})).await;
    assert_eq!(others["viewer"]["unpublishedComments"]["nodes"], json!([]));
    assert_eq!(
        server.client().send(OWN, json!({})).await["viewer"],
        Value::Null
    );
    let queue = moderator(&server).send(QUEUE, json!({})).await;
    let expected = json!({
        "queue": {"pendingCount": 1, "reportedCount": 0},
        "comments": {"nodes": [{
            "body": "wait", "reason": "MODERATION_MODE", "author": {"id": "ada"}, "post": {"id": "hello"},
        }]},
    });
    assert_eq!(queue["moderation"], expected);
    assert_eq!(code(&ada.refused(QUEUE, json!({})).await), "FORBIDDEN");
    assert_eq!(
        code(&server.client().refused(QUEUE, json!({})).await),
        "UNAUTHENTICATED"
    );
    server.stop().await;
}

/// Reads the next change as its kind, text and whether it is listed.
async fn change(reader: &mut Reader) -> (String, String, bool) {
    let data = reader.data().await;
    let change = &data["commentChanged"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let is_listed = change["isListed"].as_bool().expect("a flag");
    (
        text(&change["kind"]),
        text(&change["comment"]["body"]),
        is_listed,
    )
}

#[tokio::test]
async fn decisions_are_live_on_every_transport_and_node() {
    let network = Network::new(Duration::ZERO);
    let here = TestServer::start_node(&network, &["--moderation=all"]).await;
    let there = here.node_beside(&network, &["--moderation=all"]).await;
    let mut all = Vec::new();
    for server in [&here, &there] {
        let reader = token("reader", "reader", Role::Reader);
        let start = "{ post(id: \"hello\") { cursor } }";
        let start = server.client().send(start, json!({})).await;
        let start = json!({"after": start["post"]["cursor"]});
        all.extend(readers(server, &reader, "tab", CHANGED, &start).await);
    }
    let id = submit(&there.reader("ada"), "text").await;
    let decide = async |mutation: &str| moderator(&there).send(mutation, json!({"id": id})).await;
    for (mutation, expected) in [
        (APPROVE, ("ADDED", "text", true)),
        (REJECT, ("DELETED", "", false)),
        (APPROVE, ("RESTORED", "text", true)),
    ] {
        decide(mutation).await;
        for reader in &mut all {
            let (kind, body, is_listed) = change(reader).await;
            assert_eq!((kind.as_str(), body.as_str(), is_listed), expected);
        }
    }
    // What changes nothing for readers is no change.
    decide(APPROVE).await;
    decide(REJECT).await;
    decide(REJECT).await;
    for reader in &mut all {
        assert_eq!(change(reader).await.0, "DELETED");
    }
    for reader in all {
        reader.vanish();
    }
    there.stop().await;
    here.stop().await;
}

#[tokio::test]
async fn rejected_comment_with_replies_stays_as_a_tombstone() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let (ada, bob, moderator) = (
        server.reader("ada"),
        server.reader("bob"),
        moderator(&server),
    );
    let parent = publish(&server, &ada, "parent").await;
    let lonely = publish(&server, &ada, "lonely").await;
    // A reply that waits keeps its parent in the list, too.
    let reply = json!({"body": "reply", "parent": parent});
    let reply = bob.send(CREATE, reply).await["createComment"]["comment"]["id"].clone();
    for id in [&parent, &lonely] {
        let item = moderator.send(REJECT, json!({"id": id})).await;
        let item = &item["rejectComment"]["item"];
        assert_eq!(item["status"], "REJECTED");
        assert_eq!(
            (&item["reason"], &item["moderator"]["id"]),
            (&json!("MODERATOR"), &json!("mod"))
        );
        assert_eq!(item["comment"], json!({"body": "", "isDeleted": true}));
    }
    let tombstone = |replies: Value| {
        let count = replies.as_array().expect("a list").len();
        let (body, replies) = ("", json!({"nodes": replies}));
        json!({"id": parent, "body": body, "isDeleted": true, "replyCount": count, "replies": replies})
    };
    assert_eq!(
        page(&bob).await["comments"]["nodes"],
        json!([tombstone(json!([]))])
    );

    moderator.send(APPROVE, json!({"id": reply})).await;
    let listed = page(&bob).await;
    let reply = json!({"id": reply, "body": "reply"});
    assert_eq!(
        listed["comments"]["nodes"],
        json!([tombstone(json!([reply]))])
    );
    assert_eq!(listed["commentCount"], 1);
    // Nothing is answered under a tombstone, or under what was never published.
    let held = submit(&ada, "held").await;
    for (client, parent, expected) in [
        (&bob, &parent, "CONFLICT"),
        (&bob, &held, "NOT_FOUND"),
        (&ada, &held, "CONFLICT"),
    ] {
        let refused = client
            .refused(CREATE, json!({"body": "b", "parent": parent}))
            .await;
        assert_eq!(code(&refused), expected, "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn reply_whose_parent_is_gone_cannot_be_approved() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let (ada, moderator) = (server.reader("ada"), moderator(&server));
    let parent = publish(&server, &ada, "parent").await;
    let reply = json!({"body": "reply", "parent": parent});
    let reply = ada.send(CREATE, reply).await["createComment"]["comment"]["id"].clone();
    moderator.send(REJECT, json!({"id": reply})).await;
    moderator.send(REJECT, json!({"id": parent})).await;
    let refused = moderator.refused(APPROVE, json!({"id": reply})).await;
    assert_eq!(code(&refused), "CONFLICT");
    moderator.send(APPROVE, json!({"id": parent})).await;
    moderator.send(APPROVE, json!({"id": reply})).await;
    assert_eq!(page(&ada).await["commentCount"], 2);
    server.stop().await;
}

#[tokio::test]
async fn edit_that_is_held_withdraws_the_comment() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let (ada, bob, moderator) = (
        server.reader("ada"),
        server.reader("bob"),
        moderator(&server),
    );
    let id = publish(&server, &ada, "first").await;
    let edited = ada.send(EDIT, json!({"id": id, "body": "second"})).await;
    let expected = json!({"status": "PENDING", "comment": {"body": "second", "isDeleted": false}});
    assert_eq!(edited["editComment"], expected);
    assert_eq!(page(&bob).await["commentCount"], 0);
    // Its text cannot be had by its id either.
    let by_id = "query($id: ID!) { comment(id: $id) { body isDeleted author { id } } }";
    let found = bob.send(by_id, json!({"id": id})).await;
    let tombstone = json!({"body": "", "isDeleted": true, "author": {"id": "deleted"}});
    assert_eq!(found["comment"], tombstone);
    // It may be edited again while it waits, by its author only.
    ada.send(EDIT, json!({"id": id, "body": "third"})).await;
    let refused = bob.refused(EDIT, json!({"id": id, "body": "mine"})).await;
    assert_eq!(code(&refused), "FORBIDDEN");
    let item = moderator.send(APPROVE, json!({"id": id})).await;
    assert_eq!(
        item["approveComment"]["item"]["comment"],
        json!({"body": "third", "isDeleted": false})
    );
    // A moderator's edit is not held.
    let edited = moderator
        .send(EDIT, json!({"id": id, "body": "fourth"}))
        .await;
    assert_eq!(edited["editComment"]["status"], "PUBLISHED");
    server.stop().await;
}

#[tokio::test]
async fn deleted_comment_is_gone_for_moderators_too() {
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let (ada, bob, moderator) = (
        server.reader("ada"),
        server.reader("bob"),
        moderator(&server),
    );
    let held = submit(&ada, "held").await;
    let published = publish(&server, &ada, "published").await;
    let refused = bob.refused(DELETE, json!({"id": held})).await;
    assert_eq!(code(&refused), "NOT_FOUND", "a reader does not know of it");
    for id in [&held, &published] {
        for _ in 0..2 {
            let deleted = ada.send(DELETE, json!({"id": id})).await;
            assert_eq!(
                deleted["deleteComment"]["comment"],
                json!({"isDeleted": true, "body": ""})
            );
        }
        for decision in [APPROVE, REJECT] {
            let refused = moderator.refused(decision, json!({"id": id})).await;
            assert_eq!(code(&refused), "CONFLICT");
        }
    }
    let all = "{ moderation { comments { nodes { id } } } }";
    let all = moderator.send(all, json!({})).await;
    assert_eq!(all["moderation"]["comments"]["nodes"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn new_authors_wait_until_one_comment_is_published() {
    let server = TestServer::start_with(&["--moderation=new-authors"]).await;
    let (ada, moderator) = (server.reader("ada"), moderator(&server));
    let first = submit(&ada, "first").await;
    submit(&ada, "second").await;
    moderator.send(APPROVE, json!({"id": first})).await;
    let third = ada.send(CREATE, json!({"body": "third"})).await;
    assert_eq!(third["createComment"]["status"], "PUBLISHED");
    let own = moderator
        .send(CREATE, json!({"body": "by a moderator"}))
        .await;
    assert_eq!(own["createComment"]["status"], "PUBLISHED");
    server.stop().await;
}

#[tokio::test]
async fn reports_of_enough_sources_hold_a_comment_once() {
    const REPORTS: &str = "{ moderation { comments(reportedOnly: true) {
        nodes { reports { reporter { id } reason note } }
    } } }";
    let server = TestServer::start_with(&["--reports-to-hold=3"]).await;
    let (ada, moderator) = (server.reader("ada"), moderator(&server));
    let id =
        ada.send(CREATE, json!({"body": "text"})).await["createComment"]["comment"]["id"].clone();
    let mut guests = Vec::new();
    for _ in 0..3 {
        let sign_in = "mutation { signInAsGuest(input: { name: \"G\" }) { token } }";
        let data = server.client().send(sign_in, json!({})).await;
        let token = data["signInAsGuest"]["token"]
            .as_str()
            .expect("a token")
            .to_owned();
        guests.push(server.client().with_token(&token));
    }
    let report = async |client: &Client| client.send(REPORT, json!({"id": id})).await;
    // All guests of one address are one source, and so is a reader who reports twice.
    for guest in &guests {
        report(guest).await;
    }
    for _ in 0..2 {
        report(&server.reader("bob")).await;
    }
    assert_eq!(page(&ada).await["commentCount"], 1);
    let queue = moderator.send(QUEUE, json!({})).await;
    assert_eq!(
        queue["moderation"]["queue"],
        json!({"pendingCount": 0, "reportedCount": 1})
    );
    let reports = moderator.send(REPORTS, json!({})).await;
    let reports = &reports["moderation"]["comments"]["nodes"][0]["reports"];
    assert_eq!(reports.as_array().expect("reports").len(), 4);
    assert_eq!(
        reports[3],
        json!({"reporter": {"id": "bob"}, "reason": "ABUSE", "note": "rude"})
    );

    report(&server.reader("cleo")).await;
    assert_eq!(
        page(&ada).await["commentCount"],
        0,
        "the third source holds it"
    );
    let refused = server
        .reader("dan")
        .refused(REPORT, json!({"id": id}))
        .await;
    assert_eq!(code(&refused), "NOT_FOUND");
    let item = moderator.send(APPROVE, json!({"id": id})).await;
    assert_eq!(item["approveComment"]["item"]["reason"], "REPORTS");
    // A moderator has seen it.
    for name in ["dan", "eve", "fay", "gus"] {
        report(&server.reader(name)).await;
    }
    assert_eq!(page(&ada).await["commentCount"], 1);
    server.stop().await;
}

#[tokio::test]
async fn pin_moves_and_goes_with_its_comment() {
    let server = TestServer::start().await;
    let (ada, moderator) = (server.reader("ada"), moderator(&server));
    let mut ids = Vec::new();
    for body in ["a", "b"] {
        let data = ada.send(CREATE, json!({"body": body})).await;
        ids.push(data["createComment"]["comment"]["id"].clone());
    }
    let pinned = async || page(&ada).await["pinnedComment"]["id"].take();
    for id in [&ids[0], &ids[1], &ids[1]] {
        let data = moderator.send(PIN, json!({"id": id})).await;
        assert_eq!(data["pinComment"]["post"]["pinnedComment"]["id"], *id);
        assert_eq!(pinned().await, *id);
    }
    // It is not this one that is pinned.
    moderator.send(UNPIN, json!({"id": ids[0]})).await;
    assert_eq!(pinned().await, ids[1]);
    moderator.send(REJECT, json!({"id": ids[1]})).await;
    assert_eq!(pinned().await, Value::Null);
    let refused = moderator.refused(PIN, json!({"id": ids[1]})).await;
    assert_eq!(code(&refused), "NOT_FOUND");
    moderator.send(APPROVE, json!({"id": ids[1]})).await;
    assert_eq!(pinned().await, Value::Null);
    moderator.send(PIN, json!({"id": ids[0]})).await;
    moderator.send(UNPIN, json!({"id": ids[0]})).await;
    assert_eq!(pinned().await, Value::Null);
    server.stop().await;
}

#[tokio::test]
async fn search_ignores_case_and_filters_combine() {
    const SEARCH: &str =
        "query($search: String, $author: ID, $status: CommentStatus, $after: String) {
        moderation { comments(
            search: $search, authorId: $author, status: $status, first: 2, after: $after
        ) { nodes { body } pageInfo { hasNextPage endCursor } } }
    }";
    let server = TestServer::start_with(&["--moderation=new-authors"]).await;
    let moderator = moderator(&server);
    for (name, body) in [
        ("ada", "Über Äpfel"),
        ("bob", "apples"),
        ("ada", "über nichts"),
        ("cleo", "ΟΔΥΣΣΕΑΣ in der Straße"),
        ("ada", "nothing"),
        ("ada", "ÜBER alles"),
    ] {
        submit(&server.reader(name), body).await;
    }
    let found = async |variables: Value| {
        let (mut bodies, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut variables = variables.clone();
            variables["after"] = after;
            let data = moderator.send(SEARCH, variables).await;
            let page = &data["moderation"]["comments"];
            let nodes = page["nodes"].as_array().expect("a list").iter();
            bodies.extend(nodes.map(|node| node["body"].as_str().expect("a text").to_owned()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                return bodies;
            }
        }
    };
    assert_eq!(
        found(json!({"search": "ÜBER"})).await,
        ["ÜBER alles", "über nichts", "Über Äpfel"]
    );
    for search in ["οδυσσεασ", "STRASSE"] {
        assert_eq!(found(json!({"search": search})).await.len(), 1, "{search}");
    }
    assert_eq!(found(json!({"author": "bob"})).await, ["apples"]);
    assert_eq!(
        found(json!({"search": "über", "author": "bob"})).await,
        [""; 0]
    );
    assert_eq!(found(json!({"status": "REJECTED"})).await, [""; 0]);
    assert_eq!(found(json!({"status": "PENDING"})).await.len(), 6);
    server.stop().await;
}

#[tokio::test]
async fn repeated_creation_answers_the_held_comment() {
    const KEYED: &str = "mutation { createComment(input: {
        postId: \"hello\", body: \"once\", idempotencyKey: \"k\"
    }) { status comment { id body } } }";
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    let server = TestServer::start_on(folder, &database, &["--moderation=all"]).await;
    let ada = server.reader("ada");
    let first = ada.send(KEYED, json!({})).await;
    assert_eq!(first["createComment"]["status"], "PENDING");
    assert_eq!(ada.send(KEYED, json!({})).await, first);
    let id = &first["createComment"]["comment"]["id"];
    moderator(&server).send(APPROVE, json!({"id": id})).await;
    let again = ada.send(KEYED, json!({})).await;
    assert_eq!(again["createComment"]["status"], "PUBLISHED");
    assert_eq!(page(&ada).await["commentCount"], 1);
    server.stop().await;
}

#[tokio::test]
async fn bans_in_effect_are_listed_newest_first() {
    const BANS: &str = "query($after: String) { moderation { bans(first: 2, after: $after) {
        nodes { userId bannedBy reason } pageInfo { hasNextPage endCursor }
    } } }";
    let server = TestServer::start().await;
    let moderator = moderator(&server);
    for user in ["ada", "bob", "cleo", "dan"] {
        let ban = "mutation($id: ID!) { banUser(input: { userId: $id, reason: \"spam\" }) { ban { userId } } }";
        moderator.send(ban, json!({"id": user})).await;
    }
    let unban = "mutation { unbanUser(input: { userId: \"cleo\" }) { wasBanned } }";
    moderator.send(unban, json!({})).await;
    let first = moderator.send(BANS, json!({})).await["moderation"]["bans"].take();
    let ban = |user: &str| json!({"userId": user, "bannedBy": "mod", "reason": "spam"});
    assert_eq!(first["nodes"], json!([ban("dan"), ban("bob")]));
    let after = json!({"after": first["pageInfo"]["endCursor"]});
    let second = moderator.send(BANS, after).await["moderation"]["bans"].take();
    assert_eq!(second["nodes"], json!([ban("ada")]));
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    let refused = moderator.refused(BANS, json!({"after": "x"})).await;
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    server.stop().await;
}

#[tokio::test]
async fn queue_is_told_after_changes_only_and_to_moderators() {
    const QUEUE_CHANGED: &str =
        "subscription { moderationQueueChanged { pendingCount reportedCount } }";
    let server = TestServer::start_with(&["--moderation=all"]).await;
    let authorization = |role| format!("Bearer {}", token("mod", "Mod", role));
    let mut socket = server.connect().await;
    socket
        .init(json!({"authorization": authorization(Role::Moderator)}))
        .await;
    socket.subscribe("s", QUEUE_CHANGED, json!({})).await;
    let queue = |pending: u32| json!({"pendingCount": pending, "reportedCount": 0});
    assert_eq!(socket.data("s").await["moderationQueueChanged"], queue(0));
    let ada = server.reader("ada");
    let id = submit(&ada, "one").await;
    assert_eq!(socket.data("s").await["moderationQueueChanged"], queue(1));
    // What changes neither length is no value: the next one is that of the second comment.
    ada.send(EDIT, json!({"id": id, "body": "edited"})).await;
    moderator(&server).refused(PIN, json!({"id": id})).await;
    submit(&ada, "two").await;
    assert_eq!(socket.data("s").await["moderationQueueChanged"], queue(2));
    // A token of a lower role ends the connection, and the client comes back without the stream.
    let renewal = json!({"authorization": authorization(Role::Reader)});
    socket
        .send(json!({"type": "ping", "payload": renewal}))
        .await;
    assert_eq!(socket.closed().await.0, 4403);

    let mut reader = server.reader_socket("ada").await;
    reader.subscribe("s", QUEUE_CHANGED, json!({})).await;
    let refused = reader.message().await;
    assert_eq!(code(&refused["payload"][0]), "FORBIDDEN");
    reader.close().await;
    server.stop().await;
}

#[tokio::test]
async fn restored_comment_still_is_its_own_clients() {
    const ADDED: &str = "subscription($after: Cursor) { commentAdded(postId: \"hello\", after: $after) { id body } }";
    let server = TestServer::start().await;
    let (ada, moderator) = (server.reader("ada").named("ada"), moderator(&server));
    let start = "{ post(id: \"hello\") { cursor } }";
    let start = ada.send(start, json!({})).await["post"]["cursor"].clone();
    let id = ada.comment("mine").await;
    moderator.send(REJECT, json!({"id": id})).await;
    moderator.send(APPROVE, json!({"id": id})).await;
    server.reader("bob").comment("another").await;
    let mut own = server.reader_socket("ada").await;
    own.subscribe("s", ADDED, json!({"after": start})).await;
    assert_eq!(own.data("s").await["commentAdded"]["body"], "another");
    // Its page learns of a rejection that it has missed.
    moderator.send(REJECT, json!({"id": id})).await;
    own.subscribe("c", CHANGED, json!({"after": start})).await;
    let changes = [own.data("c").await, own.data("c").await];
    let kinds: Vec<_> = changes
        .iter()
        .map(|data| &data["commentChanged"]["kind"])
        .collect();
    assert_eq!(kinds, ["ADDED", "DELETED"]);
    own.close().await;
    server.stop().await;
}

#[tokio::test]
async fn text_that_changed_since_its_approval_can_be_held_by_reports() {
    let server = TestServer::start_with(&["--reports-to-hold=1"]).await;
    let ada = server.reader("ada");
    let id = ada.comment("harmless").await;
    moderator(&server).send(APPROVE, json!({"id": id})).await;
    server.reader("bob").send(REPORT, json!({"id": id})).await;
    assert_eq!(page(&ada).await["commentCount"], 1);
    ada.send(EDIT, json!({"id": id, "body": "harmful"})).await;
    server.reader("bob").send(REPORT, json!({"id": id})).await;
    assert_eq!(page(&ada).await["commentCount"], 0);
    let by_id = "query($id: ID!) { comment(id: $id) { editedAt isDeleted } }";
    let tombstone = ada.send(by_id, json!({"id": id})).await;
    assert_eq!(
        tombstone["comment"],
        json!({"editedAt": null, "isDeleted": true})
    );
    server.stop().await;
}
