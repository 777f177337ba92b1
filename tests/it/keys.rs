//! Tokens that the host site signs with its own keys: which ones are accepted, and what happens if its keys
//! change or cannot be fetched.

use std::{net::SocketAddr, path::Path, sync::OnceLock};

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use causerie::model::{Role, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::port::free_port;
use tokio::net::TcpListener;

use crate::support::{
    Behaviour, Frame, Issuer, Key, Program, SECRET, TestServer, causerie, jwk_set, token,
    wait_until,
};

const ME: &str = "{ me { id } }";

/// Generating an RSA key takes seconds, so all tests share one.
fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::rsa("rsa"))
}

/// Returns the claims of a reader, valid for an hour.
fn claims() -> Value {
    json!({"sub": "ada", "name": "Ada", "exp": Timestamp::now().unix_seconds() + 3600})
}

/// Returns the claims extended by `more`.
fn with(more: Value) -> Value {
    let mut claims = claims();
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn shared(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// Returns the id of the token's user, or `None` if the server refuses the token as it should.
async fn user(server: &TestServer, token: &str) -> Option<String> {
    let reply = server
        .client()
        .with_token(token)
        .try_send(ME, json!({}))
        .await;
    match reply.status {
        StatusCode::OK => Some(
            reply.body["data"]["me"]["id"]
                .as_str()
                .expect("a user")
                .to_owned(),
        ),
        StatusCode::UNAUTHORIZED => {
            assert_eq!(
                reply.error()["extensions"]["code"],
                json!("UNAUTHENTICATED")
            );
            None
        }
        _ => panic!("{reply:?}"),
    }
}

async fn is_accepted(server: &TestServer, token: &str) -> bool {
    user(server, token).await.is_some()
}

/// Sends the token until it is accepted or refused as wanted.
async fn wait_until_accepted(server: &TestServer, token: &str, wanted: bool) {
    wait_until("the token's fate changes", async || {
        is_accepted(server, token).await == wanted
    })
    .await;
}

/// Returns true if a socket is acknowledged, and false if it is closed with 4403.
async fn socket_opens(server: &TestServer, token: &str) -> bool {
    let mut socket = server.connect().await;
    let payload = json!({"authorization": token});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    let is_open = match socket.next().await {
        Frame::Message(message) => {
            assert_eq!(message, json!({"type": "connection_ack"}));
            true
        }
        Frame::Close(code, reason) => {
            assert_eq!(code, 4403);
            assert!(reason.starts_with("The token is not valid"), "{reason}");
            false
        }
        Frame::End => panic!("no close frame"),
    };
    socket.vanish();
    is_open
}

#[tokio::test]
async fn tokens_of_each_key_type_and_of_the_secret_are_accepted() {
    let (p256, ed) = (Key::p256("p256"), Key::ed25519("ed"));
    let issuer = Issuer::start(&[rsa(), &p256, &ed]).await;
    let server = TestServer::start_with(&[&issuer.setting()]).await;
    for key in [rsa(), &p256, &ed] {
        let token = key.sign(&claims());
        assert_eq!(
            user(&server, &token).await.as_deref(),
            Some("ada"),
            "{}",
            key.id
        );
        assert!(socket_opens(&server, &token).await, "{}", key.id);
        // The same name and type, but another key.
        let other = match key.algorithm {
            Algorithm::ES256 => Key::p256(&key.id),
            Algorithm::EdDSA => Key::ed25519(&key.id),
            _ => continue,
        };
        assert!(
            !is_accepted(&server, &other.sign(&claims())).await,
            "{}",
            key.id
        );
    }
    assert!(is_accepted(&server, &shared(&claims())).await);
    let author = with(json!({"role": "author"}));
    let author = server.client().with_token(&ed.sign(&author));
    let create = "mutation { createPost(input: { id: \"p\", title: \"P\" }) { post { id } } }";
    author.send(create, json!({})).await;
    server.stop().await;
}

#[tokio::test]
async fn key_file_is_reread_when_a_token_names_an_unknown_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    let write = |path: &Path, keys: &[&Key]| {
        std::fs::write(path, jwk_set(keys).to_string()).expect("written");
    };
    let (old, new) = (Key::ed25519("old"), Key::p256("new"));
    write(&path, &[&old]);
    let setting = format!("--jwks={}", path.display());
    let server = TestServer::start_with(&[&setting]).await;
    assert!(is_accepted(&server, &old.sign(&claims())).await);
    write(&path, &[&new]);
    assert!(is_accepted(&server, &new.sign(&claims())).await);
    assert!(!is_accepted(&server, &old.sign(&claims())).await);
    server.stop().await;
}

#[tokio::test]
async fn first_token_of_a_new_key_is_accepted_on_http_and_websocket() {
    let (old, new, newer) = (Key::ed25519("1"), Key::ed25519("2"), Key::ed25519("3"));
    let issuer = Issuer::start(&[&old]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-cooldown=1ns"]).await;
    assert!(!is_accepted(&server, &new.sign(&claims())).await);
    issuer.publish(&[&old, &new]);
    assert!(is_accepted(&server, &new.sign(&claims())).await);
    issuer.publish(&[&new, &newer]);
    assert!(socket_opens(&server, &newer.sign(&claims())).await);
    assert!(!socket_opens(&server, &old.sign(&claims())).await);
    server.stop().await;
}

#[tokio::test]
async fn concurrent_tokens_of_a_new_key_share_one_fetch() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let issuer = Issuer::start(&[&old]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-cooldown=1h"]).await;
    assert_eq!(issuer.requests(), 1);
    issuer.publish(&[&new]);
    let token = new.sign(&claims());
    let all = (0..20).map(|_| is_accepted(&server, &token));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all, vec![true; 20]);
    assert_eq!(issuer.requests(), 2);
    server.stop().await;
}

#[tokio::test]
async fn unknown_kids_refetch_jwks_once_per_cooldown() {
    let key = Key::ed25519("key");
    let issuer = Issuer::start(&[&key]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-cooldown=1h"]).await;
    for number in 0..20 {
        let made_up = Key::ed25519(&number.to_string());
        assert!(!is_accepted(&server, &made_up.sign(&claims())).await);
        assert!(!socket_opens(&server, &made_up.sign(&claims())).await);
    }
    assert_eq!(issuer.requests(), 2);
    server.stop().await;
}

#[tokio::test]
async fn jwks_refresh_adds_new_keys_and_drops_removed_ones() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let issuer = Issuer::start(&[&old]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-refresh=20ms"]).await;
    let token = old.sign(&claims());
    assert!(is_accepted(&server, &token).await);
    issuer.publish(&[&new]);
    wait_until_accepted(&server, &token, false).await;
    assert!(is_accepted(&server, &new.sign(&claims())).await);
    server.stop().await;
}

#[tokio::test]
async fn invalid_jwks_response_keeps_the_known_keys() {
    let (key, other) = (Key::ed25519("key"), Key::ed25519("other"));
    let issuer = Issuer::start(&[&key]).await;
    let elsewhere = Issuer::start(&[&other]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-cooldown=1ns"]).await;
    let others = jwk_set(&[&other]);
    let many = json!({"keys": vec![other.public(); 101]});
    let mut large = others.clone();
    large["padding"] = json!("x".repeat(256 * 1024));
    let there = elsewhere.setting().replace("--jwks=", "");
    for behaviour in [
        Behaviour::Status(StatusCode::INTERNAL_SERVER_ERROR, others.clone()),
        Behaviour::Status(StatusCode::NOT_FOUND, others.clone()),
        Behaviour::Status(StatusCode::NO_CONTENT, json!("")),
        Behaviour::Redirect(there),
        Behaviour::Text(String::new()),
        Behaviour::Text("<html></html>".to_owned()),
        Behaviour::Text(others.to_string().replace("keys", "key")),
        Behaviour::Json(many),
        Behaviour::Json(large),
    ] {
        issuer.behave(behaviour.clone());
        let before = issuer.requests();
        assert!(
            !is_accepted(&server, &other.sign(&claims())).await,
            "{behaviour:?}"
        );
        assert!(issuer.requests() > before, "{behaviour:?}");
        assert!(
            is_accepted(&server, &key.sign(&claims())).await,
            "{behaviour:?}"
        );
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect was followed");
    server.stop().await;
}

#[tokio::test]
async fn unresponsive_jwks_times_out_and_delays_no_known_key() {
    let (key, other) = (Key::ed25519("key"), Key::ed25519("other"));
    let issuer = Issuer::start(&[&key]).await;
    let server = TestServer::start_with(&[&issuer.setting()]).await;
    issuer.behave(Behaviour::Never);
    let token = other.sign(&claims());
    let mut waiting = server.connect().await;
    let payload = json!({"authorization": token});
    waiting
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    issuer.wait_for_requests(2).await;
    // Known keys are accepted meanwhile, and the waiting socket still answers.
    assert!(is_accepted(&server, &key.sign(&claims())).await);
    assert_eq!(waiting.settle().await, Vec::<Value>::new());
    assert!(!is_accepted(&server, &token).await);
    assert_eq!(waiting.closed().await.0, 4403);
    waiting.vanish();
    server.stop().await;
}

#[tokio::test]
async fn stale_keys_are_trusted_until_max_stale_and_then_refused() {
    let key = Key::ed25519("key");
    let issuer = Issuer::start(&[&key]).await;
    let token = key.sign(&claims());
    let settings = [
        "--jwks-refresh=20ms",
        "--jwks-max-stale=1h",
        "--jwks-cooldown=1ns",
    ];
    let patient =
        TestServer::start_with(&[&[issuer.setting().as_str()], &settings[..]].concat()).await;
    issuer.behave(Behaviour::Status(StatusCode::BAD_GATEWAY, json!("")));
    // One fetch has failed, and another has begun.
    issuer.wait_for_requests(issuer.requests() + 2).await;
    assert!(is_accepted(&patient, &token).await);
    patient.stop().await;

    issuer.publish(&[&key]);
    let settings = [
        "--jwks-refresh=20ms",
        "--jwks-max-stale=100ms",
        "--jwks-cooldown=1ns",
    ];
    let strict =
        TestServer::start_with(&[&[issuer.setting().as_str()], &settings[..]].concat()).await;
    // A busy machine may fetch the keys later than they go stale.
    wait_until_accepted(&strict, &token, true).await;
    issuer.behave(Behaviour::Status(StatusCode::BAD_GATEWAY, json!("")));
    wait_until_accepted(&strict, &token, false).await;
    assert!(
        is_accepted(&strict, &shared(&claims())).await,
        "the secret is no key of it"
    );
    issuer.publish(&[&key]);
    wait_until_accepted(&strict, &token, true).await;
    strict.stop().await;
}

#[tokio::test]
async fn server_starts_without_jwks_and_fetches_them_later() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let setting = format!("--jwks=http://{address}/keys");
    let server = TestServer::start_with(&[&setting, "--jwks-cooldown=1ns"]).await;
    let key = Key::ed25519("key");
    let token = key.sign(&claims());
    assert!(!is_accepted(&server, &token).await);
    assert!(is_accepted(&server, &shared(&claims())).await);
    let listener = TcpListener::bind(address).await.expect("the port");
    let _issuer = Issuer::start_on(listener, &[&key]);
    wait_until_accepted(&server, &token, true).await;
    server.stop().await;
}

#[tokio::test]
async fn only_listed_algorithms_and_guest_tokens_are_accepted() {
    let (p256, ed) = (Key::p256("p256"), Key::ed25519("ed"));
    let issuer = Issuer::start(&[&p256, &ed]).await;
    let folder = tempfile::tempdir().expect("a folder");
    // The post is created while the secret is the host site's too.
    let folder = TestServer::start_in(folder, &[]).await.shut_down().await;
    let server =
        TestServer::start_bare(folder, &[&issuer.setting(), "--jwt-algorithms=ES256"]).await;
    assert!(is_accepted(&server, &p256.sign(&claims())).await);
    assert!(!is_accepted(&server, &ed.sign(&claims())).await);
    assert!(!is_accepted(&server, &shared(&claims())).await);
    let guest = guest(&server).await;
    assert!(is_accepted(&server, &guest).await);
    server.stop().await;
}

async fn guest(server: &TestServer) -> String {
    let sign_in = "mutation { signInAsGuest(input: { name: \"G\" }) { token } }";
    let data = server.client().send(sign_in, json!({})).await;
    data["signInAsGuest"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

#[tokio::test]
async fn token_needs_a_listed_issuer_and_a_listed_audience() {
    let ed = Key::ed25519("ed");
    let issuer = Issuer::start(&[&ed]).await;
    let folder = TestServer::start().await.shut_down().await;
    let server = TestServer::start_bare(
        folder,
        &[
            &issuer.setting(),
            "--jwt-issuer=https://a.example,https://b.example",
            "--jwt-audience=comments,forum",
        ],
    )
    .await;
    let (a, b) = ("https://a.example", "https://b.example");
    for (more, is_good) in [
        (json!({"iss": a, "aud": "comments"}), true),
        (json!({"iss": b, "aud": "forum"}), true),
        (json!({"iss": a, "aud": ["shop", "forum"]}), true),
        (json!({"iss": a}), false),
        (json!({"aud": "comments"}), false),
        (
            json!({"iss": "https://c.example", "aud": "comments"}),
            false,
        ),
        (
            json!({"iss": "https://a.example/", "aud": "comments"}),
            false,
        ),
        (json!({"iss": [a], "aud": "comments"}), false),
        (json!({"iss": a, "aud": "shop"}), false),
        (json!({"iss": a, "aud": []}), false),
        (json!({"iss": a, "aud": ["shop"]}), false),
        (json!({"iss": a, "aud": [7, "comments"]}), false),
        (json!({"iss": a, "aud": null}), false),
    ] {
        let claims = with(more);
        assert_eq!(
            is_accepted(&server, &ed.sign(&claims)).await,
            is_good,
            "{claims}"
        );
        assert_eq!(
            is_accepted(&server, &shared(&claims)).await,
            is_good,
            "{claims}"
        );
    }
    // A guest's token is this server's own, whatever issuers the setting lists.
    assert!(is_accepted(&server, &guest(&server).await).await);
    server.stop().await;
}

#[tokio::test]
async fn guest_identity_needs_own_key_guest_issuer_and_reader_role() {
    let ed = Key::ed25519("ed");
    let issuer = Issuer::start(&[&ed]).await;
    let server = TestServer::start_with(&[&issuer.setting()]).await;
    let guests = "urn:causerie:guests";
    let as_guest = with(json!({"sub": "guest:1", "iss": guests}));
    assert!(is_accepted(&server, &shared(&as_guest)).await);
    assert!(
        !is_accepted(&server, &ed.sign(&as_guest)).await,
        "by another's key"
    );
    for more in [
        json!({"sub": "guest:1"}),
        json!({"sub": "guest:1", "iss": "https://a.example"}),
        json!({"sub": "guest:1", "iss": guests, "role": "author"}),
        json!({"sub": "guest:1", "iss": guests, "role": "moderator"}),
        json!({"sub": "ada", "iss": guests}),
    ] {
        let claims = with(more);
        assert!(!is_accepted(&server, &shared(&claims)).await, "{claims}");
        assert!(!is_accepted(&server, &ed.sign(&claims)).await, "{claims}");
    }
    server.stop().await;
}

#[tokio::test]
async fn token_times_may_be_fractions_and_off_by_the_leeway() {
    let ed = Key::ed25519("ed");
    let issuer = Issuer::start(&[&ed]).await;
    let exact = TestServer::start_with(&[&issuer.setting(), "--jwt-leeway=0s"]).await;
    let lenient = TestServer::start_with(&[&issuer.setting(), "--jwt-leeway=5m"]).await;
    let now = Timestamp::now().unix_seconds();
    let half = |seconds: i64| json!(format!("{seconds}.5").parse::<f64>().expect("a number"));
    for (more, by_exact, by_lenient) in [
        (json!({"exp": half(now + 3600)}), true, true),
        (json!({"exp": half(now - 100)}), false, true),
        (json!({"exp": now - 100}), false, true),
        (json!({"exp": now - 301}), false, false),
        (json!({"nbf": now - 1}), true, true),
        (json!({"nbf": half(now - 1)}), true, true),
        (json!({"nbf": now + 100}), false, true),
        (json!({"nbf": half(now + 100)}), false, true),
        (json!({"nbf": now + 3000}), false, false),
        (json!({"nbf": null}), true, true),
        (json!({"exp": 1e300}), true, true),
        (json!({"exp": i64::MAX}), true, true),
        (json!({"exp": -1}), false, false),
        (json!({"exp": i64::MIN}), false, false),
        (json!({"exp": (now + 3600).to_string()}), false, false),
        (json!({"exp": null}), false, false),
        (json!({"exp": true}), false, false),
        (json!({"nbf": "soon"}), false, false),
    ] {
        let claims = with(more);
        for token in [ed.sign(&claims), shared(&claims)] {
            assert_eq!(is_accepted(&exact, &token).await, by_exact, "{claims}");
            assert_eq!(is_accepted(&lenient, &token).await, by_lenient, "{claims}");
        }
    }
    exact.stop().await;
    lenient.stop().await;
}

#[tokio::test]
async fn socket_closes_4403_at_token_expiry_plus_leeway() {
    let server = TestServer::start_with(&["--jwt-leeway=6s"]).await;
    let ended = with(json!({"exp": Timestamp::now().unix_seconds() - 1}));
    let mut socket = server.connect().await;
    socket.init(json!({"authorization": shared(&ended)})).await;
    assert_eq!(socket.closed().await, (4403, "Token expired".to_owned()));
    socket.vanish();
    server.stop().await;
}

/// Encodes a token of exactly this header and these claims, with this signature.
fn raw(header: &str, claims: &str, sign: impl FnOnce(&str) -> String) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(&message);
    format!("{message}.{signature}")
}

/// Signs with HS256 and any bytes as the secret.
fn hs256(secret: &[u8]) -> impl Fn(&str) -> String {
    move |message| {
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        signature.expect("a signature")
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let (p256, ed) = (Key::p256("p256"), Key::ed25519("ed"));
    let issuer = Issuer::start(&[rsa(), &p256, &ed]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-cooldown=1ns"]).await;
    let good = claims().to_string();
    let by = |key: &'static str| {
        let signer = match key {
            "ed" => &ed,
            "p256" => &p256,
            _ => rsa(),
        };
        let (signing, algorithm) = (signer.signing.clone(), signer.algorithm);
        move |message: &str| {
            jsonwebtoken::crypto::sign(message.as_bytes(), &signing, algorithm).expect("signed")
        }
    };
    let public = |key: &Key, name: &str| {
        let text = key.public()[name].as_str().expect("a text").to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("bytes");
        (text, bytes)
    };
    // The control: without it, the refusals below would show nothing.
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    assert!(is_accepted(&server, &raw(header, &good, by("ed"))).await);
    let hs = r#"{"alg":"HS256"}"#;
    assert!(is_accepted(&server, &raw(hs, &good, hs256(SECRET.as_bytes()))).await);

    let mut forged = vec![
        (
            "alg none",
            raw(r#"{"alg":"none"}"#, &good, |_| String::new()),
        ),
        (
            "alg None",
            raw(r#"{"alg":"None","kid":"ed"}"#, &good, by("ed")),
        ),
        ("no alg", raw(r#"{"kid":"ed"}"#, &good, by("ed"))),
        (
            "alg null",
            raw(r#"{"alg":null,"kid":"ed"}"#, &good, by("ed")),
        ),
        (
            "a list of algs",
            raw(r#"{"alg":["EdDSA"],"kid":"ed"}"#, &good, by("ed")),
        ),
        ("no signature", raw(header, &good, |_| String::new())),
        (
            "another kid",
            raw(r#"{"alg":"EdDSA","kid":"p256"}"#, &good, by("ed")),
        ),
        (
            "an unknown kid",
            raw(r#"{"alg":"EdDSA","kid":"../ed"}"#, &good, by("ed")),
        ),
        (
            "an empty kid",
            raw(r#"{"alg":"EdDSA","kid":""}"#, &good, by("ed")),
        ),
        (
            "another alg",
            raw(r#"{"alg":"ES256","kid":"ed"}"#, &good, by("ed")),
        ),
        (
            "another family's alg",
            raw(r#"{"alg":"RS256","kid":"p256"}"#, &good, by("p256")),
        ),
        (
            "an alg that is not taken",
            raw(r#"{"alg":"RS512","kid":"rsa"}"#, &good, by("rsa")),
        ),
        (
            "PSS",
            raw(r#"{"alg":"PS256","kid":"rsa"}"#, &good, by("rsa")),
        ),
        (
            "crit",
            raw(
                r#"{"alg":"EdDSA","kid":"ed","crit":["exp"],"exp":1}"#,
                &good,
                by("ed"),
            ),
        ),
        (
            "empty crit",
            raw(r#"{"alg":"EdDSA","kid":"ed","crit":[]}"#, &good, by("ed")),
        ),
        (
            "crit with the secret",
            raw(
                r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
                &good,
                hs256(SECRET.as_bytes()),
            ),
        ),
        (
            "alg twice",
            raw(
                r#"{"alg":"EdDSA","alg":"HS256","kid":"ed"}"#,
                &good,
                by("ed"),
            ),
        ),
        (
            "kid twice",
            raw(
                r#"{"alg":"EdDSA","kid":"p256","kid":"ed"}"#,
                &good,
                by("ed"),
            ),
        ),
        (
            "the secret under a public key's alg",
            raw(header, &good, hs256(SECRET.as_bytes())),
        ),
        (
            "HS512 of the secret",
            raw(r#"{"alg":"HS512"}"#, &good, hs256(SECRET.as_bytes())),
        ),
        ("four parts", raw(header, &good, by("ed")) + ".e30"),
        ("no header", raw("", &good, by("ed"))),
        ("a list for claims", raw(header, "[]", by("ed"))),
        ("no claims", raw(header, "", by("ed"))),
        (
            "huge",
            raw(
                header,
                &with(json!({"more": "x".repeat(20_000)})).to_string(),
                by("ed"),
            ),
        ),
        ("a key of its own", {
            let own = Key::ed25519("own");
            let header = json!({"alg": "EdDSA", "jwk": own.public()}).to_string();
            raw(&header, &good, |message| {
                jsonwebtoken::crypto::sign(message.as_bytes(), &own.signing, own.algorithm)
                    .expect("signed")
            })
        }),
    ];
    // Duplicates of sub, exp and name, of which two parsers may take different ones.
    for (what, twice) in [
        ("sub twice", r#""sub":"root","#),
        ("exp twice", r#""exp":9999999999,"#),
        ("name twice", r#""name":"Root","#),
    ] {
        let claims = good.replacen('{', &format!("{{{twice}"), 1);
        forged.push((what, raw(header, &claims, by("ed"))));
        forged.push((what, raw(hs, &claims, hs256(SECRET.as_bytes()))));
    }
    let roles = good.replacen('{', r#"{"role":"reader","role":"moderator","#, 1);
    forged.push(("role twice", raw(header, &roles, by("ed"))));
    // The public parts of each key in every form, used as the secret.
    let whole = |key: &Key| key.public().to_string().into_bytes();
    let mut known = vec![whole(rsa()), whole(&p256), whole(&ed), Vec::new()];
    for (key, names) in [
        (rsa(), &["n", "e"][..]),
        (&p256, &["x", "y"]),
        (&ed, &["x"]),
    ] {
        for name in names {
            let (text, bytes) = public(key, name);
            known.extend([text.into_bytes(), bytes]);
        }
    }
    let (_, x) = public(&p256, "x");
    let (_, y) = public(&p256, "y");
    known.push([&[4], &x[..], &y].concat());
    for (number, bytes) in known.iter().enumerate() {
        for header in [
            hs,
            r#"{"alg":"HS256","kid":"ed"}"#,
            r#"{"alg":"HS256","kid":"rsa"}"#,
        ] {
            let token = raw(header, &good, hs256(bytes));
            assert!(!is_accepted(&server, &token).await, "{number}: {header}");
        }
    }
    for (what, token) in &forged {
        assert!(!is_accepted(&server, token).await, "{what}: {token}");
    }
    for (what, token) in &forged {
        assert!(!socket_opens(&server, token).await, "{what}: {token}");
    }
    server.stop().await;
}

#[tokio::test]
async fn token_without_kid_needs_exactly_one_key_of_its_algorithm() {
    let (one, two) = (Key::ed25519("one"), Key::ed25519("two"));
    let issuer = Issuer::start(&[&one, &Key::p256("other")]).await;
    let server = TestServer::start_with(&[&issuer.setting(), "--jwks-refresh=20ms"]).await;
    let nameless = raw(r#"{"alg":"EdDSA"}"#, &claims().to_string(), |message| {
        jsonwebtoken::crypto::sign(message.as_bytes(), &one.signing, one.algorithm).expect("signed")
    });
    assert!(is_accepted(&server, &nameless).await);
    issuer.publish(&[&one, &two]);
    wait_until_accepted(&server, &nameless, false).await;
    server.stop().await;
}

#[tokio::test]
async fn token_command_sets_the_configured_issuer_and_audience() {
    let settings = ["--jwt-issuer=https://a.example", "--jwt-audience=comments"];
    let folder = TestServer::start().await.shut_down().await;
    let server = TestServer::start_bare(folder, &settings).await;
    let mut command = causerie(&["token", "--sub=ada", "--name=Ada", "--role=reader"]);
    command.args(settings).arg(format!("--jwt-secret={SECRET}"));
    let printed = Program::run(&mut command).await.stdout;
    assert!(is_accepted(&server, printed.trim()).await);
    assert!(!is_accepted(&server, &token("ada", "Ada", Role::Reader)).await);
    server.stop().await;
}
