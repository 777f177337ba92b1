//! The claims of a token as it was signed. Each is read on its own, so a refusal can name it.

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::error::{ClaimError, TokenError};
use crate::model::{Role, Timestamp, UserId};

/// The claims that this server reads, as JSON. Null is absent; other claims are ignored; a duplicate
/// makes the token invalid.
#[derive(Deserialize)]
pub(super) struct SignedClaims {
    iss: Option<Box<RawValue>>,
    aud: Option<Box<RawValue>>,
    sub: Option<Box<RawValue>>,
    name: Option<Box<RawValue>>,
    picture: Option<Box<RawValue>>,
    role: Option<Box<RawValue>>,
    iat: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    exp: Option<Box<RawValue>>,
}

/// The recipients of a token: one name or a list of names (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Seconds since 1970, possibly with a fraction (RFC 7519, section 2).
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

impl SignedClaims {
    pub(super) fn issuer(&self) -> Result<Option<String>, TokenError> {
        read(self.iss.as_deref(), ClaimError::new("iss", "must be text"))
    }

    pub(super) fn audience(&self) -> Result<Option<Audience>, TokenError> {
        let rule = ClaimError::new("aud", "must be text, or a list of texts");
        read(self.aud.as_deref(), rule)
    }

    /// Returns the user's id. An integer is read as text, because accounts often have numbers.
    pub(super) fn subject(&self) -> Result<UserId, TokenError> {
        let type_rule = ClaimError::new("sub", "must be text or an integer");
        let sub = match self.sub.as_deref().map(RawValue::get) {
            Some(number) if is_integer(number) => Some(number.to_owned()),
            _ => read(self.sub.as_deref(), type_rule)?,
        };
        let sub = sub.ok_or(TokenError::Claim(type_rule))?;
        let id_rule = ClaimError::new("sub", UserId::RULE);
        UserId::parse(&sub).ok_or(TokenError::Claim(id_rule))
    }

    pub(super) fn name(&self) -> Result<String, TokenError> {
        let rule = ClaimError::new("name", "must be text");
        read(self.name.as_deref(), rule)?.ok_or(TokenError::Claim(rule))
    }

    /// Returns the picture. Anything but text is absent, as any text but a URL is.
    pub(super) fn picture(&self) -> Option<String> {
        serde_json::from_str(self.picture.as_deref()?.get()).ok()
    }

    pub(super) fn role(&self) -> Result<Role, TokenError> {
        let rule = ClaimError::new("role", Role::RULE);
        Ok(read(self.role.as_deref(), rule)?.unwrap_or(Role::Reader))
    }

    pub(super) fn issued_at(&self) -> Result<Option<Timestamp>, TokenError> {
        instant("iat", self.iat.as_deref())
    }

    pub(super) fn not_before(&self) -> Result<Option<Timestamp>, TokenError> {
        instant("nbf", self.nbf.as_deref())
    }

    pub(super) fn expires_at(&self) -> Result<Timestamp, TokenError> {
        let missing = ClaimError::new("exp", "is required");
        instant("exp", self.exp.as_deref())?.ok_or(TokenError::Claim(missing))
    }
}

fn instant(claim: &'static str, value: Option<&RawValue>) -> Result<Option<Timestamp>, TokenError> {
    let rule = ClaimError::new(claim, "must be a number of seconds since 1970");
    let date: Option<NumericDate> = read(value, rule)?;
    Ok(date.map(|NumericDate(at)| at))
}

fn read<'a, T: Deserialize<'a>>(
    value: Option<&'a RawValue>,
    rule: ClaimError,
) -> Result<Option<T>, TokenError> {
    let value = value.map(|value| serde_json::from_str(value.get()));
    value.transpose().map_err(|_| TokenError::Claim(rule))
}

/// Returns true for a JSON number without fraction and exponent, of any length.
fn is_integer(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}
