//! Checking tokens and signing them.
//!
//! Which algorithms are taken is configured and never read from a token (RFC 8725, section 3.1), and
//! each has keys of its own: a token that is signed with HS256 is held to the secret and to nothing
//! else, so the bytes of a public key, which everybody has, prove nothing.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode_header};

use super::{
    claims::{Rules, Verified},
    identity::Identity,
    jwks::Jwks,
    keys::Verifier,
    source::KeysError,
};
use crate::{
    config::{AuthConfig, JwtAlgorithm, Secret},
    error::Error,
    model::Timestamp,
};

/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It ended.
    #[error("The token has expired.")]
    Expired,
    /// It begins later.
    #[error("The token is not valid yet.")]
    NotYet,
    /// It is not a token, not signed with a key that is known here, or lacks a claim.
    #[error("The token is not valid.")]
    Invalid,
    /// It names a public key that is not known here, yet.
    #[error("The token is not valid.")]
    UnknownKey,
}

/// Why tokens cannot be checked as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An algorithm was named whose keys are nowhere.
    #[error("JWT_ALGORITHMS (--jwt-algorithms): RS256, ES256 and EdDSA need JWKS (--jwks)")]
    NoKeys,
    /// Public keys were named for which there is no algorithm.
    #[error("JWKS (--jwks): JWT_ALGORITHMS (--jwt-algorithms) names none of RS256, ES256, EdDSA")]
    NoAlgorithm,
    /// The public keys cannot be read.
    #[error("JWKS (--jwks): {0}")]
    Keys(#[from] KeysError),
}

/// Checks tokens and signs them.
pub struct Authenticator {
    secret: Verifier,
    encoding: EncodingKey,
    /// Whether the host site signs with the secret too, or only this server does.
    is_secret_hosts: bool,
    jwks: Option<Jwks>,
    rules: Rules,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// As the settings say: with the secret of the configuration, or a random one; and with the host
    /// site's public keys, which are still to be read where they are at a URL (see
    /// [`prepare`](Self::prepare)). A file of them must be there and good.
    pub fn new(config: &AuthConfig) -> Result<Self, SetupError> {
        let algorithms = algorithms(config);
        let public: Vec<Algorithm> = algorithms
            .iter()
            .filter_map(|&named| public(named))
            .collect();
        let jwks = match &config.jwks {
            None if !public.is_empty() => return Err(SetupError::NoKeys),
            Some(_) if public.is_empty() => return Err(SetupError::NoAlgorithm),
            Some(source) => Some(Jwks::new(source, public, config)?),
            None => None,
        };
        let secret = config.jwt_secret.clone().unwrap_or_else(random_secret);
        Ok(Self {
            is_secret_hosts: algorithms.contains(&JwtAlgorithm::Hs256),
            jwks,
            rules: Rules::new(config),
            ..Self::with_secret(&secret)
        })
    }

    /// With this secret, which the host site has too; it takes tokens of any issuer, for any
    /// audience, and to the instant.
    pub fn with_secret(secret: &Secret) -> Self {
        let key = secret.reveal().as_bytes();
        Self {
            secret: Verifier::new(DecodingKey::from_secret(key), Algorithm::HS256),
            encoding: EncodingKey::from_secret(key),
            is_secret_hosts: true,
            jwks: None,
            rules: Rules::default(),
        }
    }

    /// Makes ready to serve: reads the host site's public keys for the first time where they are at
    /// a URL, and warns of what is not as it should be. Those keys may come later.
    pub async fn prepare(&self, config: &AuthConfig) {
        match &config.jwt_secret {
            Some(secret) if secret.reveal().len() < 32 => {
                tracing::warn!("JWT_SECRET is shorter than 32 bytes: it can be guessed");
            }
            Some(_) => {}
            None => tracing::warn!(
                "no JWT_SECRET is set: {} are signed with a random one and end with this process",
                if config.jwks.is_some() {
                    "guests' tokens"
                } else {
                    "tokens"
                }
            ),
        }
        let unread = self.jwks.as_ref().filter(|jwks| !jwks.is_read());
        if let Some(jwks) = unread
            && let Err(error) = jwks.read().await
        {
            tracing::warn!(
                %error,
                "JWKS could not be read: tokens signed with its keys are refused until it is"
            );
        }
    }

    /// Reads the host site's public keys anew whenever it is time. Runs until it is dropped.
    pub async fn run(&self) {
        match &self.jwks {
            Some(jwks) => jwks.run().await,
            None => std::future::pending().await,
        }
    }

    /// The identity that a token proves now. Where it names a public key that is not known, the
    /// keys are read anew first, if that was not done a short while ago.
    pub async fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        let known = self.authenticate(token, Timestamp::now());
        match (&self.jwks, known) {
            (Some(jwks), Err(TokenError::UnknownKey)) => {
                jwks.look_again().await;
                self.authenticate(token, Timestamp::now())
            }
            (_, known) => known,
        }
    }

    /// The identity that a token proves at `now`, as far as the keys are known.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        // What must be understood (RFC 7515, section 4.1.11) is not.
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let (claims, verified) = if header.alg == Algorithm::HS256 {
            let is_hosts = self.is_secret_hosts;
            (self.secret.claims(token), Verified::BySecret { is_hosts })
        } else {
            let jwks = self.jwks.as_ref().ok_or(TokenError::Invalid)?;
            if !jwks.takes(header.alg) {
                return Err(TokenError::Invalid);
            }
            let keys = jwks.keys();
            let key = keys.find(header.alg, header.kid.as_deref());
            let key = key.ok_or(TokenError::UnknownKey)?;
            (key.claims(token), Verified::ByPublicKey)
        };
        self.rules.identity(claims?, verified, now)
    }

    /// A token that proves `identity`. Its end is rounded down to a second.
    pub fn sign(&self, identity: &Identity) -> Result<String, Error> {
        let claims = self.rules.claims(identity);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| Error::Internal(Box::new(error)))
    }
}

/// The algorithms that the host site signs with.
fn algorithms(config: &AuthConfig) -> Vec<JwtAlgorithm> {
    use JwtAlgorithm::{EdDsa, Es256, Hs256, Rs256};
    if !config.jwt_algorithms.is_empty() {
        return config.jwt_algorithms.clone();
    }
    let mut derived = Vec::new();
    if config.jwt_secret.is_some() || config.jwks.is_none() {
        derived.push(Hs256);
    }
    if config.jwks.is_some() {
        derived.extend([Rs256, Es256, EdDsa]);
    }
    derived
}

/// The library's name of an algorithm with public keys.
fn public(algorithm: JwtAlgorithm) -> Option<Algorithm> {
    match algorithm {
        JwtAlgorithm::Hs256 => None,
        JwtAlgorithm::Rs256 => Some(Algorithm::RS256),
        JwtAlgorithm::Es256 => Some(Algorithm::ES256),
        JwtAlgorithm::EdDsa => Some(Algorithm::EdDSA),
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
    use crate::model::{Role, User, UserId};

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
            &Header::new(Algorithm::HS256),
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
