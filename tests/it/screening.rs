//! The screening of comments: blocked words, links, and a check on a real socket.

use std::{fs, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use causerie::{
    error::Error,
    model::{CommentId, HoldReason, Post, PostId, Role, Seq, Timestamp, User, UserId},
    moderation::{Screening, SetupError, Submission},
    telemetry::Registry,
};
use hmac::{Hmac, KeyInit, Mac};
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Behaviour, Checker, settings, wait_until};

const KEY: [u8; 32] = [7; 32];
const PRIVATE: &str = "--webhook-allow-private=on";

/// A screening with its metrics.
struct Fixture {
    screening: Screening,
    registry: Registry,
}

impl Fixture {
    fn new(arguments: &[&str]) -> Self {
        let registry = Registry::new();
        let screening = Screening::new(&settings(arguments).moderation, &registry);
        Self {
            screening: screening.expect("settings"),
            registry,
        }
    }

    fn with_check(url: &str, arguments: &[&str]) -> Self {
        let (url, secret) = (format!("--check-url={url}"), secret());
        let check = [url.as_str(), secret.as_str()];
        Self::new(&[&check[..], arguments].concat())
    }

    async fn screen(&self, body: &str) -> Result<Option<HoldReason>, Error> {
        self.screen_of(Role::Reader, body).await
    }

    async fn screen_of(&self, role: Role, body: &str) -> Result<Option<HoldReason>, Error> {
        let (post, author) = (post(), author(role));
        self.screening
            .screen(&submission(&post, &author, body), || Ok(()))
            .await
    }

    /// Returns the number of checks with this outcome.
    fn checks(&self, outcome: &str) -> u64 {
        let sample = format!("causerie_checks_total{{outcome=\"{outcome}\"}} ");
        let metrics = self.registry.render();
        let count = metrics.lines().find_map(|line| line.strip_prefix(&sample));
        count.and_then(|count| count.parse().ok()).expect("a count")
    }
}

fn secret() -> String {
    format!("--check-secret=whsec_{}", STANDARD.encode(KEY))
}

fn verdict(verdict: &str) -> Behaviour {
    Behaviour::Json(json!({"verdict": verdict}))
}

fn post() -> Post {
    Post {
        id: PostId::parse("hello").expect("an id"),
        title: "Hello, world".to_owned(),
        url: Some("https://blog.example/hello".to_owned()),
        created_at: Timestamp(0),
        comment_count: 0,
        seq: Seq(0),
        version: 0,
        detail_version: 0,
        is_open: true,
        moderation: None,
        pinned: None,
        last_comment_at: None,
    }
}

fn author(role: Role) -> User {
    User {
        id: UserId::parse("ada").expect("an id"),
        name: "Ada".into(),
        avatar: None,
        role,
    }
}

fn submission<'a>(post: &'a Post, author: &'a User, body: &'a str) -> Submission<'a> {
    Submission {
        post,
        author,
        body,
        parent: None,
        edited: None,
        address: None,
        user_agent: None,
        referrer: None,
    }
}

#[tokio::test]
async fn nothing_is_held_by_default() {
    let fixture = Fixture::new(&[]);
    let body = "https://a.example https://b.example https://c.example";
    assert_eq!(fixture.screen(body).await.expect("a decision"), None);
}

#[tokio::test]
async fn first_test_that_matches_gives_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words.txt");
    fs::write(&path, "# Fish\nfish\nbuy now\n").expect("a file");
    let words = format!("--blocked-words={}", path.display());
    let checker = Checker::start(verdict("hold")).await;
    let fixture = Fixture::with_check(&checker.url(), &[PRIVATE, "--hold-links=1", &words]);
    let (one, two) = ("https://a.example", "[a](https://a.example) www.b.example");
    for (body, reason) in [
        (format!("FISH {two}"), HoldReason::BlockedWord),
        (two.to_owned(), HoldReason::Links),
        (one.to_owned(), HoldReason::Check),
    ] {
        let held = fixture.screen(&body).await.expect("a decision");
        assert_eq!(held, Some(reason), "{body}");
        for role in [Role::Author, Role::Moderator] {
            let exempt = fixture.screen_of(role, &body).await.expect("a decision");
            assert_eq!(exempt, None, "{role:?}: {body}");
        }
    }
    assert_eq!(
        checker.received().len(),
        1,
        "only the last needed the check"
    );
}

#[tokio::test]
async fn changed_words_take_effect_while_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words.txt");
    fs::write(&path, "fish").expect("a file");
    let fixture = Fixture::new(&[&format!("--blocked-words={}", path.display())]);
    let is_held = async |body| fixture.screen(body).await.expect("a decision").is_some();
    assert!(is_held("fish").await && !is_held("meat").await);
    let changed = async {
        fs::write(&path, "meat and fish\nmeat").expect("a file");
        wait_until("the new list", async || is_held("meat").await).await;
        assert!(!is_held("fish").await);
    };
    tokio::select! {
        () = fixture.screening.run() => unreachable!("it runs until it is dropped"),
        () = changed => {}
    }
}

#[tokio::test]
async fn verdict_of_the_check_decides() {
    let checker = Checker::start(verdict("publish")).await;
    let fixture = Fixture::with_check(&checker.url(), &[PRIVATE]);
    assert_eq!(fixture.screen("a").await.expect("a decision"), None);
    checker.behave(verdict("hold"));
    let held = fixture.screen("a").await.expect("a decision");
    assert_eq!(held, Some(HoldReason::Check));
    checker.behave(verdict("reject"));
    let error = fixture.screen("a").await.expect_err("a refusal");
    assert!(
        matches!(error, Error::BadUserInput { field: "body", .. }),
        "{error:?}"
    );
    for outcome in ["publish", "hold", "reject"] {
        assert_eq!(fixture.checks(outcome), 1, "{outcome}");
    }
    assert_eq!(fixture.checks("failed"), 0);
}

#[tokio::test]
async fn request_of_a_check_is_signed_and_complete() {
    let checker = Checker::start(verdict("publish")).await;
    let fixture = Fixture::with_check(&checker.url(), &[PRIVATE]);
    let (post, guest) = (post(), UserId::new_guest());
    let author = User {
        id: guest.clone(),
        ..author(Role::Reader)
    };
    let (parent, edited) = (CommentId::new(), CommentId::new());
    let full = Submission {
        parent: Some(parent),
        edited: Some(edited),
        address: Some("203.0.113.7".parse::<IpAddr>().expect("an address").into()),
        user_agent: Some("Mozilla/5.0"),
        referrer: Some("https://blog.example/"),
        ..submission(&post, &author, "Hello \"you\"")
    };
    for submission in [full, submission(&post, &author, "Hi")] {
        let decided = fixture.screening.screen(&submission, || Ok(())).await;
        assert_eq!(decided.expect("a decision"), None);
    }

    let requests = checker.received();
    let [edit, new] = requests.as_slice() else {
        panic!("two requests: {requests:?}");
    };
    let sent: Value = serde_json::from_slice(&edit.body).expect("JSON");
    let author = json!({"id": guest.as_str(), "name": "Ada", "role": "reader", "isGuest": true});
    let page = json!({"id": "hello", "title": "Hello, world", "url": "https://blog.example/hello"});
    assert_eq!(
        sent,
        json!({
            "post": page,
            "comment": {
                "id": edited.to_string(),
                "body": "Hello \"you\"",
                "parentId": parent.to_string(),
                "isEdit": true,
            },
            "author": author,
            "address": "203.0.113.7",
            "userAgent": "Mozilla/5.0",
            "referrer": "https://blog.example/",
        })
    );
    let sent: Value = serde_json::from_slice(&new.body).expect("JSON");
    assert_eq!(
        sent,
        json!({
            "post": page,
            "comment": {"id": null, "body": "Hi", "parentId": null, "isEdit": false},
            "author": author,
            "address": null,
            "userAgent": null,
            "referrer": null,
        })
    );
    for request in [edit, new] {
        assert_eq!(request.headers["content-type"], "application/json");
        let header = |name| request.headers[name].to_str().expect("a text");
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let age = Timestamp::now().unix_seconds() - at.parse::<i64>().expect("a time");
        assert!((0..60).contains(&age), "{at}");
        let signed = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
        let signed = signed
            .chain_update(format!("{id}.{at}."))
            .chain_update(&request.body);
        let expected = format!("v1,{}", STANDARD.encode(signed.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), expected);
    }
    assert_ne!(edit.headers["webhook-id"], new.headers["webhook-id"]);
}

#[tokio::test]
async fn failing_check_holds_and_is_counted() {
    let elsewhere = Checker::start(verdict("publish")).await;
    let checker = Checker::start(verdict("publish")).await;
    let fixture = Fixture::with_check(&checker.url(), &[PRIVATE]);
    let publish = json!({"verdict": "publish"});
    let mut large = publish.clone();
    large["padding"] = json!("x".repeat(4 * 1024));
    let failures = [
        Behaviour::Status(StatusCode::INTERNAL_SERVER_ERROR, publish.clone()),
        Behaviour::Status(StatusCode::NOT_FOUND, publish.clone()),
        Behaviour::Redirect(elsewhere.url()),
        Behaviour::Text(String::new()),
        Behaviour::Text("publish".to_owned()),
        Behaviour::Json(json!({"verdict": "maybe"})),
        Behaviour::Json(json!(["publish"])),
        Behaviour::Json(large),
        Behaviour::Never,
    ];
    for (failed, behaviour) in (1..).zip(failures) {
        checker.behave(behaviour.clone());
        let held = fixture.screen("a").await.expect("a decision");
        assert_eq!(held, Some(HoldReason::Check), "{behaviour:?}");
        assert_eq!(fixture.checks("failed"), failed, "{behaviour:?}");
    }
    assert!(elsewhere.received().is_empty(), "a redirect was followed");
    let url = checker.url();
    drop(checker);
    let fixture = Fixture::with_check(&url, &[PRIVATE]);
    let held = fixture.screen("a").await.expect("a decision");
    assert_eq!(held, Some(HoldReason::Check));
}

#[tokio::test]
async fn private_address_is_not_asked_unless_allowed() {
    let checker = Checker::start(verdict("publish")).await;
    let port = checker.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let fixture = Fixture::with_check(&format!("http://{host}:{port}/check"), &[]);
        let held = fixture.screen("a").await.expect("a decision");
        assert_eq!(held, Some(HoldReason::Check), "{host}");
        assert_eq!(fixture.checks("failed"), 1, "{host}");
    }
    assert!(checker.received().is_empty());
    let url = format!("http://localhost:{port}/check");
    let allowed = Fixture::with_check(&url, &[PRIVATE]);
    assert_eq!(allowed.screen("a").await.expect("a decision"), None);
}

#[test]
fn check_and_secret_need_each_other() {
    let error = |argument: &str| {
        let config = settings(&[argument]).moderation;
        Screening::new(&config, &Registry::new()).expect_err("a refusal")
    };
    let url = "--check-url=https://check.example/";
    assert!(matches!(error(url), SetupError::NoSecret));
    assert!(matches!(error(&secret()), SetupError::NoUrl));
}
