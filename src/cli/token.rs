//! `causerie token`: a token for development, as the host site would sign it.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::AuthConfig,
    model::{Role, Timestamp, User, UserId},
    text::{MAX_URL_BYTES, web_url},
};
use clap::Args;

use super::Error;

#[derive(Args)]
pub(super) struct Arguments {
    /// The user's id.
    #[arg(long, value_parser = user_id)]
    sub: UserId,
    /// The user's name.
    #[arg(long)]
    name: String,
    /// The user's role: reader, author or moderator.
    #[arg(long)]
    role: Role,
    /// The user's picture, an http or https URL.
    #[arg(long, value_parser = picture)]
    picture: Option<String>,
    /// Lifetime of the token.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    expires_in: Duration,
    #[command(flatten)]
    auth: AuthConfig,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    if arguments.auth.jwt_secret.is_none() {
        return Err("JWT_SECRET (--jwt-secret): must be set to sign a token".into());
    }
    let now = Timestamp::now();
    let principal = Principal {
        user: User {
            id: arguments.sub.clone(),
            name: arguments.name.as_str().into(),
            avatar: arguments.picture.as_deref().map(Into::into),
            role: arguments.role,
        },
        issued_at: Some(now),
        expires_at: now.plus(arguments.expires_in),
    };
    let authenticator = Authenticator::new(&arguments.auth)?;
    let token = authenticator.sign(&principal)?;
    // A token that this server would refuse is not printed.
    authenticator.authenticate(&token, now)?;
    println!("{token}");
    Ok(())
}

fn user_id(text: &str) -> Result<UserId, &'static str> {
    let id = UserId::parse(text).ok_or(UserId::RULE)?;
    if id.is_reserved() {
        return Err(UserId::UNRESERVED_RULE);
    }
    Ok(id)
}

fn picture(text: &str) -> Result<String, String> {
    let rule = || format!("must be an http or https URL of at most {MAX_URL_BYTES} bytes");
    web_url(text).ok_or_else(rule)
}
