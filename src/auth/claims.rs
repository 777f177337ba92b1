//! The claims of a token, and the rules that they must meet once the signature is verified.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::{error::TokenError, principal::Principal};
use crate::{
    config::AuthConfig,
    model::{MAX_NAME_CHARS, Role, Timestamp, User, UserId},
};

/// Issuer of guests' tokens, which this server signs itself. No other token may name it.
const GUEST_ISSUER: &str = "urn:causerie:guests";

/// The claims that this server reads and writes. Others are ignored; a duplicate makes the token
/// invalid.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "AudClaim::is_absent")]
    aud: AudClaim,
    sub: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default = "default_role")]
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<NumericDate>,
    exp: NumericDate,
}

fn default_role() -> Role {
    Role::Reader
}

/// Seconds since 1970, possibly with a fraction (RFC 7519, section 2).
#[derive(Clone, Copy)]
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(seconds) = number.as_i64() {
            return Ok(Self(Timestamp::from_unix_seconds(seconds)));
        }
        let seconds = number.as_f64().filter(|seconds| seconds.is_finite());
        let seconds = seconds.ok_or_else(|| de::Error::custom("not an instant"))?;
        Ok(Self(Timestamp::from_unix_seconds_f64(seconds)))
    }
}

impl Serialize for NumericDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.unix_seconds())
    }
}

/// The recipients of a token: one name or a list of names (RFC 7519, section 4.1.3).
#[derive(Default, Serialize, Deserialize)]
#[serde(untagged)]
enum AudClaim {
    One(String),
    Many(Vec<String>),
    #[default]
    Absent,
}

impl AudClaim {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    fn names_any_of(&self, names: &HashSet<String>) -> bool {
        match self {
            Self::One(name) => names.contains(name),
            Self::Many(list) => list.iter().any(|name| names.contains(name)),
            Self::Absent => false,
        }
    }
}

/// The rules for claims. The default accepts any issuer and audience, without leeway.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimRules {
    /// Accepted issuers; if empty, `iss` is not checked.
    issuers: HashSet<String>,
    /// Accepted audiences; if empty, `aud` is not checked.
    audiences: HashSet<String>,
    /// Tolerated clock difference.
    leeway: Duration,
    /// `iss` of tokens that `causerie token` signs.
    issuer: Option<String>,
    /// `aud` of tokens that `causerie token` signs.
    audience: Option<String>,
}

/// The key that verified a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VerifiedBy {
    /// The shared secret, which signs guests' tokens too.
    Secret {
        /// True if the host site signs with it too, not only this server.
        is_shared: bool,
    },
    /// A public key of the host site.
    PublicKey,
}

impl ClaimRules {
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self {
            issuers: config.jwt_issuer.iter().cloned().collect(),
            audiences: config.jwt_audience.iter().cloned().collect(),
            leeway: config.jwt_leeway,
            issuer: config.jwt_issuer.first().cloned(),
            audience: config.jwt_audience.first().cloned(),
        }
    }

    /// Checks the claims at `now`, and returns the principal that they name.
    pub(super) fn principal(
        &self,
        claims: Claims,
        verified_by: VerifiedBy,
        now: Timestamp,
    ) -> Result<Principal, TokenError> {
        let expires_at = claims.exp.0.plus(self.leeway);
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if claims
            .nbf
            .is_some_and(|NumericDate(from)| from > now.plus(self.leeway))
        {
            return Err(TokenError::NotYet);
        }
        let id = UserId::parse(&claims.sub).ok_or(TokenError::Invalid)?;
        let is_valid = if claims.iss.as_deref() == Some(GUEST_ISSUER) {
            matches!(verified_by, VerifiedBy::Secret { .. })
                && id.is_guest()
                && claims.role == Role::Reader
        } else {
            verified_by != (VerifiedBy::Secret { is_shared: false })
                && !id.is_guest()
                && self.accepts_issuer_and_audience(&claims)
        };
        if !is_valid {
            return Err(TokenError::Invalid);
        }
        let name: String = claims
            .name
            .trim()
            .chars()
            .filter(|character| !character.is_control())
            // The host site may allow longer names: they are truncated.
            .take(MAX_NAME_CHARS)
            .collect();
        if name.is_empty() {
            return Err(TokenError::Invalid);
        }
        Ok(Principal {
            user: User {
                id,
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

    fn accepts_issuer_and_audience(&self, claims: &Claims) -> bool {
        let accepts_issuer = self.issuers.is_empty()
            || claims
                .iss
                .as_ref()
                .is_some_and(|issuer| self.issuers.contains(issuer));
        accepts_issuer && (self.audiences.is_empty() || claims.aud.names_any_of(&self.audiences))
    }

    /// Returns the claims of a token for `principal`: a guest's, or as the host site would issue it.
    pub(super) fn claims(&self, principal: &Principal) -> Claims {
        let is_guest = principal.user.id.is_guest();
        let audience = self.audience.clone().filter(|_| !is_guest);
        Claims {
            iss: match is_guest {
                true => Some(GUEST_ISSUER.to_owned()),
                false => self.issuer.clone(),
            },
            aud: audience.map_or(AudClaim::Absent, AudClaim::One),
            sub: principal.user.id.to_string(),
            name: principal.user.name.to_string(),
            picture: principal.user.avatar.as_deref().map(str::to_owned),
            role: principal.role,
            nbf: None,
            exp: NumericDate(principal.expires_at),
        }
    }
}
