//! What a token says, and what of it is believed once its signature is good.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::{authenticator::TokenError, identity::Identity};
use crate::{
    config::AuthConfig,
    model::{MAX_NAME_CHARS, Role, Timestamp, User, UserId},
};

/// Who signs guests' tokens: this server, whatever issuers the host site has. No other token may
/// name it.
pub(super) const GUESTS: &str = "urn:causerie:guests";

/// The claims that are read and written; others of the host site's are ignored. One that stands
/// twice makes the token invalid.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "Audience::is_nobody")]
    aud: Audience,
    sub: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default = "reader")]
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<NumericDate>,
    exp: NumericDate,
}

fn reader() -> Role {
    Role::Reader
}

/// Seconds since 1970, which may have a fraction (RFC 7519, section 2).
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

/// Whom a token is for: one name or a list of them (RFC 7519, section 4.1.3).
#[derive(Default, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
    #[default]
    Nobody,
}

impl Audience {
    fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    fn is_any_of(&self, names: &HashSet<String>) -> bool {
        match self {
            Self::One(name) => names.contains(name),
            Self::Many(list) => list.iter().any(|name| names.contains(name)),
            Self::Nobody => false,
        }
    }
}

/// What the host site's tokens must say besides who is asking.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Who may have issued them; where there are none, anybody with a key.
    issuers: HashSet<String>,
    /// Whom they must be for; where there are none, anybody.
    audiences: HashSet<String>,
    /// How much clocks may differ.
    leeway: Duration,
    /// What this server's own command writes into them.
    issuer: Option<String>,
    audience: Option<String>,
}

/// By what a token was verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verified {
    /// The secret, which this server has too: it may be a guest's.
    BySecret {
        /// Whether the host site signs with it as well.
        is_hosts: bool,
    },
    /// A public key of the host site.
    ByPublicKey,
}

impl Rules {
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self {
            issuers: config.jwt_issuer.iter().cloned().collect(),
            audiences: config.jwt_audience.iter().cloned().collect(),
            leeway: config.jwt_leeway,
            issuer: config.jwt_issuer.first().cloned(),
            audience: config.jwt_audience.first().cloned(),
        }
    }

    /// Who the claims say is asking, if all of them are believed at `now`.
    pub(super) fn identity(
        &self,
        claims: Claims,
        verified: Verified,
        now: Timestamp,
    ) -> Result<Identity, TokenError> {
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
        let is_good = if claims.iss.as_deref() == Some(GUESTS) {
            matches!(verified, Verified::BySecret { .. })
                && id.is_guest()
                && claims.role == Role::Reader
        } else {
            verified != (Verified::BySecret { is_hosts: false })
                && !id.is_guest()
                && self.is_from_and_for(&claims)
        };
        if !is_good {
            return Err(TokenError::Invalid);
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

    fn is_from_and_for(&self, claims: &Claims) -> bool {
        let is_from = self.issuers.is_empty()
            || claims
                .iss
                .as_ref()
                .is_some_and(|issuer| self.issuers.contains(issuer));
        is_from && (self.audiences.is_empty() || claims.aud.is_any_of(&self.audiences))
    }

    /// The claims of a token that proves `identity`: of a guest's where it is one's, else as the host
    /// site would write them.
    pub(super) fn claims(&self, identity: &Identity) -> Claims {
        let is_guest = identity.user.id.is_guest();
        let audience = self.audience.clone().filter(|_| !is_guest);
        Claims {
            iss: match is_guest {
                true => Some(GUESTS.to_owned()),
                false => self.issuer.clone(),
            },
            aud: audience.map_or(Audience::Nobody, Audience::One),
            sub: identity.user.id.to_string(),
            name: identity.user.name.to_string(),
            picture: identity.user.avatar.as_deref().map(str::to_owned),
            role: identity.role,
            nbf: None,
            exp: NumericDate(identity.expires_at),
        }
    }
}
