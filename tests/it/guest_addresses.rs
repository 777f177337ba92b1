//! Bans of addresses: for a time no guest signs in from the addresses that a banned guest used.

use causerie::model::{Role, Timestamp};
use serde_json::{Value, json};

use crate::{
    limits::code,
    support::{Client, TestServer, another_program, run, token},
};

const SIGN_IN: &str = "mutation { signInAsGuest(input: { name: \"G\" }) { token user { id } } }";
const BAN: &str = "mutation($user: ID!, $seconds: Int) {
    banUser(input: { userId: $user, banAddressFor: $seconds }) { ban { userId } }
}";
const UNBAN: &str = "mutation($user: ID!) { unbanUser(input: { userId: $user }) { wasBanned } }";
const EDIT: &str = "mutation($id: ID!) { editComment(input: { id: $id, body: \"c\" }) { status } }";
const REPORT: &str = "mutation($id: ID!) {
    reportComment(input: { commentId: $id, reason: SPAM }) { commentId }
}";
const DAY: i64 = 24 * 60 * 60;
const SETTINGS: [&str; 1] = ["--trusted-proxies=127.0.0.1"];

/// A guest: their id, and a client with their token at the address where they signed in.
struct Guest {
    id: Value,
    client: Client,
    token: String,
}

impl Guest {
    async fn at(server: &TestServer, address: &str) -> Self {
        let client = server.client().behind(address);
        let data = client.send(SIGN_IN, json!({})).await;
        let signed_in = &data["signInAsGuest"];
        let token = signed_in["token"].as_str().expect("a token").to_owned();
        Self {
            id: signed_in["user"]["id"].clone(),
            client: client.with_token(&token),
            token,
        }
    }

    /// Returns the same guest at another address.
    fn moved(&self, server: &TestServer, address: &str) -> Client {
        server.client().behind(address).with_token(&self.token)
    }
}

fn moderator(server: &TestServer) -> Client {
    let token = token("boss", "Boss", Role::Moderator);
    server.client().with_token(&token)
}

async fn ban(server: &TestServer, user: &Value, seconds: Value) {
    let variables = json!({"user": user, "seconds": seconds});
    moderator(server).send(BAN, variables).await;
}

/// Returns true if a guest can sign in from this address.
async fn admits(server: &TestServer, address: &str) -> bool {
    let client = server.client().behind(address);
    let reply = client.try_send(SIGN_IN, json!({})).await;
    match reply.body.get("errors") {
        None => true,
        Some(_) => {
            assert_eq!(code(&reply.error()), "FORBIDDEN");
            false
        }
    }
}

#[tokio::test]
async fn banned_address_admits_no_guest_on_any_node() {
    let server = TestServer::start_with(&SETTINGS).await;
    let other = server.beside(&SETTINGS).await;
    let guest = Guest::at(&server, "2001:db8:1:2::1").await;
    guest.client.comment("spam").await;
    assert!(admits(&server, "2001:db8:1:2::2").await);
    ban(&server, &guest.id, json!(3600)).await;
    for node in [&server, &other] {
        // An IPv6 client is its /64.
        assert!(!admits(node, "2001:db8:1:2::2").await);
        assert!(admits(node, "2001:db8:1:3::1").await);
    }
    // Users with a token of the site are not concerned.
    let ada = server.reader("ada").behind("2001:db8:1:2::1");
    ada.comment("text").await;
    let lifted = moderator(&other)
        .send(UNBAN, json!({"user": guest.id}))
        .await;
    assert_eq!(lifted["unbanUser"]["wasBanned"], true);
    assert!(admits(&server, "2001:db8:1:2::2").await);
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn every_kind_of_write_stores_the_address_of_a_guest() {
    let server = TestServer::start_with(&SETTINGS).await;
    let guest = Guest::at(&server, "192.0.2.1").await;
    let id = guest.client.comment("text").await;
    let edit = guest.moved(&server, "192.0.2.2");
    edit.send(EDIT, json!({"id": id})).await;
    let report = guest.moved(&server, "192.0.2.3");
    let reported = server.reader("ada").comment("text").await;
    report.send(REPORT, json!({"id": reported})).await;
    let silent = guest.moved(&server, "192.0.2.4");
    silent.send("{ me { id } }", json!({})).await;
    ban(&server, &guest.id, json!(3600)).await;
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert!(!admits(&server, address).await, "{address}");
    }
    assert!(admits(&server, "192.0.2.4").await);
    server.stop().await;
}

#[tokio::test]
async fn address_ban_without_a_guest_or_a_time_bans_the_user_only() {
    let server = TestServer::start_with(&SETTINGS).await;
    let here = "192.0.2.1";
    let guest = Guest::at(&server, here).await;
    guest.client.comment("spam").await;
    server.reader("ada").behind(here).comment("spam").await;
    ban(&server, &guest.id, Value::Null).await;
    ban(&server, &json!("ada"), json!(3600)).await;
    assert!(admits(&server, here).await);
    let refused = guest.client.refused(EDIT, json!({"id": "none"})).await;
    assert_eq!(code(&refused), "FORBIDDEN");
    // Who is banned already may be banned with their addresses later.
    ban(&server, &guest.id, json!(1)).await;
    ban(&server, &guest.id, json!(30 * DAY)).await;
    assert!(!admits(&server, here).await);
    server.stop().await;
}

#[tokio::test]
async fn address_ban_beyond_its_bounds_is_bad_user_input() {
    let server = TestServer::start_with(&SETTINGS).await;
    let guest = Guest::at(&server, "192.0.2.1").await;
    guest.client.comment("spam").await;
    for seconds in [0, -1, 30 * DAY + 1] {
        let variables = json!({"user": guest.id, "seconds": seconds});
        let refused = moderator(&server).refused(BAN, variables).await;
        assert_eq!(code(&refused), "BAD_USER_INPUT", "{seconds}");
        assert_eq!(refused["extensions"]["field"], "banAddressFor");
    }
    guest.client.comment("not banned").await;
    ban(&server, &guest.id, json!(30 * DAY)).await;
    assert!(!admits(&server, "192.0.2.1").await);
    server.stop().await;
}

#[tokio::test]
async fn address_ban_ends_by_itself() {
    let server = TestServer::start_with(&SETTINGS).await;
    let guest = Guest::at(&server, "192.0.2.1").await;
    guest.client.comment("spam").await;
    ban(&server, &guest.id, json!(3600)).await;
    assert!(!admits(&server, "192.0.2.1").await);
    let other = another_program(&server.database()).await;
    let now = Timestamp::now().0;
    run(
        &other,
        &format!("UPDATE banned_address SET ends_at = {now}"),
    )
    .await;
    assert!(admits(&server, "192.0.2.1").await);
    server.stop().await;
}

#[tokio::test]
async fn address_is_kept_for_30_days_after_the_guest_wrote() {
    let server = TestServer::start_with(&SETTINGS).await;
    let other = another_program(&server.database()).await;
    let age = async |days: i64| {
        let millis = days * DAY * 1000;
        let sql = format!("UPDATE guest_address SET written_at = written_at - {millis}");
        run(&other, &sql).await;
    };
    let (old, recent) = (
        Guest::at(&server, "192.0.2.1").await,
        Guest::at(&server, "192.0.2.2").await,
    );
    old.client.comment("text").await;
    recent.client.comment("text").await;
    age(20).await;
    // A write from elsewhere keeps the earlier addresses too.
    recent.moved(&server, "192.0.2.3").comment("text").await;
    age(11).await;
    Guest::at(&server, "192.0.2.4")
        .await
        .client
        .comment("text")
        .await;
    for guest in [&old, &recent] {
        ban(&server, &guest.id, json!(3600)).await;
    }
    assert!(admits(&server, "192.0.2.1").await);
    assert!(!admits(&server, "192.0.2.2").await);
    assert!(!admits(&server, "192.0.2.3").await);
    server.stop().await;
}

#[tokio::test]
async fn addresses_of_a_guest_are_bounded_and_the_latest_is_kept() {
    let server = TestServer::start_with(&SETTINGS).await;
    let guest = Guest::at(&server, "192.0.2.1").await;
    for last in 1..=40 {
        let client = guest.moved(&server, &format!("192.0.2.{last}"));
        client.comment("text").await;
    }
    ban(&server, &guest.id, json!(3600)).await;
    let mut banned = 0;
    for last in 1..=40 {
        let is_banned = !admits(&server, &format!("192.0.2.{last}")).await;
        banned += usize::from(is_banned);
    }
    assert_eq!(banned, 32);
    assert!(!admits(&server, "192.0.2.40").await);
    server.stop().await;
}

#[tokio::test]
async fn database_has_no_address_in_clear() {
    let server = TestServer::start_with(&SETTINGS).await;
    let guest = Guest::at(&server, "192.0.2.1").await;
    guest.client.comment("spam").await;
    ban(&server, &guest.id, json!(3600)).await;
    let other = another_program(&server.database()).await;
    for table in ["guest_address", "banned_address"] {
        let hashes = addresses(&other, table).await;
        let [hash] = hashes.as_slice() else {
            panic!("not one address: {hashes:?}");
        };
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hash, "{hash}");
    }
    server.stop().await;
}

/// Reads the column `address` of a table.
async fn addresses(database: &sea_orm::DatabaseConnection, table: &str) -> Vec<String> {
    use sea_orm::{ConnectionTrait, Statement};
    let sql = format!("SELECT address FROM {table}");
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.expect("rows");
    let rows = rows.iter().map(|row| row.try_get("", "address"));
    rows.collect::<Result<_, _>>().expect("texts")
}
