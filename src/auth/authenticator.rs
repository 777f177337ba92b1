//! Verification and signing of tokens.
//!
//! The accepted algorithms are configured and never read from a token (RFC 8725, section 3.1). Each
//! has keys of its own: an HS256 token is verified with the secret only. So a token that is signed
//! with the bytes of a public key, which everyone has, is refused.

use std::time::Instant;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode_header};

use super::{
    claims::{ClaimRules, VerifiedBy},
    error::{ClaimError, SetupError, TokenError},
    jwks::Jwks,
    keys::Verifier,
    principal::Principal,
};
use crate::{
    config::{AuthConfig, JwtAlgorithm, Secret},
    error::Error,
    model::Timestamp,
    telemetry::LogLimit,
};

/// Maximum size of a token.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Verifies and signs tokens.
pub struct Authenticator {
    secret: Verifier,
    signing_key: EncodingKey,
    /// True if the host site signs with the secret, not only this server.
    is_secret_shared: bool,
    jwks: Option<Jwks>,
    rules: ClaimRules,
    refused_claims: LogLimit<ClaimError>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Creates an authenticator from the settings, with a random secret if none is set.
    ///
    /// Fails if public keys are in a file that cannot be read. Keys at a URL are not fetched yet: see
    /// [`prepare`](Self::prepare).
    pub fn new(config: &AuthConfig) -> Result<Self, SetupError> {
        let algorithms = algorithms(config);
        let public: Vec<Algorithm> = algorithms
            .iter()
            .filter_map(|&algorithm| public_key_algorithm(algorithm))
            .collect();
        let jwks = match &config.jwks {
            None if !public.is_empty() => return Err(SetupError::NoKeys),
            Some(_) if public.is_empty() => return Err(SetupError::NoAlgorithm),
            Some(source) => Some(Jwks::new(source, public, config)?),
            None => None,
        };
        let secret = config.jwt_secret.clone().unwrap_or_else(random_secret);
        Ok(Self {
            is_secret_shared: algorithms.contains(&JwtAlgorithm::Hs256),
            jwks,
            rules: ClaimRules::new(config),
            ..Self::with_secret(&secret)
        })
    }

    /// Creates an authenticator with a secret that the host site has too. It accepts tokens of any
    /// issuer, for any audience, without leeway.
    pub fn with_secret(secret: &Secret) -> Self {
        let key = secret.reveal().as_bytes();
        Self {
            secret: Verifier::new(DecodingKey::from_secret(key), Algorithm::HS256),
            signing_key: EncodingKey::from_secret(key),
            is_secret_shared: true,
            jwks: None,
            rules: ClaimRules::default(),
            refused_claims: LogLimit::new(Instant::now()),
        }
    }

    /// Warns of a weak or missing secret, and fetches public keys that are at a URL. A failed fetch is
    /// logged and retried by [`run`](Self::run).
    pub async fn prepare(&self, config: &AuthConfig) {
        match &config.jwt_secret {
            Some(secret) if secret.reveal().len() < 32 => {
                tracing::warn!("JWT_SECRET is shorter than 32 bytes and can be guessed");
            }
            Some(_) => {}
            None => tracing::warn!(
                "JWT_SECRET is not set: {} are signed with a random secret and become invalid when \
                 this process ends",
                if config.jwks.is_some() {
                    "guests' tokens"
                } else {
                    "tokens"
                }
            ),
        }
        let unread = self.jwks.as_ref().filter(|jwks| !jwks.has_keys());
        if let Some(jwks) = unread
            && let Err(error) = jwks.fetch().await
        {
            tracing::warn!(
                %error,
                "cannot fetch JWKS: tokens signed with its keys are refused until it can be fetched"
            );
        }
    }

    /// Refreshes the public keys when they are due. Runs until it is dropped.
    pub async fn run(&self) {
        match &self.jwks {
            Some(jwks) => jwks.run().await,
            None => std::future::pending().await,
        }
    }

    /// Verifies a token now. If it names an unknown public key, refreshes the keys first, at most once
    /// per cooldown. Logs the claim that makes it refuse a token with a good signature, because the host
    /// site must correct that. Each such claim is logged once an hour.
    pub async fn identify(&self, token: &str) -> Result<Principal, TokenError> {
        let mut principal = self.authenticate(token, Timestamp::now());
        if let (Some(jwks), Err(TokenError::UnknownKey)) = (&self.jwks, &principal) {
            jwks.refresh_for_unknown_key().await;
            principal = self.authenticate(token, Timestamp::now());
        }
        if let Err(TokenError::Claim(error)) = &principal
            && self.refused_claims.is_first(*error, Instant::now())
        {
            tracing::warn!(
                %error,
                "refused a token with a good signature; more within the hour are only counted"
            );
        }
        principal
    }

    /// Verifies a token at `now` with the keys that are known, and returns its principal.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Principal, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        // `crit` lists extensions that must be understood (RFC 7515, section 4.1.11). None is.
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let (claims, verified_by) = if header.alg == Algorithm::HS256 {
            let is_shared = self.is_secret_shared;
            (self.secret.claims(token), VerifiedBy::Secret { is_shared })
        } else {
            let jwks = self.jwks.as_ref().ok_or(TokenError::Invalid)?;
            if !jwks.accepts(header.alg) {
                return Err(TokenError::Invalid);
            }
            let keys = jwks.keys();
            let key = keys.find(header.alg, header.kid.as_deref());
            let key = key.ok_or(TokenError::UnknownKey)?;
            (key.claims(token), VerifiedBy::PublicKey)
        };
        self.rules.principal(&claims?, verified_by, now)
    }

    /// Signs a token for `principal`. Its `exp` is rounded down to a second.
    pub fn sign(&self, principal: &Principal) -> Result<String, Error> {
        let claims = self.rules.claims(principal);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
            .map_err(|error| Error::Internal(Box::new(error)))
    }
}

/// Returns the algorithms that the host site signs with.
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

/// Returns the library's name of a public-key algorithm.
fn public_key_algorithm(algorithm: JwtAlgorithm) -> Option<Algorithm> {
    match algorithm {
        JwtAlgorithm::Hs256 => None,
        JwtAlgorithm::Rs256 => Some(Algorithm::RS256),
        JwtAlgorithm::Es256 => Some(Algorithm::ES256),
        JwtAlgorithm::EdDsa => Some(Algorithm::EdDSA),
    }
}

/// Returns the token in a header's or payload's value, or `None` for a blank value, which clients send
/// for anonymous readers. The prefix `Bearer ` is optional, in any case.
pub fn bearer(value: &str) -> Option<&str> {
    let value = value.trim();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_start(),
        _ => value,
    };
    (!value.is_empty()).then_some(token)
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

    fn principal() -> Principal {
        Principal {
            user: User {
                id: UserId::parse("u1").unwrap(),
                name: "Ada".into(),
                avatar: Some("https://example.org/a.png".into()),
                role: Role::Author,
            },
            issued_at: Some(Timestamp(1_000_000)),
            expires_at: Timestamp(2_000_000),
        }
    }

    fn authenticator(secret: &str) -> Authenticator {
        Authenticator::with_secret(&Secret::new(secret))
    }

    #[test]
    fn signed_token_authenticates_its_principal() {
        let ours = authenticator("one");
        let token = ours.sign(&principal()).unwrap();
        assert_eq!(ours.authenticate(&token, Timestamp(0)), Ok(principal()));
    }

    #[test]
    fn token_expires_at_its_exp() {
        let ours = authenticator("one");
        let token = ours.sign(&principal()).unwrap();
        assert!(ours.authenticate(&token, Timestamp(1_999_999)).is_ok());
        assert_eq!(
            ours.authenticate(&token, Timestamp(2_000_000)),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn other_secret_or_algorithm_or_none_is_refused() {
        let ours = authenticator("one");
        let forged = authenticator("two").sign(&principal()).unwrap();
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
    fn bearer_prefix_is_optional_in_any_case() {
        for value in [
            "abc",
            "Bearer abc",
            "bearer abc",
            "BEARER  abc",
            " Bearer abc ",
        ] {
            assert_eq!(bearer(value), Some("abc"));
        }
        for (value, token) in [
            ("", None),
            (" \t", None),
            ("Bearer", Some("Bearer")),
            ("Bearer null", Some("null")),
            ("null", Some("null")),
        ] {
            assert_eq!(bearer(value), token, "{value:?}");
        }
    }
}
