//! Mutations: permissions, input rules, and the resulting events.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::Secret,
    model::{Role, Timestamp, User, UserId},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{SECRET, TestServer, token, wait_until};

const EDIT: &str = "mutation($id: ID!, $body: String! = \"better\") {
    editComment(input: { id: $id, body: $body }) { comment { ...C } }
} fragment C on Comment { id body isDeleted editedAt replyCount cursor author { id name avatar } }";
const DELETE: &str = "mutation($id: ID!) {
    deleteComment(input: { id: $id }) { comment { ...C } }
} fragment C on Comment { id body isDeleted editedAt replyCount cursor author { id name avatar } }";
const SET_TYPING: &str = "mutation($post: ID!, $on: Boolean! = true) {
    setTyping(input: { postId: $post, isTyping: $on }) { isTyping }
}";
const SIGN_IN: &str = "mutation($name: String!) {
    signInAsGuest(input: { name: $name }) { token expiresAt user { id name avatar } }
}";
const CHANGED: &str = "subscription($after: Cursor) {
    commentChanged(postId: \"hello\", after: $after) { kind cursor comment { ...C } }
} fragment C on Comment { id body isDeleted editedAt replyCount cursor author { id name avatar } }";

fn code(error: &Value) -> Value {
    error["extensions"]["code"].clone()
}

/// Returns the cursor of `hello` and the list of posts, which stay equal if nothing was changed.
async fn feed_state(server: &TestServer) -> Value {
    let query = "{ post(id: \"hello\") { cursor } posts { nodes { id } } }";
    server.client().send(query, json!({})).await
}

#[tokio::test]
async fn guest_sign_in_is_forbidden_if_guests_are_off() {
    let server = TestServer::start_with(&["--allow-guests=false"]).await;
    let error = server
        .client()
        .refused(SIGN_IN, json!({"name": "Ada"}))
        .await;
    assert_eq!(code(&error), json!("FORBIDDEN"));
    server.stop().await;
}

#[tokio::test]
async fn guest_token_is_a_readers_with_the_chosen_name() {
    let server = TestServer::start_with(&["--guest-token-lifetime=2h"]).await;
    let expiry = || {
        let expiry = Timestamp::now().plus(Duration::from_secs(2 * 3600));
        expiry.unix_seconds()
    };
    let before = expiry();
    let mut data = server
        .client()
        .send(SIGN_IN, json!({"name": " Ada "}))
        .await;
    let expiries = before..=expiry();
    let payload = data["signInAsGuest"].take();
    assert_eq!(payload["user"]["name"], json!("Ada"));
    assert_eq!(payload["user"]["avatar"], json!(null));
    let id = payload["user"]["id"].as_str().expect("an id");
    assert!(id.starts_with("guest:"), "{id}");
    let identity = Authenticator::with_secret(&Secret::new(SECRET))
        .authenticate(
            payload["token"].as_str().expect("a token"),
            Timestamp::now(),
        )
        .expect("a good token");
    assert_eq!(
        (identity.user.id.as_str(), identity.user.role),
        (id, Role::Reader)
    );
    assert!(expiries.contains(&identity.expires_at.unix_seconds()));
    let again = server.client().send(SIGN_IN, json!({"name": "Ada"})).await;
    assert_ne!(
        again["signInAsGuest"]["user"]["id"], payload["user"]["id"],
        "two guests of one name"
    );
    server.stop().await;
}

/// A rule of one input field.
struct Rule {
    field: &'static str,
    /// A mutation that takes the value as `$value`, or `$id` if it is an ID, and returns it as `value`.
    mutation: String,
    /// Values that are taken, each with its stored form.
    good: Vec<(String, String)>,
    bad: Vec<String>,
}

impl Rule {
    /// Returns the request for `value`. An operation may declare only the variables that it uses.
    fn request(&self, value: &str, edited: &str) -> (String, Value) {
        let fresh = uuid::Uuid::new_v4().to_string();
        let (mut declared, mut variables) = (String::new(), json!({}));
        for (name, of, value) in [
            ("value", "String!", value),
            ("id", "ID!", value),
            ("fresh", "ID!", &fresh),
            ("edited", "ID!", edited),
        ] {
            if self.mutation.contains(&format!("${name}")) {
                declared += &format!("${name}: {of} ");
                variables[name] = json!(value);
            }
        }
        (
            format!("mutation({declared}) {{ {} }}", self.mutation),
            variables,
        )
    }
}

/// Texts that show nothing.
const INVISIBLE: &[&str] = &[
    "",
    " ",
    "\t\r\n\u{a0}\u{3000}",
    "\u{0}",
    "\u{1}",
    "\u{7f}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{200e}\u{202e}",
    "\u{2060}\u{feff}",
    "\u{2800}",
    "\u{3164}",
    "\u{fe0f}",
    "\u{e0041}",
];

/// Returns texts at the bounds of "1 to `longest` characters after cleaning", and beyond them.
fn lengths(field: &'static str, mutation: &str, longest: usize, good: &[(&str, &str)]) -> Rule {
    let mut rule = Rule {
        field,
        mutation: mutation.to_owned(),
        good: pairs(good),
        bad: texts(INVISIBLE),
    };
    rule.good.extend(same(&[
        "x",
        "<script>",
        "'; DROP TABLE comment; --",
        "\u{1f630}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
    ]));
    for character in ["x", "é", "\u{1F600}"] {
        let text = character.repeat(longest);
        rule.good.push((format!("  {text}\n"), text.clone()));
        rule.bad.push(text.clone() + character);
        rule.good.push((text.clone(), text));
    }
    rule
}

#[tokio::test]
async fn inputs_are_validated_at_and_beyond_their_bounds() {
    let server = TestServer::start().await;
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let edited = moderator.comment("to be edited").await;
    let create = |id: &str, title: &str, url: &str, taken: &str| {
        format!(
            "createPost(input: {{ id: {id}, title: {title}, url: {url} }}) {{
                post {{ value: {taken} }}
            }}"
        )
    };
    let sign_in = "signInAsGuest(input: { name: $value }) { user { value: name } }";
    let comment =
        "createComment(input: { postId: \"hello\", body: $value }) { comment { value: body } }";
    let edit = "editComment(input: { id: $edited, body: $value }) { comment { value: body } }";
    let line = [
        (" \t\r\n x \u{3000}", "x"),
        ("a\nb\u{7}\tc", "a b c"),
        ("a\u{0}b", "a b"),
        ("\u{202e}nimdA\u{2069}", "nimdA"),
        ("\u{5d3}\u{5e0}\u{5d4}", "\u{5d3}\u{5e0}\u{5d4}"),
    ];
    let body = [
        ("a\nb", "a\nb"),
        (" \t\r\n x \u{3000}", " x"),
        ("\n\n\tif x:\n\t\ty()\n\n", "\tif x:\n\t\ty()"),
    ];
    let mut bodies = [comment, edit].map(|mutation| lengths("body", mutation, 10_000, &body));
    for rule in &mut bodies {
        rule.bad.push("a\u{0}b".to_owned());
    }
    let [comment, edit] = bodies;
    let mut name = lengths("name", sign_in, 80, &line);
    // A longer name is truncated, and refused if only what is cut off is visible.
    let is_long = |name: &mut String| name.chars().count() > 80;
    for long in name.bad.extract_if(.., is_long) {
        let kept = long.chars().take(80).collect();
        name.good.push((long, kept));
    }
    name.bad.push(format!("{}x", "\u{3164}".repeat(80)));
    let title = create("$fresh", "$value", "null", "title");
    let rules = [
        name,
        comment,
        edit,
        lengths("title", &title, 300, &line),
        Rule {
            field: "url",
            mutation: create("$fresh", "\"T\"", "$value", "url"),
            good: pairs(&[
                ("http://a", "http://a/"),
                (
                    " HTTPS://Example.org/a?b=c&d=%20#e",
                    "https://example.org/a?b=c&d=%20#e",
                ),
                ("https://[::1]:8080/", "https://[::1]:8080/"),
                ("https://a/\"<>", "https://a/%22%3C%3E"),
            ]),
            bad: texts(&[
                "",
                "a",
                "//a",
                "/a",
                "ftp://a",
                "javascript:alert(1)",
                "data:text/html,x",
                "https://",
                "https:/a",
                "https://a b",
                "https://a\u{0}",
                "https://a\nb",
                &format!("https://a/{}", "x".repeat(2048)),
            ]),
        },
        Rule {
            field: "id",
            mutation: create("$id", "\"T\"", "null", "id"),
            good: same(&[
                "x",
                "AZaz09._~:/-",
                "/%E4%BD%A0%E5%A5%BD",
                "/\u{4f60}\u{597d}",
                "/\u{fc}ber",
                "/u\u{308}ber",
                "/?p=1&q=%20#c",
                "/tag/c++,@user(a)='!*>$",
                "<",
                "\u{200b}",
                &"x".repeat(512),
                &"\u{1F600}".repeat(128),
            ]),
            bad: texts(&[
                "",
                " ",
                " a",
                "a b",
                "a\nb",
                "a\u{3000}b",
                "a\u{0}",
                "a\u{7f}",
                "a\u{85}",
                &"x".repeat(513),
                &"\u{1F600}".repeat(129),
            ]),
        },
    ];
    for rule in &rules {
        for (value, stored) in &rule.good {
            let (mutation, variables) = rule.request(value, &edited);
            let answer = moderator.send(&mutation, variables).await.to_string();
            let taken = json!({"value": stored}).to_string();
            assert!(answer.contains(&taken), "{mutation} {value:?}: {answer}");
        }
        let before = feed_state(&server).await;
        for value in &rule.bad {
            let (mutation, variables) = rule.request(value, &edited);
            let error = moderator.refused(&mutation, variables).await;
            let extensions = json!({"code": "BAD_USER_INPUT", "field": rule.field});
            assert_eq!(error["extensions"], extensions, "{mutation} {value:?}");
        }
        assert_eq!(
            feed_state(&server).await,
            before,
            "{}: a refusal changes nothing",
            rule.field
        );
    }
    server.stop().await;
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn same(texts: &[&str]) -> Vec<(String, String)> {
    pairs(&texts.iter().map(|&text| (text, text)).collect::<Vec<_>>())
}

fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(value, stored): &(&str, &str)| (value.to_owned(), stored.to_owned());
    texts.iter().map(owned).collect()
}

#[tokio::test]
async fn parent_must_be_a_comment_of_the_same_post() {
    let server = TestServer::start().await;
    let author = server.client().with_token(&token("a", "A", Role::Author));
    author
        .send(
            "mutation { createPost(input: { id: \"other\", title: \"T\" }) { post { id } } }",
            json!({}),
        )
        .await;
    let foreign = author
        .create_comment(json!({"postId": "other", "body": "b"}))
        .await;
    let before = feed_state(&server).await;
    for parent in [
        foreign["id"].clone(),
        json!("0198c0de-0000-7000-8000-000000000000"),
        json!("hello"),
        json!(""),
        json!(7),
    ] {
        let mutation = "mutation($parent: ID) { createComment(input: { postId: \"hello\", body: \"b\", parentId: $parent }) { comment { id } } }";
        let error = author.refused(mutation, json!({"parent": parent})).await;
        let extensions = json!({"code": "BAD_USER_INPUT", "field": "parentId"});
        assert_eq!(error["extensions"], extensions, "{parent}");
    }
    assert_eq!(
        feed_state(&server).await,
        before,
        "a reply that was refused took no place"
    );
    let parent = author
        .create_comment(json!({"body": "b", "parentId": null}))
        .await;
    assert_eq!(parent["parentId"], json!(null));
    let reply = author
        .create_comment(json!({"body": "b", "parentId": parent["id"]}))
        .await;
    let nested = author
        .create_comment(json!({"body": "b", "parentId": reply["id"]}))
        .await;
    assert_eq!(
        (&reply["parentId"], &nested["parentId"]),
        (&parent["id"], &reply["id"])
    );
    // A tombstone is not replied to, whether it is listed or not.
    for deleted in [&parent, &nested] {
        author.send(DELETE, json!({"id": deleted["id"]})).await;
        let reply = "mutation($parent: ID!) {
            createComment(input: { postId: \"hello\", body: \"b\", parentId: $parent }) { comment { id } }
        }";
        let error = author
            .refused(reply, json!({"parent": deleted["id"]}))
            .await;
        assert_eq!(error["extensions"], json!({"code": "CONFLICT"}));
    }
    server.stop().await;
}

#[tokio::test]
async fn mutation_of_an_unknown_id_is_not_found() {
    let server = TestServer::start().await;
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let create = "mutation($post: ID!) { createComment(input: { postId: $post, body: \"b\" }) { comment { id } } }";
    for id in [
        "unknown",
        "",
        "a b",
        "é",
        "\u{0}",
        "0198c0de-0000-7000-8000-000000000000",
    ] {
        for (mutation, variables) in [
            (create, json!({"post": id})),
            (SET_TYPING, json!({"post": id, "on": true})),
            (SET_TYPING, json!({"post": id, "on": false})),
            (EDIT, json!({"id": id})),
            (DELETE, json!({"id": id})),
        ] {
            let error = moderator.refused(mutation, variables).await;
            assert_eq!(
                error["extensions"],
                json!({"code": "NOT_FOUND"}),
                "{id:?} {mutation}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn post_id_is_unique() {
    let server = TestServer::start().await;
    let author = server.client().with_token(&token("a", "A", Role::Author));
    let create =
        "mutation { createPost(input: { id: \"hello\", title: \"Another\" }) { post { id } } }";
    let error = author.refused(create, json!({})).await;
    assert_eq!(error["extensions"], json!({"code": "CONFLICT"}));
    let data = author
        .send("{ post(id: \"hello\") { title } }", json!({}))
        .await;
    assert_eq!(data, json!({"post": {"title": "Hello"}}));
    server.stop().await;
}

#[tokio::test]
async fn edit_window_limits_only_the_authors_edits() {
    let server = TestServer::start_with(&["--edit-window=1ms"]).await;
    let ada = server.reader("ada");
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let id = ada.comment("mine").await;
    let written = Timestamp::now();
    wait_until("the window is over", async || {
        Timestamp::now().since(written) > Duration::from_millis(1)
    })
    .await;
    let error = ada.refused(EDIT, json!({"id": id})).await;
    assert_eq!(code(&error), json!("FORBIDDEN"));
    let data = moderator.send(EDIT, json!({"id": id})).await;
    let comment = &data["editComment"]["comment"];
    assert_eq!(
        (&comment["body"], &comment["author"]["id"]),
        (&json!("better"), &json!("ada"))
    );
    let data = ada.send(DELETE, json!({"id": id})).await;
    assert_eq!(data["deleteComment"]["comment"]["isDeleted"], json!(true));
    server.stop().await;
}

#[tokio::test]
async fn tombstone_refuses_edits_and_ignores_deletion() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let id = ada.comment("mine").await;
    let deleted = ada.send(DELETE, json!({"id": id})).await;
    let before = feed_state(&server).await;
    let mut socket = server.socket().await;
    let after = &before["post"]["cursor"];
    socket
        .subscribe("c", CHANGED, json!({"after": after}))
        .await;
    assert!(socket.settle().await.is_empty());
    for user in [&ada, &moderator] {
        let error = user.refused(EDIT, json!({"id": id})).await;
        assert_eq!(error["extensions"], json!({"code": "CONFLICT"}));
        assert_eq!(user.send(DELETE, json!({"id": id})).await, deleted);
    }
    assert_eq!(
        code(
            &server
                .reader("eve")
                .refused(DELETE, json!({"id": id}))
                .await
        ),
        json!("FORBIDDEN")
    );
    assert_eq!(feed_state(&server).await, before);
    assert!(
        socket.settle().await.is_empty(),
        "nothing was changed, so there is nothing to tell"
    );
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn edit_and_deletion_reach_readers_with_the_resulting_state() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let moderator = server
        .client()
        .with_token(&token("m", "M", Role::Moderator));
    let mut socket = server.socket().await;
    // Without `after`, a comment written while the stream starts may precede its start.
    let start = feed_state(&server).await["post"]["cursor"].take();
    socket
        .subscribe("c", CHANGED, json!({"after": start}))
        .await;

    let id = ada.comment("first").await;
    let added = socket.data("c").await["commentChanged"].take();
    assert_eq!(
        (&added["kind"], &added["comment"]["body"]),
        (&json!("ADDED"), &json!("first"))
    );
    let mut answer = ada.send(EDIT, json!({"id": id})).await;
    let edited = socket.data("c").await["commentChanged"].take();
    assert_eq!(
        (&edited["kind"], &edited["comment"]["body"]),
        (&json!("EDITED"), &json!("better"))
    );
    assert_eq!(edited["comment"], answer["editComment"]["comment"].take());
    let mut answer = moderator.send(DELETE, json!({"id": id})).await;
    let deleted = socket.data("c").await["commentChanged"].take();
    assert_eq!(
        (&deleted["kind"], &deleted["comment"]["body"]),
        (&json!("DELETED"), &json!(""))
    );
    assert_eq!(
        deleted["comment"],
        answer["deleteComment"]["comment"].take()
    );

    assert_eq!(
        added["cursor"], added["comment"]["cursor"],
        "a comment's place is that of its addition"
    );
    assert_eq!(added["cursor"], deleted["comment"]["cursor"]);
    assert_eq!(
        deleted["cursor"],
        feed_state(&server).await["post"]["cursor"]
    );
    assert_ne!(edited["cursor"], deleted["cursor"]);
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn token_of_the_latest_comment_sets_users_name_and_avatar() {
    let server = TestServer::start().await;
    let ada = |name: &str, avatar: Option<&str>| {
        let identity = Principal {
            user: User {
                id: UserId::parse("u1").expect("an id"),
                name: name.into(),
                avatar: avatar.map(Into::into),
                role: Role::Reader,
            },
            issued_at: None,
            expires_at: Timestamp::now().plus(Duration::from_secs(60)),
        };
        let token = Authenticator::with_secret(&Secret::new(SECRET)).sign(&identity);
        server.client().with_token(&token.expect("a token"))
    };
    let first = ada("Ada", None).comment("first").await;
    let shown = async || {
        let query = "query($id: ID!) { comment(id: $id) { author { id name avatar } } }";
        server.client().send(query, json!({"id": first})).await["comment"]["author"].take()
    };
    let (one, two) = ("https://example.org/1.png", "https://example.org/2.png");
    let mut before = json!({"id": "u1", "name": "Ada", "avatar": null});
    for (name, avatar) in [
        ("Ada L.", None),
        ("Ada L.", Some(one)),
        ("Ada L.", Some(two)),
        ("A.", None),
        ("Ada", Some(one)),
    ] {
        let user = ada(name, avatar);
        // Reading changes no user.
        user.send("{ me { id } }", json!({})).await;
        assert_eq!(shown().await, before);
        let written = user.create_comment(json!({"body": "again"})).await;
        before = json!({"id": "u1", "name": name, "avatar": avatar});
        assert_eq!(written["author"], before);
        assert_eq!(shown().await, before);
    }
    let long = "é".repeat(81);
    let written = ada(&long, None)
        .create_comment(json!({"body": "long"}))
        .await;
    assert_eq!(
        written["author"]["name"],
        json!("é".repeat(80)),
        "a long name of the host site's is cut"
    );
    server.stop().await;
}

#[tokio::test]
async fn typing_beyond_its_rate_limit_gets_a_valid_retry_time() {
    let server = TestServer::start_with(&["--rate-limits=on"]).await;
    let (ada, bob) = (server.reader("ada"), server.reader("bob"));
    let variables = json!({"post": "hello", "on": false});
    // One request after another could be slower than the limit on a busy machine.
    let burst =
        async || join_all((0..50).map(|_| ada.try_send(SET_TYPING, variables.clone()))).await;
    let first = burst().await;
    assert!(first.iter().any(|reply| reply.body.get("errors").is_none()));
    let error = loop {
        let reply = ada.try_send(SET_TYPING, variables.clone()).await;
        if reply.body.get("errors").is_some() {
            break reply.error();
        }
        burst().await;
    };
    assert_eq!(code(&error), json!("RATE_LIMITED"));
    let millis = error["extensions"]["retryAfterMs"]
        .as_u64()
        .expect("a number");
    assert!(millis > 0);
    bob.send(SET_TYPING, variables.clone()).await;
    // The test sleeps because the server's own retry time is under test: after it, the request must succeed.
    tokio::time::sleep(Duration::from_millis(millis)).await;
    ada.send(SET_TYPING, variables).await;
    server.stop().await;
}

#[tokio::test]
async fn rate_limits_that_are_off_limit_nothing() {
    let server = TestServer::start().await;
    let ada = server.reader("ada");
    let sent = (0..100).map(|_| ada.send(SET_TYPING, json!({"post": "hello", "on": false})));
    for data in join_all(sent).await {
        assert_eq!(data, json!({"setTyping": {"isTyping": false}}));
    }
    server.stop().await;
}

#[tokio::test]
async fn mutation_lacking_a_variable_is_refused_before_it_executes() {
    let server = TestServer::start().await;
    let two = "mutation($id: ID!) {
        first: createComment(input: { postId: \"hello\", body: \"b\" }) { comment { id } }
        second: deleteComment(input: { id: $id }) { comment { id } }
    }";
    let before = feed_state(&server).await;
    for variables in [json!({}), json!({"id": null}), json!({"ID": "x"})] {
        let error = server.reader("ada").refused(two, variables).await;
        assert_eq!(code(&error), json!("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(feed_state(&server).await, before);
    }
    server.stop().await;
}
