//! The rules that claims must meet once the signature is verified, and the claims of new tokens.

use std::{collections::HashSet, time::Duration};

use serde::Serialize;

use super::{
    error::{ClaimError, TokenError},
    principal::Principal,
    signed_claims::{Audience, SignedClaims},
};
use crate::{
    config::AuthConfig,
    model::{Role, Timestamp, User, UserId},
    text,
};

/// Issuer of guests' tokens, which this server signs itself. No other token may name it.
const GUEST_ISSUER: &str = "urn:causerie:guests";

/// The claims of a token that this server signs. Instants are in seconds since 1970.
#[derive(Serialize)]
pub(super) struct NewClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    sub: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    exp: i64,
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
        claims: &SignedClaims,
        verified_by: VerifiedBy,
        now: Timestamp,
    ) -> Result<Principal, TokenError> {
        let expires_at = claims.expires_at()?.plus(self.leeway);
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        let not_before = claims.not_before()?;
        if not_before.is_some_and(|from| from > now.plus(self.leeway)) {
            return Err(TokenError::NotYet);
        }
        let (id, role) = (claims.subject()?, claims.role()?);
        self.check_source(claims, verified_by, &id, role)?;
        Ok(Principal {
            user: User {
                id,
                name: name(claims)?.into(),
                avatar: claims
                    .picture()
                    .and_then(|url| text::web_url(&url))
                    .map(Into::into),
                role,
            },
            issued_at: claims.issued_at()?,
            expires_at,
        })
    }

    /// Checks that the key which verified the token may sign for this user: the host site's for its
    /// users, this server's for guests.
    fn check_source(
        &self,
        claims: &SignedClaims,
        verified_by: VerifiedBy,
        id: &UserId,
        role: Role,
    ) -> Result<(), TokenError> {
        let refuse = |claim, rule| Err(TokenError::Claim(ClaimError::new(claim, rule)));
        let (issuer, audience) = (claims.issuer()?, claims.audience()?);
        let is_guests = issuer.as_deref() == Some(GUEST_ISSUER);
        let may_sign = match verified_by {
            VerifiedBy::Secret { is_shared } => is_shared || is_guests,
            VerifiedBy::PublicKey => !is_guests,
        };
        if !may_sign {
            return refuse("iss", "must be one that the token's key signs for");
        }
        if is_guests {
            return match (id.is_guest(), role) {
                (true, Role::Reader) => Ok(()),
                (true, _) => refuse("role", "must be reader for a guest"),
                (false, _) => refuse("sub", "must begin with guest: for a guest"),
            };
        }
        if id.is_reserved() {
            return refuse("sub", UserId::UNRESERVED_RULE);
        }
        if !self.issuers.is_empty() && issuer.is_none_or(|issuer| !self.issuers.contains(&issuer)) {
            return refuse("iss", "must be one of JWT_ISSUER");
        }
        let is_recipient = |name: &String| self.audiences.contains(name);
        let is_for_us = match audience {
            Some(Audience::One(name)) => is_recipient(&name),
            Some(Audience::Many(names)) => names.iter().any(is_recipient),
            None => false,
        };
        if !self.audiences.is_empty() && !is_for_us {
            return refuse("aud", "must be one of JWT_AUDIENCE");
        }
        Ok(())
    }

    /// Returns the claims of a token for `principal`: a guest's, or as the host site would issue it.
    pub(super) fn claims(&self, principal: &Principal) -> NewClaims {
        let user = &principal.user;
        let is_guest = user.id.is_guest();
        NewClaims {
            iss: match is_guest {
                true => Some(GUEST_ISSUER.to_owned()),
                false => self.issuer.clone(),
            },
            aud: self.audience.clone().filter(|_| !is_guest),
            sub: user.id.to_string(),
            name: user.name.to_string(),
            picture: user.avatar.as_deref().map(str::to_owned),
            role: user.role,
            iat: principal.issued_at.map(Timestamp::unix_seconds),
            exp: principal.expires_at.unix_seconds(),
        }
    }
}

/// Returns the cleaned name.
fn name(claims: &SignedClaims) -> Result<String, TokenError> {
    let rule = ClaimError::new("name", "must have a visible character");
    text::name(&claims.name()?).ok_or(TokenError::Claim(rule))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Checks claims that are this JSON.
    fn check(claims: &str) -> Result<Principal, TokenError> {
        let claims = serde_json::from_str(claims).map_err(|_| TokenError::Invalid)?;
        let verified_by = VerifiedBy::Secret { is_shared: true };
        ClaimRules::default().principal(&claims, verified_by, Timestamp(0))
    }

    /// Checks good claims with `changes`.
    fn with(changes: &serde_json::Value) -> Result<Principal, TokenError> {
        let mut claims = json!({"sub": "u1", "name": "Ada", "exp": 9_000_000});
        for (claim, value) in changes.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        check(&claims.to_string())
    }

    #[test]
    fn refusal_names_the_claim() {
        for (claim, value) in [
            ("sub", json!(null)),
            ("sub", json!("")),
            ("sub", json!("a\0")),
            ("sub", json!("x".repeat(256))),
            ("sub", json!(["u1"])),
            ("sub", json!("deleted")),
            ("sub", json!("guest:1")),
            ("sub", json!("import:1")),
            ("name", json!(null)),
            ("name", json!(7)),
            ("name", json!("  ")),
            ("name", json!("\u{3164}")),
            ("role", json!("king")),
            ("role", json!("Author")),
            ("role", json!(1)),
            ("exp", json!(null)),
            ("exp", json!("soon")),
            ("nbf", json!("now")),
            ("iat", json!({})),
            ("iss", json!(1)),
            ("aud", json!(1)),
        ] {
            let error = with(&json!({claim: value})).unwrap_err().to_string();
            assert!(error.contains(&format!("`{claim}`")), "{value}: {error}");
        }
        let guest = |changes: &serde_json::Value| {
            let mut claims = json!({"iss": GUEST_ISSUER, "sub": "guest:1"});
            for (claim, value) in changes.as_object().unwrap() {
                claims[claim] = value.clone();
            }
            with(&claims)
        };
        assert!(guest(&json!({})).is_ok());
        for (claim, value) in [("sub", "u1"), ("role", "author")] {
            let error = guest(&json!({claim: value})).unwrap_err().to_string();
            assert!(error.contains(&format!("`{claim}`")), "{value}: {error}");
        }
    }

    #[test]
    fn integer_sub_is_read_as_text() {
        for sub in ["42", "0", "-1", "18446744073709551616", &"9".repeat(255)] {
            let principal = check(&format!(r#"{{"sub":{sub},"name":"Ada","exp":9000000}}"#));
            assert_eq!(principal.unwrap().user.id.as_str(), sub);
        }
        for sub in ["1.0", "1e3", &"9".repeat(256)] {
            let principal = check(&format!(r#"{{"sub":{sub},"name":"Ada","exp":9000000}}"#));
            assert!(matches!(principal, Err(TokenError::Claim(_))), "{sub}");
        }
    }

    #[test]
    fn duplicate_claim_is_refused() {
        let refused = check(r#"{"sub":"a","sub":"b","name":"Ada","exp":9000000}"#);
        assert_eq!(refused, Err(TokenError::Invalid));
    }

    #[test]
    fn null_claims_are_absent() {
        let principal = with(&json!({
            "role": null, "picture": null, "iss": null, "aud": null, "iat": null, "nbf": null,
        }));
        let principal = principal.unwrap();
        assert_eq!(principal.user.role, Role::Reader);
        assert_eq!((principal.user.avatar, principal.issued_at), (None, None));
    }

    #[test]
    fn picture_is_a_serialized_web_url_or_absent() {
        for (picture, avatar) in [
            (json!("javascript:alert(1)"), None),
            (json!({"url": "https://x.example/"}), None),
            (json!(7), None),
            (json!("http://x.example"), Some("http://x.example/")),
            (json!("https://x.example/\""), Some("https://x.example/%22")),
        ] {
            let principal = with(&json!({"picture": picture})).unwrap();
            assert_eq!(principal.user.avatar.as_deref(), avatar, "{picture}");
        }
    }

    #[test]
    fn name_is_cleaned_and_truncated() {
        for (name, cleaned) in [
            (" Ada\u{7}L. ".to_owned(), "Ada L.".to_owned()),
            ("\u{202e}nimdA".to_owned(), "nimdA".to_owned()),
            ("x".repeat(500), "x".repeat(80)),
            (format!("{} y", "x".repeat(79)), "x".repeat(79)),
        ] {
            let principal = with(&json!({"name": name})).unwrap();
            assert_eq!(*principal.user.name, *cleaned);
        }
    }

    #[test]
    fn profile_is_as_of_iat_unless_used_earlier() {
        let issued = with(&json!({"iat": 100})).unwrap();
        assert_eq!(issued.profile(Timestamp(900_000)).as_of, Timestamp(100_000));
        assert_eq!(issued.profile(Timestamp(50_000)).as_of, Timestamp(50_000));
        let undated = with(&json!({})).unwrap();
        assert_eq!(undated.profile(Timestamp(7)).as_of, Timestamp(7));
    }
}
