//! Who is asking: bearer tokens (JWT, RFC 7519) in, identities out.
//!
//! The algorithm is fixed here and never read from a token, so a token that names another, or
//! `none`, is refused (RFC 8725, section 3.1).

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    config::{AuthConfig, Secret},
    error::Error,
    model::{Comment, MAX_NAME_CHARS, Role, Timestamp, User, UserId},
};

const ALGORITHM: Algorithm = Algorithm::HS256;

/// A user whose token was good, and until when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl Identity {
    /// `Forbidden` unless the role is at least `role`.
    pub fn require(&self, role: Role) -> Result<(), Error> {
        if self.role >= role {
            Ok(())
        } else {
            Err(Error::Forbidden("Your role does not allow this."))
        }
    }

    /// Whether a comment may be edited now: by its author until `window` has passed since it was
    /// added, by a moderator at any time.
    pub fn may_edit(
        &self,
        comment: &Comment,
        window: std::time::Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.role == Role::Moderator {
            return Ok(());
        }
        if comment.author.id != self.user.id {
            return Err(Error::Forbidden("Only its author may edit a comment."));
        }
        if now.since(comment.created_at) > window {
            return Err(Error::Forbidden(
                "The time for editing this comment is over.",
            ));
        }
        Ok(())
    }

    /// Whether a comment may be deleted: by its author or a moderator, at any time.
    pub fn may_delete(&self, comment: &Comment) -> Result<(), Error> {
        if self.role == Role::Moderator || comment.author.id == self.user.id {
            Ok(())
        } else {
            Err(Error::Forbidden("Only its author may delete a comment."))
        }
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It ended.
    #[error("The token has expired.")]
    Expired,
    /// It is not a token, not signed with this server's secret, or lacks a claim.
    #[error("The token is not valid.")]
    Invalid,
}

/// The claims that are read and written; others of the host site's are ignored.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default = "reader")]
    role: Role,
    exp: i64,
}

fn reader() -> Role {
    Role::Reader
}

/// Checks tokens and signs them.
pub struct Authenticator {
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// With the secret of the configuration, or a random one, of which it warns.
    pub fn new(config: &AuthConfig) -> Self {
        match &config.jwt_secret {
            Some(secret) => {
                if secret.reveal().len() < 32 {
                    tracing::warn!("JWT_SECRET is shorter than 32 bytes: it can be guessed");
                }
                Self::with_secret(secret)
            }
            None => {
                tracing::warn!(
                    "no JWT_SECRET is set: tokens are signed with a random one and end with this process"
                );
                Self::with_secret(&random_secret())
            }
        }
    }

    /// With this secret.
    pub fn with_secret(secret: &Secret) -> Self {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_required_spec_claims(&["exp", "sub"]);
        // The library would compare with the machine's clock; `authenticate` compares with its
        // argument.
        validation.validate_exp = false;
        // Which audiences are meant is not configured, so the claim says nothing here.
        validation.validate_aud = false;
        let key = secret.reveal().as_bytes();
        Self {
            decoding: DecodingKey::from_secret(key),
            encoding: EncodingKey::from_secret(key),
            validation,
        }
    }

    /// The identity that a token proves at `now`.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let expires_at = Timestamp::from_unix_seconds(claims.exp);
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        let name: String = claims
            .name
            .trim()
            .chars()
            .filter(|character| !character.is_control())
            // The host site's own rules for names may differ: a long one is shown cut.
            .take(MAX_NAME_CHARS)
            .collect();
        if name.is_empty() {
            return Err(TokenError::Invalid);
        }
        Ok(Identity {
            user: User {
                id: UserId::parse(&claims.sub).ok_or(TokenError::Invalid)?,
                name: name.into(),
                avatar: claims
                    .picture
                    .filter(|url| !url.contains('\0'))
                    .filter(|url| Url::parse(url).is_ok_and(|url| url.scheme() == "https"))
                    .map(Into::into),
            },
            role: claims.role,
            expires_at,
        })
    }

    /// A token that proves `identity`. Its end is rounded down to a second.
    pub fn sign(&self, identity: &Identity) -> Result<String, Error> {
        let claims = Claims {
            sub: identity.user.id.to_string(),
            name: identity.user.name.to_string(),
            picture: identity.user.avatar.as_deref().map(str::to_owned),
            role: identity.role,
            exp: identity.expires_at.unix_seconds(),
        };
        jsonwebtoken::encode(&Header::new(ALGORITHM), &claims, &self.encoding)
            .map_err(|error| Error::Internal(Box::new(error)))
    }
}

/// Takes the token out of a header's or payload's value, with or without `Bearer ` in any case.
pub fn bearer(value: &str) -> &str {
    let value = value.trim();
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_start(),
        _ => value,
    }
}

fn random_secret() -> Secret {
    Secret::new(
        uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            user: User {
                id: UserId::parse("u1").unwrap(),
                name: "Ada".into(),
                avatar: Some("https://example.org/a.png".into()),
            },
            role: Role::Author,
            expires_at: Timestamp(2_000_000),
        }
    }

    fn authenticator(secret: &str) -> Authenticator {
        Authenticator::with_secret(&Secret::new(secret))
    }

    fn signed(claims: serde_json::Value) -> String {
        jsonwebtoken::encode(
            &Header::new(ALGORITHM),
            &claims,
            &EncodingKey::from_secret(b"one"),
        )
        .unwrap()
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let ours = authenticator("one");
        let token = ours.sign(&identity()).unwrap();
        assert_eq!(ours.authenticate(&token, Timestamp(0)), Ok(identity()));
    }

    #[test]
    fn a_token_ends_at_the_instant_that_it_names() {
        let ours = authenticator("one");
        let token = ours.sign(&identity()).unwrap();
        assert!(ours.authenticate(&token, Timestamp(1_999_999)).is_ok());
        assert_eq!(
            ours.authenticate(&token, Timestamp(2_000_000)),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn another_secret_or_another_algorithm_or_none_is_refused() {
        let ours = authenticator("one");
        let forged = authenticator("two").sign(&identity()).unwrap();
        assert_eq!(
            ours.authenticate(&forged, Timestamp(0)),
            Err(TokenError::Invalid)
        );

        let hs512 = jsonwebtoken::encode(
            &Header::new(Algorithm::HS512),
            &serde_json::json!({"sub": "u1", "name": "Ada", "exp": 9_000_000}),
            &EncodingKey::from_secret(b"one"),
        )
        .unwrap();
        assert_eq!(
            ours.authenticate(&hs512, Timestamp(0)),
            Err(TokenError::Invalid)
        );

        // {"alg":"none","typ":"JWT"} . {"sub":"u1","name":"Ada","exp":9000000}
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1MSIsIm5hbWUiOiJBZGEiLCJleHAiOjkwMDAwMDB9.";
        assert_eq!(
            ours.authenticate(none, Timestamp(0)),
            Err(TokenError::Invalid)
        );
        assert_eq!(
            ours.authenticate("", Timestamp(0)),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_token_without_sub_name_or_exp_is_refused() {
        let ours = authenticator("one");
        for claims in [
            serde_json::json!({"name": "Ada", "exp": 9_000_000}),
            serde_json::json!({"sub": "u1", "exp": 9_000_000}),
            serde_json::json!({"sub": "u1", "name": "Ada"}),
            serde_json::json!({"sub": "", "name": "Ada", "exp": 9_000_000}),
            serde_json::json!({"sub": "u\u{0}1", "name": "Ada", "exp": 9_000_000}),
            serde_json::json!({"sub": "u1", "name": "  ", "exp": 9_000_000}),
            serde_json::json!({"sub": "u1", "name": "Ada", "role": "king", "exp": 9_000_000}),
        ] {
            assert_eq!(
                ours.authenticate(&signed(claims.clone()), Timestamp(0)),
                Err(TokenError::Invalid),
                "{claims}"
            );
        }
    }

    #[test]
    fn a_picture_that_is_not_https_is_left_out_and_a_missing_role_is_reader() {
        let token = signed(serde_json::json!(
            {"sub": "u1", "name": "Ada", "picture": "javascript:alert(1)", "exp": 9_000_000, "aud": "x"}
        ));
        let identity = authenticator("one")
            .authenticate(&token, Timestamp(0))
            .unwrap();
        assert_eq!(identity.user.avatar, None);
        assert_eq!(identity.role, Role::Reader);
    }

    #[test]
    fn the_word_bearer_may_stand_before_a_token_in_any_case() {
        for value in [
            "abc",
            "Bearer abc",
            "bearer abc",
            "BEARER  abc",
            " Bearer abc ",
        ] {
            assert_eq!(bearer(value), "abc");
        }
    }
}
