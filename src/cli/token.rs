//! `causerie token`: a token for development, as the host site would sign it.

use std::time::Duration;

use causerie::{
    auth::{Authenticator, Principal},
    config::AuthConfig,
    model::{Role, Timestamp, User, UserId},
};
use clap::Args;

use super::Error;

#[derive(Args)]
pub(super) struct Arguments {
    /// The user's id.
    #[arg(long)]
    sub: String,
    /// The user's name.
    #[arg(long)]
    name: String,
    /// The user's role: reader, author or moderator.
    #[arg(long, value_parser = role)]
    role: Role,
    /// The user's picture, an https URL.
    #[arg(long)]
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
    let principal = Principal {
        user: User {
            id: UserId::parse(&arguments.sub).ok_or("--sub: must be 1 to 255 bytes")?,
            name: arguments.name.as_str().into(),
            avatar: arguments.picture.as_deref().map(Into::into),
        },
        role: arguments.role,
        expires_at: Timestamp::now().plus(arguments.expires_in),
    };
    println!("{}", Authenticator::new(&arguments.auth)?.sign(&principal)?);
    Ok(())
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "reader" => Ok(Role::Reader),
        "author" => Ok(Role::Author),
        "moderator" => Ok(Role::Moderator),
        _ => Err("must be reader, author or moderator".into()),
    }
}
