use std::net::IpAddr;

use futures_util::FutureExt;

use super::*;
use crate::{config::ReactionContents, error::Kind};

fn limits(rate_limits: Switch) -> Limits {
    let config = WritingConfig {
        rate_limits,
        ..config()
    };
    Limits::new(&config, &Registry::new())
}

pub(super) fn config() -> WritingConfig {
    WritingConfig {
        edit_window: Duration::from_secs(1),
        rate_limits: Switch::On,
        comments_per_user: 3,
        comments_per_address: 5,
        mutations_per_user: 6,
        mutations_per_moderator: 7,
        typing_per_user: 4,
        guests_per_address: 2,
        reply_depth: 1,
        reactions: ReactionContents(Vec::new()),
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn address(text: &str) -> Option<ClientAddress> {
    Some(text.parse::<IpAddr>().unwrap().into())
}

/// Counts a comment that is stored.
fn comment(limits: &Limits, name: &str, from: Option<ClientAddress>) -> Result<(), Error> {
    comment_with(limits, name, from, Ok(()))
}

fn comment_with(
    limits: &Limits,
    name: &str,
    from: Option<ClientAddress>,
    result: Result<(), Error>,
) -> Result<(), Error> {
    let user = user(name);
    let writing = limits.comment(&user, Role::Reader, from, async { result });
    writing.now_or_never().unwrap()
}

/// Counts a guest who is admitted.
fn guest(limits: &Limits, from: Option<ClientAddress>) -> Result<(), Error> {
    limits.guest(from, async { Ok(()) }).now_or_never().unwrap()
}

fn wait(result: Result<(), Error>) -> Duration {
    match result {
        Err(Error::RateLimited { retry_after }) => retry_after,
        other => panic!("not limited: {other:?}"),
    }
}

#[test]
fn typing_burst_is_allowed_then_refused_with_retry_after() {
    let limits = limits(Switch::On);
    for _ in 0..10 {
        limits.typing(&user("ada")).unwrap();
    }
    let retry_after = wait(limits.typing(&user("ada")));
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(250));
    limits.typing(&user("bob")).unwrap();
}

#[test]
fn comments_are_limited_by_user_and_by_address() {
    let limits = limits(Switch::On);
    let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
    for _ in 0..3 {
        comment(&limits, "ada", here).unwrap();
    }
    // The user's fourth comment, from any address.
    assert!(wait(comment(&limits, "ada", there)) <= Duration::from_secs(20));
    // The sixth comment from an address, by any user.
    comment(&limits, "bob", here).unwrap();
    comment(&limits, "bob", here).unwrap();
    assert!(wait(comment(&limits, "cleo", here)) <= Duration::from_secs(12));
    comment(&limits, "cleo", there).unwrap();
    comment(&limits, "cleo", None).unwrap();
}

#[test]
fn refused_comment_gives_both_budgets_back() {
    let limits = limits(Switch::On);
    let here = address("192.0.2.1");
    for _ in 0..100 {
        let refused = Err(Error::NotFound(Kind::Post));
        let result = comment_with(&limits, "ada", here, refused);
        assert!(matches!(result, Err(Error::NotFound(_))), "{result:?}");
    }
    for name in ["ada", "ada", "ada", "bob", "bob"] {
        comment(&limits, name, here).unwrap();
    }
    wait(comment(&limits, "ada", address("192.0.2.2")));
    // The address refuses the comment, and the user's budget is full again.
    for _ in 0..100 {
        wait(comment(&limits, "cleo", here));
    }
    for _ in 0..3 {
        comment(&limits, "cleo", address("192.0.2.2")).unwrap();
    }
}

#[test]
fn comment_whose_outcome_is_unknown_counts() {
    let limits = limits(Switch::On);
    for _ in 0..3 {
        let unknown = Err(Error::OutcomeUnknown("lost".into()));
        assert!(comment_with(&limits, "ada", None, unknown).is_err());
    }
    wait(comment(&limits, "ada", None));
}

#[test]
fn guests_are_limited_by_address() {
    let limits = limits(Switch::On);
    let (here, there) = (address("2001:db8::1"), address("2001:db8:0:1::1"));
    guest(&limits, here).unwrap();
    guest(&limits, address("2001:db8::2")).unwrap();
    assert!(wait(guest(&limits, here)) <= Duration::from_secs(30));
    guest(&limits, there).unwrap();
    guest(&limits, None).unwrap();
}

#[test]
fn limits_switched_off_refuse_nothing() {
    let limits = limits(Switch::Off);
    let here = address("192.0.2.1");
    for _ in 0..1000 {
        limits.typing(&user("ada")).unwrap();
        comment(&limits, "ada", here).unwrap();
        guest(&limits, here).unwrap();
    }
}
