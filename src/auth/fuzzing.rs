//! Tokens and keys of any bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::{Authenticator, keys::KeySet};
use crate::{config::Secret, model::Timestamp};

const SECRET: &str = "a secret that is no secret, of 32 bytes or more";
/// What the algorithms of public keys are.
const PUBLIC: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// A token: as it is, and with its header and claims (up to and behind the first line break) signed. One
/// that is not signed proves nothing; one that is may, if it says that it is signed so.
pub fn token(bytes: &[u8]) {
    let authenticator = Authenticator::with_secret(&Secret::new(SECRET));
    let now = Timestamp::now();
    let as_it_is = String::from_utf8_lossy(bytes);
    assert!(
        authenticator.authenticate(&as_it_is, now).is_err(),
        "a token was forged"
    );
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, claims) = bytes.split_at(at);
    let signed = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let Ok(signature) = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256) else {
        return;
    };
    if let Ok(identity) = authenticator.authenticate(&format!("{signed}.{signature}"), now) {
        assert!(identity.expires_at > now, "a token that is over was taken");
        let again = authenticator.sign(&identity);
        let again = authenticator.authenticate(&again.unwrap_or_default(), now);
        // The end is rounded to a second.
        assert!(
            again.is_ok_and(|again| again.user == identity.user)
                || identity.expires_at < now.plus(std::time::Duration::from_secs(1))
        );
    }
}

/// A JSON Web Key Set: a token that no key of it has signed is not taken.
pub fn keys(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes, &PUBLIC) {
        for algorithm in PUBLIC {
            if let Some(verifier) = keys.find(algorithm, None) {
                assert!(verifier.claims("e30.e30.").is_err(), "a token was forged");
            }
        }
    }
}
